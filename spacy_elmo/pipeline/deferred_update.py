"""The embedder's updates. Its gradients come from later components, after its `update` has returned."""

from collections.abc import Sequence

from spacy.tokens import Doc
from thinc.api import Optimizer

from ..bilm.layers import MIXED
from ..models.listener import SharedBatch
from ..models.module import ElmoModelT, get_module
from ..models.output import ElmoOutput
from ..models.update import add_mix, get_lower_layers
from ..runtime.forks import ForkLock


class DeferredUpdate:
    """The last training batch, and the deferred step that waits for its gradients.

    Several listeners may send gradients, in any order, so that none is known to be the last. The gradients
    are used when the next batch begins, or when a step is due. With `nlp.update(sgd=...)`, spaCy calls the
    embedder's `finish_update` before the listeners are updated; the step is then deferred until something else is
    computed. So both ways to train give the same numbers.

    model (ElmoModelT): The embedder's model.
    """

    def __init__(self, model: ElmoModelT):
        self._model = model
        # The last training batch, and the optimizer of the deferred step.
        self.batch: SharedBatch | None = None
        self.pending_step: Optimizer | None = None
        self._lock = ForkLock()

    def __reduce__(self) -> tuple[type["DeferredUpdate"], tuple[ElmoModelT]]:
        return DeferredUpdate, (self._model,)

    def begin(self, batch: SharedBatch) -> None:
        """Begin a batch, after `apply_pending`.

        batch (SharedBatch): The batch.
        """
        if self.batch is not None:
            self.batch.close()
        self.batch = batch

    def apply_pending(self) -> None:
        """Use the gradients that have come in, and take the deferred step. Must not be called before all listeners
        are updated: later gradients are lost."""
        # The first thread takes the step; others wait for it.
        with self._lock:
            if self.batch is not None and self.batch.has_gradient:
                self.batch.backprop()
            if self.pending_step is not None and get_module(self._model).has_gradient:
                sgd, self.pending_step = self.pending_step, None
                self._model.finish_update(sgd)

    def finish_update(self, sgd: Optimizer) -> None:
        """Take a step now, or defer it until gradients have come in.

        sgd (Optimizer): The optimizer.
        """
        batch = self.batch
        if batch is not None and batch.learns and not batch.has_gradient:
            self.pending_step = sgd
        else:
            # One step for all gradients that came in.
            self.pending_step = None
            self.apply_pending()
            self._model.finish_update(sgd)

    def forget(self) -> None:
        """Drop the gradients and the deferred step, because the weights were replaced."""
        self.pending_step = None
        self.close()
        get_module(self._model).drop_gradients()

    def close(self) -> None:
        """Free the memory of the last batch. Called between steps, when all listeners are updated."""
        if self.batch is not None and not (self.batch.learns and self.pending_step is not None):
            self.batch.close()
            self.batch = None

    def cached_output(self, docs: Sequence[Doc], names: Sequence[str]) -> ElmoOutput | None:
        """Get layers of Docs from the last training batch, so that a frozen biLM need not run again.

        docs (Sequence[Doc]): Docs of the batch, or copies.
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
