"""Elmo: a source becomes a model, token texts become layer outputs. Needs no spaCy."""

from collections import deque
from pathlib import Path
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple, TypeVar, Union

import torch
from torch import Tensor

from .bilm.bilm import BiLM
from .bilm.build import Parts, build_bilm, build_parts, named_arrays
from .bilm.carry import CarriedState
from .bilm.layers import ALL, MIXED, WORD_EMB, LayerChoice, LayerOutputs, layer_names, lstm_layer, resolve_layers
from .bilm.layers import n_lstm_layers as lstm_layers_for
from .bilm.lstm import LSTMState
from .bilm.options import Options
from .bilm.scalar_mix import ScalarMix
from .engine.base import CPU_BATCH_TOKENS, N_MARKS, Engine
from .engine.begun import Begun
from .engine.budget import Budget
from .engine.choose import PRECISIONS, check_precision, make_engine
from .engine.isolation import computation
from .engine.sentences import checked, cut, lengths_of, total_rows
from .engine.settings import Settings
from .engine.trainable import TrainableEngine
from .errors import Errors
from .warm import shipped_state
from .weights.arrays import SOFTMAX_PREFIX, Arrays, Weights, encoder_shapes
from .weights.aside import set_aside
from .weights.fetch.catalogue import BUNDLED
from .weights.locate import Source
from .weights.source import read_weights

Sentences = Iterable[Sequence[str]]
R = TypeVar("R")


def load(
    source: Source = BUNDLED,
    device: str = "cpu",
    precision: str = "fp32",
    initial_state: str = "zero",
    max_batch_tokens: Optional[int] = None,
) -> "Elmo":
    """Read a model.

    source: a name of the catalogue, which is downloaded once; a folder, one of a model's files or an archive, in
        any published format; or the pair [options, weights].
    device: where torch runs it: "cpu", "cuda", "cuda:1", ...
    precision, initial_state, max_batch_tokens: see `Settings`.
    RAISES: FileNotFoundError if there is no such source; ValueError if it is no biLM, or for a value that is
        not allowed; ImportError if its format needs a package that is not installed; OSError if a download fails.
    """
    settings = Settings(precision=precision, initial_state=initial_state, max_batch_tokens=max_batch_tokens)
    checked = check_device(device)
    check_precision(precision, checked)
    return Elmo.from_weights(read_weights(source), device=checked, settings=settings)


def check_device(device: Union[str, torch.device]) -> torch.device:
    """RAISES: ValueError if torch does not know the device, or cannot use it here."""
    try:
        trial = torch.zeros(1, device=torch.device(device))
        trial.item()
        # With its number: which GPU is meant by "cuda" alone may change.
        checked = trial.device
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(Errors.EL040.format(device=device, reason=reason)) from error
    return checked


