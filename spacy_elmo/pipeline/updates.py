"""When an embedder learns: gradients come after its own turn, from components behind it."""

from collections.abc import Sequence
from typing import Any

from spacy.tokens import Doc
from thinc.api import Optimizer

from ..bilm.layers import MIXED
from ..models.listener import SharedBatch
from ..models.module import ElmoModelT, get_module
from ..models.output import ElmoOutput
from ..models.update import add_mix, get_lower_layers
from ..runtime.forks import ForkLock


class DeferredUpdate:
    """The training batch that is under way, and the step that waits for its gradients.

    Listeners answer in any number and order, or not at all. So there is no last one to wait for: what has come in
    is taken when the next batch begins, or when a step is due. With `nlp.update(sgd=...)`, spaCy asks the embedder
    for its step before the listeners had their turn; it is then taken at the next occasion, before anything else
    is computed. Thus both ways to train give the same numbers.

    model (ElmoModelT): Of the embedder.
    """

    def __init__(self, model: ElmoModelT):
        self._model = model
        # The training batch that is under way, and the optimizer of the step that waits.
        self.batch: SharedBatch | None = None
        self.pending_step: Optimizer | None = None
        self._lock = ForkLock()

    def __reduce__(self) -> Any:
        return DeferredUpdate, (self._model,)

    def begin(self, batch: SharedBatch) -> None:
        """Take a batch, after `apply_pending`."""
        if self.batch is not None:
            self.batch.close()
        self.batch = batch

    def apply_pending(self) -> None:
        """Learn from the gradients that have come in, and take the step that waits. Not while listeners have their
        turn: what comes in after it is lost."""
        # The first one who asks takes the step; other threads that ask wait for it.
        with self._lock:
            if self.batch is not None and self.batch.has_gradient:
                self.batch.backprop()
            if self.pending_step is not None and get_module(self._model).has_gradient:
                sgd, self.pending_step = self.pending_step, None
                self._model.finish_update(sgd)

    def finish_update(self, sgd: Optimizer) -> None:
        """Take a step, now or when the gradients are there."""
        batch = self.batch
        if batch is not None and batch.learns and not batch.has_gradient:
            self.pending_step = sgd
        else:
            # The step covers all gradients that came in.
            self.pending_step = None
            self.apply_pending()
            self._model.finish_update(sgd)

    def forget(self) -> None:
        """Drop the gradients that have come in, and the step that waits: the weights are others now."""
        self.pending_step = None
        self.close()
        get_module(self._model).drop_gradients()

    def close(self) -> None:
        """Free the last batch's memory. Between steps, when its listeners have had their turn."""
        if self.batch is not None and not (self.batch.learns and self.pending_step is not None):
            self.batch.close()
            self.batch = None

    def cached_output(self, docs: Sequence[Doc], names: Sequence[str]) -> ElmoOutput | None:
        """Get layers of Docs that are in training just now, where a frozen biLM need not run again for them.

        docs (Sequence[Doc]): Some of the batch, or copies.
        names (Sequence[str]): The layers.
        RETURNS (ElmoOutput | None): None if the biLM has to run.
        """
        module = get_module(self._model)
        layers = None if self.batch is None else self.batch.find(docs, same_sentences=True)
        if layers is None or not module.has_weights or not module.training_settings.frozen:
            return None
        lower = get_lower_layers(names, layers.n_layers)
        if not all(name in layers.arrays for name in lower):
            return None
        return ElmoOutput((add_mix(module.sync(), layers, lower) if MIXED in names else layers).docs(names))
