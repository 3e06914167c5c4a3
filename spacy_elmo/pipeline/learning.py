"""When an embedder learns: gradients come after its own turn, from components behind it."""

from typing import Any, List, Optional, Sequence

from spacy.tokens import Doc
from thinc.api import Optimizer

from ..bilm.layers import MIXED
from ..models.batch import SharedBatch
from ..models.output import ElmoOutput
from ..models.wrapper import ElmoModelT, holder_of, shim_of


class Learning:
    """The training batch that is under way, and the step that waits for its gradients.

    Listeners answer in any number and order, or not at all. So there is no last one to wait for: what has come in
    is taken when the next batch begins, or when a step is due. With `nlp.update(sgd=...)`, spaCy asks the embedder
    for its step before the listeners had their turn; it is then taken at the next occasion, before anything else
    is computed. Thus both ways to train give the same numbers.
    """

    def __init__(self, model: ElmoModelT):
        self._model = model
        self._batch: Optional[SharedBatch] = None
        self._owed: Optional[Optimizer] = None

    def __reduce__(self) -> Any:
        return Learning, (self._model,)

    def begin(self, batch: SharedBatch) -> None:
        """Take a batch, after `settle`."""
        self._batch = batch

    def settle(self) -> None:
        """Learn from what has come in, and take the step that is owed."""
        if self._batch is not None and self._batch.has_gradient:
            self._batch.backprop()
        if self._owed is not None:
            sgd, self._owed = self._owed, None
            self._step(sgd)

    def finish_update(self, sgd: Optimizer) -> None:
        """Take a step, now or when the gradients are there."""
        batch = self._batch
        waits = batch is not None and batch.learns and not batch.has_gradient and not batch.closed
        if waits and not shim_of(self._model).has_gradient:
            self._owed = sgd
        else:
            self.settle()
            self._step(sgd)

    def known(self, docs: Sequence[Doc], names: Sequence[str]) -> Optional[ElmoOutput]:
        """Layers of Docs that are in training just now, where a frozen biLM need not run again for them."""
        if self._batch is None or MIXED in names or not holder_of(self._model).training_settings.frozen:
            return None
        layers = self._batch.find(docs)
        if layers is None or not all(name in layers.arrays for name in names):
            return None
        found: List[Any] = layers.docs(names)
        return ElmoOutput(found)

    def _step(self, sgd: Optimizer) -> None:
        self._model.finish_update(sgd)
        if self._batch is not None:
            self._batch.close()
            self._batch = None
