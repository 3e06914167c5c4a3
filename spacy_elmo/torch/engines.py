"""What computes the layers of a module's biLM: engines, made of its parameters, and again when these change."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..bilm.build import build_bilm
from ..bilm.layers import MIXED, layer_names
from ..bilm.lstm import CarriedState
from ..bilm.options import Options
from ..bilm.scalar_mix import ScalarMix
from ..elmo import Elmo
from ..gradients.trainable import TrainableEngine
from ..inference.base import CPU_BATCH_TOKENS
from ..inference.factory import check_precision, make_engine
from ..inference.sentences import EncodedSentences
from ..inference.settings import Settings
from ..runtime.forks import ForkLock
from ..runtime.isolation import computation
from .differentiable import Run, compute_layers
from .parameters import Parameters, ParameterState

# Parameters of other dtypes are computed with as float32.
_EXACT = (torch.float32, torch.float64)


class Engines:
    """Computes layers by the fast engine of the device or, where parameters are trained, with gradients.

    options (Options): The options of the biLM.
    settings (Settings): How it is run.
    source (str): What the weights were read from, for messages.
    """

    def __init__(self, options: Options, *, settings: Settings, source: str):
        self.options = options
        self.settings = settings
        self.source = source
        self._names = [name for name in layer_names(options.lstm.n_layers) if name != MIXED]
        self._clear()

    def _clear(self) -> None:
        self._lock = ForkLock()
        self._elmo: tuple[ParameterState, Elmo] | None = None
        self._trainable: tuple[ParameterState, TrainableEngine] | None = None

    def drop(self) -> None:
        """Drop the engines: new ones are made of the parameters when they are needed."""
        with self._lock:
            self._elmo = self._trainable = None

    def __getstate__(self) -> dict[str, object]:
        # Engines belong to a process, and to the parameters of this very module.
        dropped = ("_lock", "_elmo", "_trainable")
        return {name: value for name, value in self.__dict__.items() if name not in dropped}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._clear()

    def run(
        self,
        parameters: Parameters,
        sentences: EncodedSentences,
        *,
        boundaries: bool,
        carried: CarriedState | None,
    ) -> dict[str, Tensor]:
        """Compute all layers of the biLM.

        parameters (Parameters): Its parameters; gradients reach those that require them.
        sentences (EncodedSentences): The batch.
        boundaries (bool): Whether there are rows for the boundary tokens of each sentence, too.
        carried (CarriedState | None): See `Elmo.embed_flat`.
        RETURNS (dict[str, Tensor]): By name, word_emb (n_rows, P) and lstm_outputs1, ... (n_rows, 2P), in the
            dtype of the parameters.
        """
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in parameters.leaves):
            return self._train(parameters, sentences, boundaries=boundaries, carried=carried)
        found = self._get_elmo(parameters).embed_flat(
            sentences, layers=self._names, boundaries=boundaries, carried=carried
        )
        # The same memory, as tensors that autograd may keep.
        return {name: torch.from_dlpack(layer).to(parameters.dtype) for name, layer in found.items()}

    def _train(
        self,
        parameters: Parameters,
        sentences: EncodedSentences,
        *,
        boundaries: bool,
        carried: CarriedState | None,
    ) -> dict[str, Tensor]:
        named = parameters.make_named()
        engine = self._get_trainable(parameters, named)
        start = None
        if carried is not None:
            start = carried.take(engine.bilm.zero_state(len(sentences)))
        run = Run(
            engine=engine,
            sentences=list(sentences),
            start=start,
            boundaries=boundaries,
            n_layers=self.options.lstm.n_layers,
        )
        layers, state = compute_layers(run, named)
        if carried is not None and state is not None and (boundaries or len(sentences.numbers)):
            carried.put(state)
        return dict(zip(self._names, layers, strict=True))

    def _get_elmo(self, parameters: Parameters) -> Elmo:
        with self._lock:
            if self._elmo is None or self._elmo[0].has_changed(parameters.all()):
                # Not two at a time in memory.
                self._elmo = None
                self._elmo = ParameterState(parameters.all()), self._make_elmo(parameters)
            return self._elmo[1]

    def _get_trainable(self, parameters: Parameters, named: Mapping[str, Tensor]) -> TrainableEngine:
        with self._lock:
            now = parameters.all()
            if self._trainable is None or self._trainable[0].has_moved(now):
                self._trainable = ParameterState(now), self._make_trainable(parameters, named)
            elif self._trainable[0].has_changed(now):
                engine = self._trainable[1]
                _copy_changed(engine.bilm, named)
                self._trainable = ParameterState(now), engine
            return self._trainable[1]

    def _make_elmo(self, parameters: Parameters) -> Elmo:
        is_double, device = parameters.dtype == torch.float64, parameters.device
        if not is_double:
            check_precision(self.settings.precision, device)
        dtype = torch.float64 if is_double else torch.float32
        tensors, state = parameters.convert(dtype)
        # The biLM starts from its constant state, whether that is zeros or not; a carried one is passed to it.
        settings = replace(
            self.settings,
            precision="fp64" if is_double else self.settings.precision,
            initial_state="zero" if state is None else "warm",
        )
        with computation():
            engine = make_engine(self.options, tensors, settings=settings, device=device, warm_state=state)
            return Elmo(
                self.options,
                engine=engine,
                mix=ScalarMix(n_layers=self.options.lstm.n_layers + 1).to(device=device, dtype=dtype),
                warm_state=state,
                originals=None,
                settings=settings,
                source=self.source,
            )

    def _make_trainable(self, parameters: Parameters, named: Mapping[str, Tensor]) -> TrainableEngine:
        dtype = parameters.dtype if parameters.dtype in _EXACT else torch.float32
        tensors, state = parameters.convert(dtype)
        with computation():
            bilm = build_bilm(self.options, tensors)
            # A module of its own over the same memory: hooks of the parameters run once, on the whole gradient.
            for name, parameter in bilm.named_parameters():
                parameter.requires_grad_(named[name].requires_grad)
            return TrainableEngine(
                bilm=bilm,
                dropout=0.0,
                initial_state=state,
                max_batch_tokens=self.settings.max_batch_tokens or CPU_BATCH_TOKENS,
                n_threads=self.settings.n_threads,
            )


@torch.no_grad()
def _copy_changed(bilm: nn.Module, named: Mapping[str, Tensor]) -> None:
    """Copy parameters that are not over the same memory."""
    for name, parameter in bilm.named_parameters():
        if parameter.data_ptr() != named[name].data_ptr():
            parameter.copy_(named[name])
