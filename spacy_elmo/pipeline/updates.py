"""When an embedder learns: gradients come after its own turn, from components behind it."""

from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc
from thinc.api import Optimizer

from ..bilm.layers import MIXED
from ..models.listener import SharedBatch
from ..models.output import ElmoOutput
from ..models.wrapper import ElmoModelT, holder_of, lower_layers, shim_of, with_mix
from ..runtime.forks import ForkLock


class Learning:
    """The training batch that is under way, and the step that waits for its gradients.

    Listeners answer in any number and order, or not at all. So there is no last one to wait for: what has come in
    is taken when the next batch begins, or when a step is due. With `nlp.update(sgd=...)`, spaCy asks the embedder
    for its step before the listeners had their turn; it is then taken at the next occasion, before anything else
    is computed. Thus both ways to train give the same numbers.
    """

    def __init__(self, model: ElmoModelT):
        self._model = model
        self._batch: SharedBatch | None = None
        self._owed: Optimizer | None = None
        self._lock = ForkLock()

    def __reduce__(self) -> Any:
        return Learning, (self._model,)

    @property
    def is_owed(self) -> bool:
        """Whether a step waits."""
        return self._owed is not None

    @property
    def batch(self) -> SharedBatch | None:
        """The training batch that is under way."""
        return self._batch

    def begin(self, batch: SharedBatch) -> None:
        """Take a batch, after `settle`."""
        if self._batch is not None:
            self._batch.close()
        self._batch = batch

    def settle(self) -> None:
        """Learn from what has come in, and take the step that is owed. Not while listeners have their turn: what
        comes in after it is lost."""
        # The first one who asks takes the step; other threads that ask wait for it.
        with self._lock:
            if self._batch is not None and self._batch.has_gradient:
                self._batch.backprop()
            if self._owed is not None and shim_of(self._model).has_gradient:
                sgd, self._owed = self._owed, None
                self._model.finish_update(sgd)

    def finish_update(self, sgd: Optimizer) -> None:
        """Take a step, now or when the gradients are there."""
        batch = self._batch
        waits = batch is not None and batch.learns and not batch.has_gradient
        if waits:
            self._owed = sgd
        else:
            # The step covers all that came in, whatever was owed.
            self._owed = None
            self.settle()
            self._model.finish_update(sgd)

    def forget(self) -> None:
        """Drop what has come in, and what is owed: the weights are others now."""
        self._owed = None
        self.close()
        for _, parameter, _ in holder_of(self._model).learning():
            parameter.grad = None

    def close(self) -> None:
        """Free the last batch's memory. Between steps, when its listeners have had their turn."""
        if self._batch is not None and not (self._batch.learns and self._owed is not None):
            self._batch.close()
            self._batch = None

    def known(self, docs: Sequence[Doc], names: Sequence[str]) -> ElmoOutput | None:
        """Layers of Docs that are in training just now, where a frozen biLM need not run again for them."""
        holder = holder_of(self._model)
        layers = None if self._batch is None else self._batch.find(docs, same_sentences=True)
        if layers is None or holder.elmo is None or not holder.training_settings.frozen:
            return None
        lower = lower_layers(names, layers.n_layers)
        if not all(name in layers.arrays for name in lower):
            return None
        return ElmoOutput((with_mix(holder.elmo, layers, lower) if MIXED in names else layers).docs(names))
