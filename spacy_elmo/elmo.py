"""Elmo: a model that computes layers of tokenized sentences, and how it is loaded. Needs no spaCy."""

from collections.abc import Callable, Iterator, Sequence, Sized
from pathlib import Path
from typing import Literal, TypeVar, cast

import torch
from torch import Tensor

from .bilm.bilm import BiLM
from .bilm.build import Parts, build_bilm, build_parts, named_arrays, pop_prefix
from .bilm.layers import ALL, LayerChoice, LayerName, LayerOutputs, Layers, layer_width, resolve_layers
from .bilm.lstm import CarriedState, LSTMState
from .bilm.options import Options
from .bilm.scalar_mix import ScalarMix
from .errors import ElmoError, Errors, short_repr
from .errors.warn import OnceWarner
from .gradients.trainable import TrainableEngine
from .inference.base import CPU_BATCH_TOKENS, Engine
from .inference.factory import PRECISIONS, check_device, check_precision, make_engine
from .inference.finite import FiniteCheck
from .inference.runner import Budget, Runner
from .inference.sentences import validate_sentences
from .inference.settings import InitialState, PrecisionName, Settings, check_count
from .inference.warm_state import get_default_state
from .runtime.isolation import computation
from .runtime.workers import Pending
from .text_methods import Sentences, TextMethods
from .texts import TextOutputs
from .util.progress import show_progress
from .weights.arrays import SOFTMAX_PREFIX, Arrays, Weights, encoder_shapes
from .weights.catalogue import BUNDLED
from .weights.source import Source, read_weights
from .weights.spill import StoredArrays, spill

__all__ = ["Elmo", "LayerOutputs", "Sentences", "Settings", "TextOutputs", "check_device", "load"]

R = TypeVar("R")
OUTPUTS = ("numpy", "torch")


def load(
    source: Source = BUNDLED,
    device: str | torch.device = "cpu",
    precision: PrecisionName = "fp32",
    initial_state: InitialState = "zero",
    max_batch_tokens: int | None = None,
    n_threads: int | None = None,
) -> "Elmo":
    """Load a model.

    source (Source): A name of the catalogue, which is downloaded once; a folder, one of a model's files or an
        archive, in any published format; or the pair [options, weights].
    device (str | torch.device): The device of torch: "cpu", "cuda", "cuda:1", ...
    precision (PrecisionName): See `Settings`.
    initial_state (InitialState): See `Settings`.
    max_batch_tokens (int | None): See `Settings`.
    n_threads (int | None): See `Settings`.
    RETURNS (Elmo): The model.
    RAISES (FileNotFoundError): If there is no such source.
    RAISES (ElmoError): If it is not a biLM, a value is not allowed, or there is no warm state for "warm".
    RAISES (ImportError): If its format needs a package that is not installed.
    RAISES (OSError): If a download fails.
    """
    settings = Settings(
        precision=precision, initial_state=initial_state, max_batch_tokens=max_batch_tokens, n_threads=n_threads
    )
    there = check_device(device)
    check_precision(precision, there)
    return Elmo.from_weights(read_weights(source), device=there, settings=settings)


