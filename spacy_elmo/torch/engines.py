"""What computes the layers of a module's biLM: engines, made of its parameters, and again when these change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from ..bilm.build import build_bilm
from ..bilm.layers import MIXED, layer_names
from ..bilm.lstm import CarriedState, LSTMState
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
from ..weights.arrays import encoder_shapes
from .differentiable import Run, compute_layers

# Numbers of each parameter that are compared, to notice a change by `parameter.data`, which torch does not count.
_SAMPLES = 32
# Parameters of other dtypes are computed with as float32.
_EXACT = (torch.float32, torch.float64)


class Parameters(NamedTuple):
    """The parameters of a biLM, and the constant state that its sentences start from.

    bilm (Mapping[str, Tensor]): By the names of its state_dict. In the replicas of DataParallel these are no
        `nn.Parameter`s.
    state (LSTMState | None): Hidden (2, L, P) and cell (2, L, C); None: zeros.
    """

    bilm: Mapping[str, Tensor]
    state: LSTMState | None

    def all(self) -> list[Tensor]:
        """List all tensors.

        RETURNS (list[Tensor]): The tensors.
        """
        return [*self.bilm.values(), *(self.state or ())]

    def convert(self, dtype: torch.dtype) -> "Parameters":
        """Convert the parameters, without their gradients.

        dtype (torch.dtype): The dtype.
        RETURNS (Parameters): Over the same memory where possible.
        """
        state = None if self.state is None else LSTMState(*(part.detach().to(dtype) for part in self.state))
        return Parameters({name: tensor.detach().to(dtype) for name, tensor in self.bilm.items()}, state)


def get_parameters(bilm: nn.Module, options: Options, *, state: LSTMState | None) -> Parameters:
    """Get the parameters of a biLM.

    bilm (nn.Module): A `BiLM`, or its copy in a replica of DataParallel.
    options (Options): Its options.
    state (LSTMState | None): See `Parameters`.
    RETURNS (Parameters): The parameters.
    """
    named = dict(_iter_parameters(bilm))
    found = {name: named.get(name) for name in encoder_shapes(options)}
    for name, tensor in found.items():
        if tensor is None:
            # In a replica of DataParallel, or where torch computes a parameter, it is a plain attribute.
            found[name] = reduce(getattr, name.split("."), bilm)  # type: ignore[assignment]
    return Parameters(cast("dict[str, Tensor]", found), state)


def _iter_parameters(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, Tensor | None]]:
    # Several times as fast as `named_parameters`, which counts where a batch is one short sentence.
    for name, parameter in module._parameters.items():
        yield prefix + name, parameter
    for name, child in module._modules.items():
        if child is not None:
            yield from _iter_parameters(child, f"{prefix}{name}.")


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
        self._elmo: tuple[_State, Elmo] | None = None
        self._trainable: tuple[_State, TrainableEngine] | None = None

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
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in parameters.bilm.values()):
            return self._train(parameters, sentences, boundaries=boundaries, carried=carried)
        dtype = next(iter(parameters.bilm.values())).dtype
        found = self._get_elmo(parameters).embed_flat(
            sentences, layers=self._names, boundaries=boundaries, carried=carried
        )
        # The same memory, as tensors that autograd may keep.
        return {name: torch.from_dlpack(layer).to(dtype) for name, layer in found.items()}

    def _train(
        self,
        parameters: Parameters,
        sentences: EncodedSentences,
        *,
        boundaries: bool,
        carried: CarriedState | None,
    ) -> dict[str, Tensor]:
        engine = self._get_trainable(parameters)
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
        layers, state = compute_layers(run, parameters.bilm)
        if carried is not None and state is not None and (boundaries or len(sentences.numbers)):
            carried.put(state)
        return dict(zip(self._names, layers, strict=True))

    def _get_elmo(self, parameters: Parameters) -> Elmo:
        with self._lock:
            if self._elmo is None or self._elmo[0].has_changed(parameters.all()):
                # Not two at a time in memory.
                self._elmo = None
                self._elmo = _State(parameters.all()), self._make_elmo(parameters)
            return self._elmo[1]

    def _get_trainable(self, parameters: Parameters) -> TrainableEngine:
        shared = next(iter(parameters.bilm.values())).dtype in _EXACT
        with self._lock:
            if self._trainable is None or not shared or self._trainable[0].has_moved(parameters.all()):
                self._trainable = _State(parameters.all()), self._make_trainable(parameters)
            return self._trainable[1]

    def _make_elmo(self, parameters: Parameters) -> Elmo:
        like = next(iter(parameters.bilm.values()))
        is_double = like.dtype == torch.float64
        if not is_double:
            check_precision(self.settings.precision, like.device)
        own = parameters.convert(torch.float64 if is_double else torch.float32)
        # The biLM starts from its constant state, whether that is zeros or not; a carried one is passed to it.
        settings = replace(
            self.settings,
            precision="fp64" if is_double else self.settings.precision,
            initial_state="zero" if own.state is None else "warm",
        )
        mix = ScalarMix(n_layers=self.options.lstm.n_layers + 1)
        with computation():
            engine = make_engine(
                self.options, dict(own.bilm), settings=settings, device=like.device, warm_state=own.state
            )
            return Elmo(
                self.options,
                engine=engine,
                mix=mix.to(device=like.device, dtype=torch.float64 if is_double else torch.float32),
                warm_state=own.state,
                originals=None,
                settings=settings,
                source=self.source,
            )

    def _make_trainable(self, parameters: Parameters) -> TrainableEngine:
        like = next(iter(parameters.bilm.values()))
        own = parameters.convert(like.dtype if like.dtype in _EXACT else torch.float32)
        with computation():
            bilm = build_bilm(self.options, own.bilm)
            # A module of its own over the same memory: hooks of the parameters run once, on the whole gradient.
            for name, parameter in bilm.named_parameters():
                parameter.requires_grad_(parameters.bilm[name].requires_grad)
            return TrainableEngine(
                bilm=bilm,
                dropout=0.0,
                initial_state=own.state,
                max_batch_tokens=self.settings.max_batch_tokens or CPU_BATCH_TOKENS,
                n_threads=self.settings.n_threads,
            )


class _State:
    """The state of some tensors, to notice a change.

    tensors (Sequence[Tensor]): The tensors.
    """

    def __init__(self, tensors: Sequence[Tensor]):
        self._facts = _get_facts(tensors)
        self._versions = _get_versions(tensors)
        self._views = [_take_sample(tensor) for tensor in tensors]
        self._sample = self._read_sample()

    def has_moved(self, tensors: Sequence[Tensor]) -> bool:
        """Check whether tensors are others, or elsewhere, or need other gradients.

        tensors (Sequence[Tensor]): The tensors now.
        RETURNS (bool): Whether they are.
        """
        return self._facts != _get_facts(tensors)

    def has_changed(self, tensors: Sequence[Tensor]) -> bool:
        """Check whether tensors have moved, or other numbers.

        tensors (Sequence[Tensor]): The tensors now.
        RETURNS (bool): Whether they have.
        """
        if self._facts != _get_facts(tensors) or self._versions != _get_versions(tensors):
            return True
        return not torch.equal(self._sample, self._read_sample())

    def _read_sample(self) -> Tensor:
        # By bits: NaN is equal to itself.
        return torch.cat(self._views).view(torch.uint8)


def _get_facts(tensors: Sequence[Tensor]) -> list[tuple[object, ...]]:
    return [(tensor.data_ptr(), tensor.dtype, tensor.device, tensor.requires_grad) for tensor in tensors]


def _get_versions(tensors: Sequence[Tensor]) -> list[int]:
    return [0 if tensor.is_inference() else tensor._version for tensor in tensors]


def _take_sample(tensor: Tensor) -> Tensor:
    """Take some numbers of a tensor, over the same memory."""
    numbers = tensor.detach().view(-1) if tensor.is_contiguous() else tensor.detach()[:1].reshape(-1)
    return numbers[:: max(1, len(numbers) // _SAMPLES)][:_SAMPLES]
