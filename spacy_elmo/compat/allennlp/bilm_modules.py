"""AllenNLP's biLM and character encoder, on an `ElmoModule`."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...bilm.characters import OFFSET
from ...bilm.lstm import LSTMState
from ...elmo import Elmo as LoadedElmo
from ...errors import ElmoError, Errors
from ...torch.elmo_module import ElmoModule
from ...torch.padding import ElmoOutputs
from ...weights.source import Source
from .boundaries import add_sentence_boundary_token_ids
from .character_ids import ELMoCharacterMapper, batch_to_ids
from .state_names import name_as_allennlp, name_as_module

Path = Any  # Of files: str, os.PathLike or None.
# The first words of AllenNLP's vocabularies: index 0 is padding, index 1 stands for unknown words.
_FIRST_WORDS = ["@@PADDING@@", "@@UNKNOWN@@"]


def choose_source(options_file: "Path | LoadedElmo", weight_file: Path) -> "Source | LoadedElmo":
    """Choose the source of the weights.

    options_file (Path | Elmo): AllenNLP's options file, or its address; without weight_file, any source.
    weight_file (Path): AllenNLP's weights file, or its address; or None.
    RETURNS (Source | Elmo): What `ElmoModule` takes.
    """
    return cast("Source | LoadedElmo", options_file if weight_file is None else [options_file, weight_file])


class _ElmoBiLm(nn.Module):
    """The biLM without mixes.

    options_file (str | PathLike): AllenNLP's options file, or its address; without weight_file, any source.
    weight_file (str | PathLike | None): AllenNLP's weights file, or its address.
    requires_grad (bool): Whether the parameters are trained.
    vocab_to_cache (Sequence[str] | None): Words that `word_inputs` of `forward` number. Nothing is gained by it:
        words are kept in any case.
    stateful (bool): Whether a batch starts from the last one's states, as in AllenNLP.
    """

    def __init__(
        self,
        options_file: "Path | LoadedElmo",
        weight_file: Path = None,
        requires_grad: bool = False,
        vocab_to_cache: Sequence[str] | None = None,
        *,
        stateful: bool = True,
    ):
        super().__init__()
        self._requires_grad = requires_grad
        self._module = ElmoModule(
            choose_source(options_file, weight_file),
            n_mixes=0,
            dropout=0.0,
            frozen=not requires_grad,
            keep_boundaries=True,
            initial_state="carry" if stateful else "zero",
        )
        self._elmo_lstm = ElmoLstm(self._module)
        self.num_layers = self._module.n_layers + 1
        self._word_ids: Tensor | None = None
        if vocab_to_cache:
            self.create_cached_cnn_embeddings(vocab_to_cache)
        self._register_state_dict_hook(_rename_saved)
        self.register_load_state_dict_pre_hook(_rename_loaded)

    @property
    def _token_embedder(self) -> "_ElmoCharacterEncoder":
        return _ElmoCharacterEncoder.from_module(self._module)

    def get_output_dim(self) -> int:
        """Get the width of a layer.

        RETURNS (int): 2P.
        """
        return self._module.width

    def create_cached_cnn_embeddings(self, tokens: Sequence[str]) -> None:
        """Set the words that `word_inputs` number.

        tokens (Sequence[str]): The words; two special ones come first, as in AllenNLP's vocabularies, if they are
            missing.
        """
        first = [word for word in _FIRST_WORDS if word not in tokens]
        ids = batch_to_ids([[word] for word in [*first, *tokens]]).squeeze(1)
        # Padding.
        ids[0] = 0
        self._word_ids = ids

    def forward(self, inputs: Tensor, word_inputs: Tensor | None = None) -> dict[str, Any]:
        """Compute all layers of a batch, with rows for boundary tokens.

        inputs (Tensor): (batch, longest, 50), character ids.
        word_inputs (Tensor | None): (batch, longest), numbers of words of `vocab_to_cache`; they count in place of
            characters.
        RETURNS (dict[str, Any]): "activations", a list of L + 1 tensors (batch, longest + 2, 2P), and "mask",
            (batch, longest + 2), bool.
        RAISES (ElmoError): If the ids are not those of this model.
        """
        outputs = self.run(inputs, word_inputs, boundaries=True)
        words, *lstm = outputs.layers.values()
        return {"activations": [torch.cat([words, words], dim=-1), *lstm], "mask": outputs.mask}

    def run(self, inputs: Any, word_inputs: Tensor | None = None, *, boundaries: bool) -> ElmoOutputs:
        """Compute all layers of a batch.

        inputs (Tensor | Sequence[Sequence[str]]): As for `forward`; or tokenized sentences.
        word_inputs (Tensor | None): See `forward`.
        boundaries (bool): Whether there are rows for boundary tokens.
        RETURNS (ElmoOutputs): The layers.
        RAISES (ElmoError): As `forward`.
        """
        if word_inputs is not None and self._word_ids is not None:
            inputs = self._read_words(inputs, word_inputs.detach().cpu().long())
        outputs: ElmoOutputs = self._module(inputs, keep_boundaries=boundaries)
        return outputs

    def _read_words(self, inputs: Tensor, words: Tensor) -> Tensor:
        assert self._word_ids is not None
        # As in AllenNLP: a number beyond the words means that the batch is read by its characters.
        return inputs if int(words.max()) >= len(self._word_ids) else self._word_ids[words]


class ElmoLstm(nn.Module):
    """The states of a biLM's LSTMs, under AllenNLP's names. The parameters are those of the `ElmoModule`.

    module (ElmoModule): The biLM.
    """

    def __init__(self, module: ElmoModule):
        super().__init__()
        # In a tuple: it is no submodule here.
        self._module = (module,)
        lstm = module.options.lstm
        self.num_layers = lstm.n_layers
        self.input_size = self.hidden_size = lstm.projection_dim
        self.cell_size = lstm.dim

    @property
    def stateful(self) -> bool:
        """Whether a batch starts from the states that the last one ended with. May be set."""
        return self._module[0].initial_state == "carry"

    @stateful.setter
    def stateful(self, stateful: bool) -> None:
        self._module[0].initial_state = "carry" if stateful else "zero"

    @property
    def _states(self) -> tuple[Tensor, Tensor] | None:
        """Hidden (L, n_rows, 2P) and cell (L, n_rows, 2C), forward half first."""
        state = self._module[0].carried.state
        if state is None:
            return None
        hidden, cell = (torch.cat([part[0], part[1]], dim=-1) for part in state)
        return hidden, cell

    def reset_states(self, mask: Tensor | None = None) -> None:
        """Reset states to zeros.

        mask (Tensor | None): (batch,), true for rows to reset; None: all.
        RAISES (ElmoError): If there are more or fewer rows.
        """
        carried = self._module[0].carried
        if mask is None or carried.state is None:
            carried.reset()
            return
        n_rows = carried.state.hidden.size(2)
        if len(mask) != n_rows:
            raise ElmoError(Errors.EL893.format(got=len(mask), n_rows=n_rows))
        kept = ~mask.bool().view(1, 1, n_rows, 1)
        carried.put(LSTMState(*(part * kept.to(part.device) for part in carried.state)))


class _ElmoCharacterEncoder(nn.Module):
    """The character encoder, the lowest layer.

    options_file (str | PathLike): See `_ElmoBiLm`.
    weight_file (str | PathLike | None): See `_ElmoBiLm`.
    requires_grad (bool): Whether the parameters are trained.
    """

    def __init__(self, options_file: "Path | LoadedElmo", weight_file: Path = None, requires_grad: bool = False):
        super().__init__()
        module = ElmoModule(choose_source(options_file, weight_file), n_mixes=0, frozen=not requires_grad)
        self._take(module, requires_grad)

    @classmethod
    def from_module(cls, module: ElmoModule) -> "_ElmoCharacterEncoder":
        """Make an encoder over the parameters of a module.

        module (ElmoModule): The module.
        RETURNS (_ElmoCharacterEncoder): The encoder.
        """
        encoder = cls.__new__(cls)
        nn.Module.__init__(encoder)
        encoder._take(module, module.bilm.char_encoder.embedding.weight.requires_grad)
        return encoder

    def _take(self, module: ElmoModule, requires_grad: bool) -> None:
        self.requires_grad = requires_grad
        self.output_dim = module.options.lstm.projection_dim
        self._encoder = module.bilm.char_encoder
        mapper = ELMoCharacterMapper
        self._beginning_of_sentence_characters = torch.tensor(mapper.beginning_of_sentence_characters) + OFFSET
        self._end_of_sentence_characters = torch.tensor(mapper.end_of_sentence_characters) + OFFSET

    def get_output_dim(self) -> int:
        """Get the width of the layer.

        RETURNS (int): P.
        """
        return self.output_dim

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """Encode a batch, with rows for boundary tokens.

        inputs (Tensor): (batch, longest, 50), character ids.
        RETURNS (dict[str, Tensor]): "token_embedding", (batch, longest + 2, P), and "mask", (batch, longest + 2),
            bool. Rows of padding are not zeros.
        """
        given = (inputs > 0).any(dim=-1)
        ids, mask = add_sentence_boundary_token_ids(
            inputs, given, self._beginning_of_sentence_characters, self._end_of_sentence_characters
        )
        words = self._encoder(ids.flatten(0, 1))
        return {"token_embedding": words.view(*mask.shape, -1), "mask": mask}


def _rename_saved(module: nn.Module, state: dict[str, Tensor], prefix: str, _metadata: object) -> None:
    """Save parameters under AllenNLP's names."""
    name_as_allennlp(state, prefix=prefix, options=cast(_ElmoBiLm, module)._module.options)


def _rename_loaded(module: nn.Module, state: Mapping[str, Tensor], prefix: str, *_others: object) -> None:
    name_as_module(
        cast("dict[str, Tensor]", state), prefix=prefix, options=cast(_ElmoBiLm, module)._module.options
    )