class Elmo(TextMethods):
    """A biLM with its scalar mix, ready to embed sentences.

    options (Options): Sizes and clips of the biLM.
    engine (Engine): Runs the biLM.
    mix (ScalarMix): The scalar mix of the layer "elmo".
    more_mixes (Sequence[ScalarMix]): Other mixes of the model; `elmo.mix = elmo.more_mixes[0]` selects one.
    warm_state (LSTMState | None): The constant initial state that was stored with the model or made for it, hidden
        (2, L, P) and cell (2, L, C).
    originals (StoredArrays | None): The weights as they were read, if the engine rounds them; else None.
    settings (Settings): How the model is run.
    source (str): The file that it was read from, for messages.
    """

    def __init__(
        self,
        options: Options,
        *,
        engine: Engine,
        mix: ScalarMix,
        more_mixes: Sequence[ScalarMix] = (),
        warm_state: LSTMState | None,
        originals: StoredArrays | None,
        settings: Settings,
        source: str,
    ):
        self.options = options
        self.engine = engine
        self._mix = mix
        self.more_mixes = list(more_mixes)
        self.warm_state = warm_state
        self.settings = settings
        self.budget = self._budget(settings.max_batch_tokens)
        self.source = source
        self._originals = originals
        self._carried = CarriedState()
        self._names = resolve_layers(ALL, n_layers=options.lstm.n_layers)
        self._warn = OnceWarner()
        self._finite = FiniteCheck(self._warn, source=source)

    @classmethod
    def from_weights(cls, weights: Weights, *, device: torch.device, settings: Settings) -> "Elmo":
        """Make a model from weights. `weights.arrays` is emptied, so that the weights are not in memory twice.

        weights (Weights): The weights.
        device (torch.device): The device of torch.
        settings (Settings): How the model is run.
        RETURNS (Elmo): The model.
        RAISES (ElmoError): If the processor does not support the precision, or as `get_default_state`.
        """
        check_precision(settings.precision, device)
        # A model that embeds does not need the softmax.
        pop_prefix(weights.arrays, SOFTMAX_PREFIX)
        if settings.initial_state == "warm" and not weights.has_warm_state:
            weights.arrays.update(get_default_state(weights, n_threads=settings.n_threads))
        precision = PRECISIONS[settings.precision]
        originals = None if precision.exact else spill(weights.arrays)
        with computation():
            parts = build_parts(weights.options, weights.arrays, device=device, dtype=precision.dtype)
            weights.arrays.clear()
            engine = make_engine(
                weights.options, parts.bilm, settings=settings, device=device, warm_state=parts.warm_state
            )
        return cls(
            weights.options,
            engine=engine,
            mix=parts.mix,
            more_mixes=parts.more_mixes,
            warm_state=parts.warm_state,
            originals=originals,
            settings=settings,
            source=weights.source,
        )

    def __repr__(self) -> str:
        lstm = self.options.lstm
        return (
            f"Elmo(source={self.source!r}, n_layers={lstm.n_layers}, projection_dim={lstm.projection_dim}, "
            f"dim={lstm.dim}, precision={self.settings.precision!r}, "
            f"initial_state={self.settings.initial_state!r}, device='{self.device}')"
        )

    def __reduce__(self) -> tuple[object, ...]:
        # Without the engine, whose form of the weights is specific to this process and processor.
        return _rebuild, (self._weights(), self.device, self.settings, self._carried)

    @property
    def mix(self) -> ScalarMix:
        """The scalar mix of the layer "elmo". It may be replaced by another ScalarMix of as many layers."""
        return self._mix

    @mix.setter
    def mix(self, mix: ScalarMix) -> None:
        if not isinstance(mix, ScalarMix):
            raise ElmoError(Errors.EL242.format(got=short_repr(mix)))
        if len(mix.weights) != self.n_layers + 1:
            raise ElmoError(Errors.EL241.format(n_weights=len(mix.weights), n_layers=self.n_layers + 1))
        self._mix = mix.to(self._mix.gamma)

    @property
    def n_layers(self) -> int:
        """Number of LSTM layers, L."""
        return self.options.lstm.n_layers

    @property
    def layer_names(self) -> list[LayerName]:
        """Every layer that the model has, lowest first: word_emb, lstm_outputs1, ..., elmo."""
        return cast(list[LayerName], [*self._names])

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return self.mix.gamma.device

    def width(self, layer: str) -> int:
        """Count the columns of a layer: P for word_emb, 2P for the others.

        layer (str): The layer's name.
        RETURNS (int): The number of columns.
        RAISES (ElmoError): If the model does not have the layer.
        """
        return layer_width(layer, self.options)

    def to(self, device: str | torch.device) -> "Elmo":
        """Move to another device, in place, with the carried state and all settings.

        device (str | torch.device): "cpu", "cuda", "cuda:1", ...
        RETURNS (Elmo): The model itself.
        RAISES (ElmoError): If the device cannot be used, or not with this precision; then the model is not moved.
        """
        there = check_device(device)
        if there != self.device:
            moved = Elmo.from_weights(self._weights(), device=there, settings=self.settings)
            self.engine, self.budget, self.warm_state = moved.engine, moved.budget, moved.warm_state
            self._originals = moved._originals
            self._mix = self._mix.to(there)
            self.more_mixes = [mix.to(there) for mix in self.more_mixes]
        return self

    def embed(
        self,
        sentences: Sentences,
        *,
        layers: Layers = "*",
        max_batch_tokens: int | None = None,
        progress: bool = False,
        output: Literal["numpy", "torch"] = "numpy",
    ) -> list[LayerOutputs]:
        """Compute the layers of each tokenized sentence, in input order.

        sentences (Iterable[Sequence[str]]): Token texts; an empty sentence gives arrays with 0 rows. With "carry",
            a call is a batch, with a row for each sentence; one without any token does not change the state.
        layers (Layers): "*" or a list of names. Other layers are not computed.
        max_batch_tokens (int | None): Tokens that run together in this call, with two boundary tokens a sentence;
            None: as in `settings`.
        progress (bool): Show a bar on stderr.
        output (str): "numpy"; or "torch" for tensors on the device of the model, which are not copied through the
            CPU. They have no gradients: `spacy_elmo.torch.ElmoModule` has.
        RETURNS (list[LayerOutputs]): One for each sentence; word_emb is (n_tokens, P), the others (n_tokens, 2P),
            float32 (float64 with precision "fp64").
        RAISES (ElmoError): If a sentence is not a list of str, a layer does not exist, or `output` is something
            else.
        """
        if output not in OUTPUTS:
            raise ElmoError(Errors.EL030.format(what="output", got=output, allowed=", ".join(OUTPUTS)))
        names = (
            self._names
            if isinstance(layers, str) and layers == ALL
            else resolve_layers(layers, n_layers=self.n_layers)
        )
        runner = self._runner(max_batch_tokens, as_tensors=output == "torch")
        read = validate_sentences(sentences, warn=self._warn)
        carry = self.settings.initial_state == "carry"
        outputs = runner.carry(list(read), names, self._carried) if carry else runner.stream(read, names)
        if progress:
            total = len(sentences) if isinstance(sentences, Sized) else None
            outputs = show_progress(outputs, total=total, description="Sentences")
        return list(outputs)

    def stream(self, sentences: Sentences, *, layers: Layers = "*") -> Iterator[LayerOutputs]:
        """Compute the same as `embed`, one sentence after the other, while the input is read a few batches ahead.

        sentences (Iterable[Sequence[str]]): See `embed`.
        layers (Layers): See `embed`.
        YIELDS (LayerOutputs): The layers of each sentence.
        RAISES (ElmoError): As `embed`, and with initial_state "carry", which needs batches that the caller chose.
        """
        if self.settings.initial_state == "carry":
            raise ElmoError(Errors.EL037)
        names = resolve_layers(layers, n_layers=self.n_layers)
        return self._runner().stream(validate_sentences(sentences, warn=self._warn), names)

    def submit(
        self, sentences: Sentences, *, layers: LayerChoice, then: Callable[[dict[str, Tensor]], R]
    ) -> Pending[R]:
        """Start to embed sentences, and return at once.

        sentences (Iterable[Sequence[str]]): See `embed`; `EncodedSentences` are not checked.
        layers (LayerChoice): See `embed`.
        then (Callable[[dict[str, Tensor]], R]): See `Runner.submit`.
        RETURNS (Pending[R]): What `then` returns.
        RAISES (ElmoError): As `stream`.
        """
        if self.settings.initial_state == "carry":
            raise ElmoError(Errors.EL037)
        names = resolve_layers(layers, n_layers=self.options.lstm.n_layers)
        return self._runner().submit(validate_sentences(sentences, warn=self._warn), names, then)

    def embed_flat(
        self,
        sentences: Sentences,
        *,
        layers: LayerChoice = ALL,
        boundaries: bool = False,
        carried: CarriedState | None = None,
    ) -> dict[str, Tensor]:
        """Compute layers of all sentences, one after the other, as tensors on the device of the model.

        sentences (Iterable[Sequence[str]]): See `embed`; `EncodedSentences` are not checked.
        layers (LayerChoice): See `embed`.
        boundaries (bool): Whether there are rows for the boundary tokens of each sentence, too.
        carried (CarriedState | None): The state that the sentences, as one batch, start from; their final states
            are put there. None: the constant initial state of the model.
        RETURNS (dict[str, Tensor]): By name, (n_rows, width).
        RAISES (ElmoError): As `embed`.
        """
        names = resolve_layers(layers, n_layers=self.n_layers)
        read, runner = validate_sentences(sentences, warn=self._warn), self._runner()
        if carried is None:
            found = runner.submit(read, names, dict, boundaries=boundaries).result()
        else:
            parts = [part for part, _ in runner.carry_parts(list(read), names, carried, boundaries=boundaries)]
            found = {name: torch.cat([part[name] for part in parts]) for name in (names if parts else ())}
        dtype = PRECISIONS[self.settings.precision].dtype
        empty = {name: self._mix.gamma.detach().new_empty(0, self.width(name), dtype=dtype) for name in names}
        return {**empty, **found}

    def reset_state(self) -> None:
        """Reset the state of initial_state "carry": the next batch starts from zeros."""
        self._carried.reset()

    def named_arrays(self) -> Arrays:
        """Get the weights by the names of `weights.arrays`, with the mix and, if there is one, the warm state.

        RETURNS (Arrays): The arrays.
        """
        bilm = self.engine.named_tensors() if self._originals is None else {}
        arrays = named_arrays(Parts(bilm, self.mix, self.warm_state, self.more_mixes))
        return arrays if self._originals is None else {**self._originals, **arrays}

    def trainable(self, *, dropout: float) -> TrainableEngine:
        """Copy the biLM for training. `learn` takes the trained parameters back.

        dropout (float): Share of the inputs of each LSTM layer that is set to zero in training.
        RETURNS (TrainableEngine): An engine over the copy, with gradients.
        RAISES (ElmoError): With initial_state "carry", where gradients would have to pass from batch to batch.
        """
        if self.settings.initial_state == "carry":
            raise ElmoError(Errors.EL104)
        dtype = PRECISIONS[self.settings.precision].dtype
        arrays = self.named_arrays() if self._originals is None else self._originals
        names = encoder_shapes(self.options)
        with computation():
            tensors = {name: torch.tensor(arrays[name], dtype=dtype, device=self.device) for name in names}
            return TrainableEngine(
                bilm=build_bilm(self.options, tensors),
                dropout=dropout,
                initial_state=self.settings.constant_state(self.warm_state),
                max_batch_tokens=self.settings.max_batch_tokens or CPU_BATCH_TOKENS,
                n_threads=self.settings.n_threads,
            )

    def learn(self, bilm: BiLM) -> None:
        """Replace the weights by a copy of others.

        bilm (BiLM): Modules with the weights.
        """
        with computation():
            tensors = {name: tensor.detach().clone() for name, tensor in bilm.state_dict().items()}
            if self._originals is not None:
                self._originals = spill({name: tensor.cpu().numpy() for name, tensor in tensors.items()})
            self.engine = make_engine(
                self.options, tensors, settings=self.settings, device=self.device, warm_state=self.warm_state
            )

    def save(self, folder: str | Path) -> None:
        """Save options.json and weights.safetensors, which `load` reads.

        folder (str | Path): The folder, which is made if need be.
        """
        # Imported here, because reading HDF5 does not need the writer's package.
        from .weights.formats.folder import write_folder

        write_folder(Path(folder), self.options, self.named_arrays())

    def _weights(self) -> Weights:
        return Weights(options=self.options, arrays=self.named_arrays(), source=self.source, format="memory")

    def _budget(self, tokens: int | None) -> Budget:
        """Make a budget; None: chosen by the engine. On the CPU, a number bounds all batches in progress."""
        ahead = 0 if tokens is not None and self.device.type == "cpu" else self.engine.delivery.ahead
        return Budget(tokens or self.engine.batch_tokens(), ahead=ahead)

    def _runner(self, max_batch_tokens: int | None = None, *, as_tensors: bool = False) -> Runner:
        budget = self.budget
        if max_batch_tokens is not None:
            check_count("max_batch_tokens", max_batch_tokens)
            budget = self._budget(max_batch_tokens)
        return Runner(
            engine=self.engine,
            mix=self._mix,
            options=self.options,
            dtype=PRECISIONS[self.settings.precision].dtype,
            budget=budget,
            finite=self._finite,
            weights=self.named_arrays,
            as_tensors=as_tensors,
        )


def _rebuild(weights: Weights, device: torch.device, settings: Settings, carried: CarriedState) -> Elmo:
    elmo = Elmo.from_weights(weights, device=device, settings=settings)
    elmo._carried = carried
    return elmo
