"""`ElmoModule`: ELMo as a part of a model in torch."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..bilm.build import Parts, build_bilm, build_parts, named_arrays, pop_prefix
from ..bilm.lstm import CarriedState, LSTMState
from ..bilm.scalar_mix import ScalarMix
from ..elmo import Elmo
from ..errors import ElmoError, Errors, Warnings, check_number
from ..errors.warn import warn
from ..gradients.selection import ALL_PARAMETERS, Patterns, check_patterns, select_parameters
from ..inference.cpu.linear import ALIGNMENT
from ..inference.sentences import EncodedSentences
from ..inference.settings import InitialState, PrecisionName, Settings
from ..inference.warm_state import get_default_state
from ..runtime.isolation import computation
from ..weights.arrays import SOFTMAX_PREFIX, Weights
from ..weights.catalogue import BUNDLED
from ..weights.source import Source, read_weights
from .added_code import Part, describe_parts, find_added_code
from .encoder import Encoder
from .engines import Engines
from .padding import ElmoOutputs, PaddedLayers, Padding
from .parameters import Parameters, get_parameters

Inputs = Iterable[Sequence[str]] | Tensor | NDArray[np.integer]


class ElmoModule(nn.Module):
    """A biLM with trainable mixes of its layers.

    Where the biLM needs no gradients, it runs by the fast engine of `Elmo`, with the same vectors. Results in
    `eval()` do not depend on other batches, except with `initial_state="carry"`.

    source (Source | Elmo): As for `spacy_elmo.load`; or a model that is loaded, whose weights are copied.
    n_mixes (int): The number of mixes. Those that are stored with the source come first; others weight all layers
        equally.
    dropout (float): Share of the mixes' numbers that is zeroed in training.
    frozen (bool): The biLM is not trained. `requires_grad_` of its parameters may be changed later.
    trainable (str | Sequence[str]): Where it is not frozen: regular expressions; a parameter of the biLM is
        trained if one of them is found in its name, such as "layers" or "char_encoder".
    layer_norm (bool): Normalize each layer over the whole batch before it is mixed, boundary tokens included, as
        AllenNLP does. Vectors then depend on the batch.
    keep_boundaries (bool): Outputs have rows for the boundary tokens, the first and the last of each sentence.
    initial_state (InitialState): See `Settings`. With "carry", a batch starts where the last one ended, also in
        training; gradients end at the batch.
    precision (PrecisionName): See `Settings`; of the biLM where it needs no gradients.
    max_batch_tokens (int | None): See `Settings`. In training, the parts of a larger batch are computed again for
        the backward pass, and memory does not grow with the batch, except for the outputs.
    n_threads (int | None): See `Settings`.
    bilm (BiLM): The biLM, whose modules hold the parameters.
    mixes (nn.ModuleList): The trained mixes, each with `weights`, (L + 1,), before the softmax, and `gamma`.
    encode (Encoder): Makes the ids of sentences.
    RAISES (Exception): As `spacy_elmo.load`; and ElmoError if another value is not allowed.
    """

    # The modules of the biLM, and whether parameters that torch computes are read from them.
    _bilm_parts: ClassVar[tuple[str, ...]] = ("bilm",)
    _reads_parametrizations: ClassVar[bool] = True
    warm_hidden: Tensor | None
    warm_cell: Tensor | None

    def __init__(
        self,
        source: "Source | Elmo" = BUNDLED,
        n_mixes: int = 2,
        dropout: float = 0.5,
        frozen: bool = True,
        trainable: Patterns = ALL_PARAMETERS,
        layer_norm: bool = False,
        keep_boundaries: bool = False,
        initial_state: InitialState = "zero",
        *,
        precision: PrecisionName = "fp32",
        max_batch_tokens: int | None = None,
        n_threads: int | None = None,
    ):
        super().__init__()
        settings = Settings(
            precision=precision,
            initial_state=initial_state,
            max_batch_tokens=max_batch_tokens,
            n_threads=n_threads,
        )
        if isinstance(n_mixes, bool) or not isinstance(n_mixes, int) or n_mixes < 0:
            raise ElmoError(Errors.EL873.format(got=n_mixes))
        check_number("dropout", dropout, low=0, high=1, below=True)
        patterns = check_patterns(trainable)
        weights = _read(source)
        if initial_state == "warm" and not weights.has_warm_state:
            weights.arrays.update(get_default_state(weights, n_threads=n_threads))
        self.options = weights.options
        self.source = weights.source
        self.keep_boundaries = keep_boundaries
        self.layer_norm = layer_norm
        self.encode = Encoder(weights.options)
        with computation():
            parts = build_parts(weights.options, weights.arrays)
            self.bilm = build_bilm(weights.options, parts.bilm)
            self.mixes = self._make_mixes(parts, n_mixes)
        if frozen:
            self.bilm.requires_grad_(False)
            if patterns and patterns != check_patterns(ALL_PARAMETERS):
                warn(Warnings.WL062.format(patterns=", ".join(patterns)))
        else:
            select_parameters(self.bilm, patterns)
            _own_memory(self.bilm)
        self.dropout = nn.Dropout(dropout)
        state = settings.constant_state(parts.warm_state)
        self.register_buffer("warm_hidden", None if state is None else state.hidden)
        self.register_buffer("warm_cell", None if state is None else state.cell)
        self._initial_state = initial_state
        self._carried = CarriedState()
        self._engines = Engines(weights.options, settings=settings, source=weights.source)
        self._original_parts = self._describe_parts()
        self._warned_parts: set[str] = set()

    def forward(self, inputs: Inputs, *, keep_boundaries: bool | None = None) -> ElmoOutputs:
        """Compute mixes and layers of a batch.

        inputs (Iterable[Sequence[str]] | Tensor | NDArray): Tokenized sentences; or ids, (batch, longest, n_ids),
            as `encode` makes them.
        keep_boundaries (bool | None): Whether outputs have rows for boundary tokens; None: as in the constructor.
        RETURNS (ElmoOutputs): Padded tensors on the module's device, in the dtype of its parameters.
        RAISES (ElmoError): If a sentence is not a list of str, or the ids are not those of this model.
        """
        sentences, longest = self.encode.read(inputs)
        keeps_boundaries = self.keep_boundaries if keep_boundaries is None else keep_boundaries
        has_boundaries = keeps_boundaries or self.layer_norm
        rows = self._run(sentences, has_boundaries)
        padding = Padding(
            sentences.lengths,
            longest,
            device=self.device,
            has_boundaries=has_boundaries,
            keeps_boundaries=keeps_boundaries,
        )
        mixes = []
        for mix in self.mixes:
            mixed = padding.show(mix([*rows.values()]))
            mixes.append(padding.pad(self.dropout(mixed)))
        layers = PaddedLayers(rows, padding)
        # DataParallel joins dicts, but no other mappings.
        is_replica = getattr(self, "_is_replica", False)
        return ElmoOutputs(mixes, dict(layers) if is_replica else layers, padding.mask, padding.lengths)

    @property
    def n_layers(self) -> int:
        """LSTM layers of the biLM, L."""
        return self.options.lstm.n_layers

    @property
    def width(self) -> int:
        """Columns of a mix, 2P."""
        return 2 * self.options.lstm.projection_dim

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return self.bilm.char_encoder.embedding.weight.device

    @property
    def initial_state(self) -> InitialState:
        """Where sentences start, see `Settings`. "zero" and "carry" may be set; the carried state is kept."""
        return self._initial_state

    @initial_state.setter
    def initial_state(self, initial_state: InitialState) -> None:
        Settings(initial_state=initial_state)
        if "warm" in (initial_state, self._initial_state) and initial_state != self._initial_state:
            raise ElmoError(Errors.EL875)
        self._initial_state = initial_state

    @property
    def carried(self) -> CarriedState:
        """The state of initial_state "carry"."""
        return self._carried

    def reset_state(self) -> None:
        """Reset the state of initial_state "carry": the next batch starts from zeros."""
        self._carried.reset()

    def refresh(self) -> None:
        """Rebuild the engine before the next batch. It is not needed after usual changes of parameters: only a
        change of a few numbers by `parameter.data`, which torch does not count, may pass unnoticed."""
        self._engines.drop()

    def find_added_code(self) -> str | None:
        """Find a part of the biLM that has hooks, or is not the part that the module was made with. Such code
        is not called; the warning WL063 says so.

        RETURNS (str | None): Its name; None if there is none.
        """
        return find_added_code(self._describe_parts(), self._original_parts)

    def save(self, folder: str | Path) -> None:
        """Save biLM and mixes as `Elmo.save` does: as a source for `spacy_elmo.load`, pipelines and other modules.

        Settings of the module, such as `layer_norm`, are not saved.

        folder (str | Path): The folder, which is made if need be.
        """
        # Imported here, because reading HDF5 does not need the writer's package.
        from ..weights.formats.folder import write_folder

        mixes = [cast(ScalarMix, deepcopy(mix).float()) for mix in self.mixes]
        mixes = mixes or [ScalarMix(n_layers=self.n_layers + 1)]
        tensors, state = self._get_parameters().convert(torch.float32)
        arrays = named_arrays(Parts(tensors, mixes[0], state, mixes[1:]))
        write_folder(Path(folder), self.options, arrays)

    def extra_repr(self) -> str:
        lstm = self.options.lstm
        return (
            f"source={self.source!r}, n_layers={lstm.n_layers}, projection_dim={lstm.projection_dim}, "
            f"dim={lstm.dim}, initial_state={self.initial_state!r}, "
            f"keep_boundaries={self.keep_boundaries}"
        )

    def _run(self, sentences: EncodedSentences, has_boundaries: bool) -> dict[str, Tensor]:
        return self._engines.run(
            self._get_parameters(),
            sentences,
            boundaries=has_boundaries,
            carried=self._carried if self._initial_state == "carry" else None,
        )

    def _describe_parts(self) -> dict[str, Part]:
        found: dict[str, Part] = {}
        for name in self._bilm_parts:
            if name in self._modules:
                part = self.get_submodule(name)
                found.update(describe_parts(part, name=name, ignore_parametrizations=self._reads_parametrizations))
        return found

    def _get_parameters(self) -> Parameters:
        name = self.find_added_code()
        if name is not None and name not in self._warned_parts:
            self._warned_parts.add(name)
            # From here by way of forward() and torch's three calls to where the module is called.
            warn(Warnings.WL063.format(name=name), stacklevel=6)
        return get_parameters(self.bilm, self.options, state=self._get_warm_state())

    def _get_warm_state(self) -> LSTMState | None:
        if self.warm_hidden is None or self.warm_cell is None:
            return None
        return LSTMState(self.warm_hidden, self.warm_cell)

    def _make_mixes(self, parts: Parts, n_mixes: int) -> nn.ModuleList:
        mixes = nn.ModuleList()
        stored = [parts.mix, *parts.more_mixes]
        for number in range(n_mixes):
            mix = ScalarMix(n_layers=self.n_layers + 1, layer_norm=self.layer_norm)
            if number < len(stored):
                mix.load_state_dict(stored[number].state_dict())
            mixes.append(mix)
        return mixes

    def _replicate_for_data_parallel(self) -> "ElmoModule":
        # A replica is a shallow copy with the parameters of another device: engines and state are its own.
        replica: ElmoModule = super()._replicate_for_data_parallel()
        replica._engines = Engines(self.options, settings=self._engines.settings, source=self.source)
        replica._carried = CarriedState()
        return replica


def _read(source: "Source | Elmo") -> Weights:
    if isinstance(source, Elmo):
        # Copies: the arrays of an engine may share its memory.
        arrays = {name: np.array(array, dtype=np.float32) for name, array in source.named_arrays().items()}
        return Weights(options=source.options, arrays=arrays, source=source.source, format="memory")
    weights = read_weights(source)
    pop_prefix(weights.arrays, SOFTMAX_PREFIX)
    return weights


def _own_memory(module: nn.Module) -> None:
    """Copy parameters that are mapped from a file: the last bits of products depend on where in it they begin."""
    for parameter in module.parameters():
        if parameter.data_ptr() % ALIGNMENT:
            parameter.data = parameter.data.clone()