class Elmo:
    """A biLM with its scalar mix, ready to embed sentences.

    options: sizes and clips of the biLM. engine: runs it. mix: the scalar mix behind the layer "elmo".
    more_mixes: others that the model was trained with; `elmo.mix = elmo.more_mixes[0]` puts one in its place.
    warm_state: the constant state that the model was stored with, or that was made for it, hidden (2, L, P) and
        cell (2, L, C), or None.
    originals: the weights as they were read, where the engine keeps them rounded; None: it keeps every bit.
    settings: see `Settings`. source: the file it came from, for messages.
    """

    def __init__(
        self,
        options: Options,
        *,
        engine: Engine,
        mix: ScalarMix,
        more_mixes: Sequence[ScalarMix] = (),
        warm_state: Optional[LSTMState],
        originals: Optional[Arrays],
        settings: Settings,
        source: str,
    ):
        self.options = options
        self.engine = engine
        self.mix = mix
        self.more_mixes = list(more_mixes)
        self.warm_state = warm_state
        self.settings = settings
        self.budget = Budget(settings.max_batch_tokens or engine.batch_tokens())
        self.source = source
        self._originals = originals
        self._carried = CarriedState()

    @classmethod
    def from_weights(cls, weights: Weights, *, device: torch.device, settings: Settings) -> "Elmo":
        """A model over weights that have been read. They are used up: `weights.arrays` is empty afterwards, so
        that the weights are not held twice.

        RAISES: ValueError if the processor cannot compute in this precision.
        """
        check_precision(settings.precision, device)
        # Words are not predicted here.
        for name in [name for name in weights.arrays if name.startswith(SOFTMAX_PREFIX)]:
            del weights.arrays[name]
        if settings.initial_state == "warm" and not weights.has_warm_state:
            weights.arrays.update(shipped_state(weights))
        precision = PRECISIONS[settings.precision]
        originals = None if precision.exact else set_aside(weights.arrays)
        with computation():
            parts = build_parts(weights.options, weights.arrays, device=device, dtype=precision.dtype)
            weights.arrays.clear()
            engine = make_engine(
                weights.options,
                parts.bilm,
                precision=settings.precision,
                device=device,
                initial_state=parts.warm_state if settings.initial_state == "warm" else None,
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

    def __reduce__(self) -> Tuple[Any, ...]:
        # The form that an engine gives the weights is of this process and this processor: others make their own.
        weights = Weights(options=self.options, arrays=self.named_arrays(), source=self.source, format="memory")
        return _rebuild, (weights, self.device, self.settings, self._carried)

    @property
    def n_layers(self) -> int:
        """Number of LSTM layers, L."""
        return self.options.lstm.n_layers

    @property
    def layer_names(self) -> List[str]:
        """Every layer that the model has, lowest first: word_emb, lstm_outputs1, ..., elmo."""
        return layer_names(self.n_layers)

    @property
    def device(self) -> torch.device:
        return self.mix.gamma.device

    def width(self, layer: str) -> int:
        """Columns of a layer: P for word_emb, 2P for the others."""
        width = self.options.lstm.projection_dim
        return width if layer == WORD_EMB else 2 * width

    def embed(self, sentences: Sentences, *, layers: LayerChoice = ALL) -> List[LayerOutputs]:
        """Layer outputs of each tokenised sentence, in input order.

        sentences: token texts, used exactly as they stand; an empty sentence gives arrays with 0 rows. Any
            iterable. With initial_state "carry", one call is one batch, rows in the given order.
        layers: "*" or a list of names. What is not asked for is not computed.
        RETURNS: one LayerOutputs per sentence; word_emb is (n_tokens, P), the others (n_tokens, 2P), float32
            (float64 with precision "fp64").
        RAISES: ValueError if a sentence is not a list of str, or a layer does not exist.
        """
        names = resolve_layers(layers, n_layers=self.n_layers)
        if self.settings.initial_state == "carry":
            return self._embed_carrying(list(checked(sentences)), names)
        return list(self._stream(checked(sentences), names))

    def stream(self, sentences: Sentences, *, layers: LayerChoice = ALL) -> Iterator[LayerOutputs]:
        """The same as `embed`, one sentence after the other, while the input is read a few batches ahead.

        RAISES: ValueError as `embed`, and with initial_state "carry", where batches are the caller's choice.
        """
        if self.settings.initial_state == "carry":
            raise ValueError(Errors.EL037)
        names = resolve_layers(layers, n_layers=self.n_layers)
        return self._stream(checked(sentences), names)

    def begin(self, sentences: Sentences, *, layers: LayerChoice = ALL, resident: Sequence[str] = ()) -> Begun:
        """Start to embed; where a device works by itself, the caller may go on meanwhile.

        sentences, layers: as for `embed`; `Coded` sentences are run without a look at each token. resident: layers
            that stay on the device as well; they need not be among `layers`.
        RAISES: ValueError as `stream`.
        """
        if self.settings.initial_state == "carry":
            raise ValueError(Errors.EL037)
        names = resolve_layers(layers, n_layers=self.n_layers)
        kept = resolve_layers(list(resident), n_layers=self.n_layers)
        parts: List[Begun] = []
        for window in cut(checked(sentences), self.budget.tokens):
            parts += self._begin(window, names, kept)
        return Begun.joined(parts)

    def reset_state(self) -> None:
        """Forget what initial_state "carry" has kept: the next batch starts from zeros."""
        self._carried.reset()

    def named_arrays(self) -> Dict[str, Any]:
        """The weights by the names of `weights.arrays`, with the mix and, where there is one, the warm state."""
        bilm = self.engine.named_tensors() if self._originals is None else {}
        arrays = named_arrays(Parts(bilm, self.mix, self.warm_state, self.more_mixes))
        return arrays if self._originals is None else {**self._originals, **arrays}

    def trainable(self, *, dropout: float) -> TrainableEngine:
        """A copy of the biLM whose parameters learn. `learn` brings what they learnt back.

        dropout: share of the inputs of each LSTM layer that is zeroed in training.
        RAISES: ValueError with initial_state "carry", where gradients would have to pass from batch to batch.
        """
        if self.settings.initial_state == "carry":
            raise ValueError(Errors.EL104)
        dtype = PRECISIONS[self.settings.precision].dtype
        arrays = self.named_arrays() if self._originals is None else self._originals
        names = encoder_shapes(self.options)
        with computation():
            tensors = {name: torch.tensor(arrays[name], dtype=dtype, device=self.device) for name in names}
            return TrainableEngine(
                bilm=build_bilm(self.options, tensors),
                dropout=dropout,
                initial_state=self._constant_state,
                max_batch_tokens=self.settings.max_batch_tokens or CPU_BATCH_TOKENS,
            )

    def learn(self, bilm: BiLM) -> None:
        """Run with these weights from now on; they are copied."""
        with computation():
            tensors = {name: tensor.detach().clone() for name, tensor in bilm.state_dict().items()}
            if self._originals is not None:
                self._originals = set_aside({name: tensor.cpu().numpy() for name, tensor in tensors.items()})
            self.engine = make_engine(
                self.options,
                tensors,
                precision=self.settings.precision,
                device=self.device,
                initial_state=self._constant_state,
            )

    @property
    def _constant_state(self) -> Optional[LSTMState]:
        return self.warm_state if self.settings.initial_state == "warm" else None

    def save(self, folder: Union[str, Path]) -> None:
        """Write options.json and weights.safetensors, which `load` reads, into the folder."""
        # The writer's package is needed by no one who only reads HDF5.
        from .weights.formats.folder import write_folder

        write_folder(Path(folder), self.options, self.named_arrays())

    def _stream(self, sentences: Iterable[List[str]], names: List[str]) -> Iterator[LayerOutputs]:
        # The next batches are begun before one is waited for.
        waiting: Deque[Begun] = deque()
        try:
            for window in cut(sentences, self.budget.tokens):
                for begun in self._begin(window, names, []):
                    waiting.append(begun)
                    while len(waiting) > self.engine.delivery.ahead:
                        yield from waiting.popleft().outputs()
        except Exception:
            # Nobody would have waited for these, had they been finished at once.
            while waiting:
                yield from waiting.popleft().outputs()
            raise
        while waiting:
            yield from waiting.popleft().outputs()

    def _begin(self, window: Sequence[List[str]], names: List[str], resident: List[str]) -> Iterator[Begun]:
        def begin(sentences: Sequence[List[str]]) -> Begun:
            if not (names or resident) or total_rows(sentences) == N_MARKS * len(sentences):
                return Begun.at_once([self._empty(names)] * len(sentences))
            tensors, _ = self._run(sentences, [*names, *resident], None)
            stay = {name: tensors[name] for name in resident}
            if not names:
                return Begun(lambda: [self._empty(names)] * len(sentences), stay)
            return Begun(self._send(tensors, names, sentences), stay)

        return self._in_budget(window, begin)

    def _in_budget(self, window: Sequence[List[str]], run: Callable[[Sequence[List[str]]], R]) -> Iterator[R]:
        return self.budget.run(window, run, cut=cut, size=total_rows, release=self.engine.release)

    def _embed_carrying(self, sentences: List[List[str]], names: List[str]) -> List[LayerOutputs]:
        # Rows do not see each other, so that a batch may run in parts; every row counts, an empty one too.
        start = self._carried.take(self._zero_state(len(sentences)))
        end = LSTMState(start.hidden.clone(), start.cell.clone())
        results: List[LayerOutputs] = []

        def run(window: Sequence[List[str]]) -> List[LayerOutputs]:
            rows = torch.arange(len(results), len(results) + len(window), device=self.device)
            tensors, final = self._run(window, names, start.rows(rows))
            arrive = self._send(tensors, names, window)
            if final is not None:
                end.hidden.index_copy_(2, rows, final.hidden)
                end.cell.index_copy_(2, rows, final.cell)
            return arrive()

        for window in cut(sentences, self.budget.tokens):
            for outputs in self._in_budget(window, run):
                results += outputs
        self._carried.put(end)
        return results

    def _run(
        self, sentences: Sequence[List[str]], names: List[str], state: Optional[LSTMState]
    ) -> Tuple[Dict[str, Tensor], Optional[LSTMState]]:
        """The named layers, flat, (n_tokens, width), on the device."""
        # A state that is carried on has all layers.
        n_layers = self.n_layers if state is not None else lstm_layers_for(names, n_layers=self.n_layers)
        with computation():
            batch = self.engine.run(sentences, n_layers=n_layers, state=state)
            tensors = {WORD_EMB: batch.word_emb}
            tensors.update((lstm_layer(k + 1), layer) for k, layer in enumerate(batch.lstm))
            if MIXED in names:
                with torch.inference_mode():
                    doubled = torch.cat([batch.word_emb, batch.word_emb], dim=1)
                    tensors[MIXED] = self.mix([doubled, *batch.lstm])
        return {name: tensors[name] for name in names}, batch.state

    def _send(
        self, tensors: Dict[str, Tensor], names: List[str], sentences: Sequence[List[str]]
    ) -> Callable[[], List[LayerOutputs]]:
        layers = {name: tensors[name] for name in names}
        return self.engine.delivery.send(layers, lengths_of(sentences).tolist(), n_layers=self.n_layers)

    def _zero_state(self, n_sentences: int) -> LSTMState:
        lstm, like = self.options.lstm, self.mix.gamma.detach()
        shape = (2, lstm.n_layers, n_sentences)
        return LSTMState(like.new_zeros(*shape, lstm.projection_dim), like.new_zeros(*shape, lstm.dim))

    def _empty(self, names: List[str]) -> LayerOutputs:
        dtype = PRECISIONS[self.settings.precision].dtype
        arrays = {
            name: torch.empty(0, self.width(name), dtype=dtype, device="cpu").numpy().copy() for name in names
        }
        return LayerOutputs(arrays, n_layers=self.n_layers)


def _rebuild(weights: Weights, device: torch.device, settings: Settings, carried: CarriedState) -> Elmo:
    elmo = Elmo.from_weights(weights, device=device, settings=settings)
    elmo._carried = carried
    return elmo
