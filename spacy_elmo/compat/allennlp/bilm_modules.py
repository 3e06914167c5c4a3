"""AllenNLP's biLM and character encoder: an `ElmoModule` whose parameters have AllenNLP's names and shapes."""

import os
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...elmo import Elmo as LoadedElmo
from ...errors import ElmoError, Errors
from ...torch.elmo_module import ElmoModule
from ...torch.padding import ElmoOutputs
from ...torch.parameters import Parameters
from ...weights.catalogue import CATALOGUE
from ...weights.source import Source
from .character_ids import batch_to_ids
from .networks import CharacterEncoder, ElmoLstm

DEFAULT_OPTIONS_FILE, DEFAULT_WEIGHT_FILE = (file.urls[0] for file in CATALOGUE["original"].files)
# A file of AllenNLP's, its address or, in place of both files, any source.
File = str | os.PathLike[str] | LoadedElmo | None
# The first words of AllenNLP's vocabularies: index 0 is padding, index 1 stands for unknown words.
_FIRST_WORDS = ["@@PADDING@@", "@@UNKNOWN@@"]


def choose_source(options_file: File, weight_file: File) -> "Source | LoadedElmo":
    """Choose the source of the weights.

    options_file (File): AllenNLP's options file, or its address; without weight_file, any source.
    weight_file (File): AllenNLP's weights file, or its address; the default one without the default options counts
        as none.
    RETURNS (Source | Elmo): What `ElmoModule` takes.
    """
    is_default = isinstance(weight_file, str) and weight_file == DEFAULT_WEIGHT_FILE
    if weight_file is None or (is_default and options_file != DEFAULT_OPTIONS_FILE):
        return cast("Source | LoadedElmo", options_file)
    return cast("Source", [options_file, weight_file])


class _ElmoBiLm(ElmoModule):
    """The biLM without mixes.

    options_file (File): See `choose_source`.
    weight_file (File): See `choose_source`.
    requires_grad (bool): Whether the parameters are trained.
    vocab_to_cache (Sequence[str] | None): Words that `word_inputs` of `forward` number. Nothing is gained by it:
        words are kept in any case.
    stateful (bool): Whether a batch starts from the last one's states, as in AllenNLP.
    RAISES (ElmoError): If the model has a vocabulary of characters, which AllenNLP's code cannot read.
    """

    def __init__(
        self,
        options_file: File,
        weight_file: File = None,
        requires_grad: bool = False,
        vocab_to_cache: Sequence[str] | None = None,
        *,
        stateful: bool = True,
    ):
        super().__init__(
            choose_source(options_file, weight_file),
            n_mixes=0,
            dropout=0.0,
            frozen=not requires_grad,
            keep_boundaries=True,
            initial_state="carry" if stateful else "zero",
        )
        if self.options.has_own_vocabulary:
            raise ElmoError(Errors.EL899.format(source=self.source))
        self._requires_grad = requires_grad
        tensors = {name: parameter.detach() for name, parameter in self.bilm.named_parameters()}
        del self.bilm
        self._token_embedder = CharacterEncoder(self.options, tensors)
        self._elmo_lstm = ElmoLstm(self, tensors)
        self.requires_grad_(requires_grad)
        self.num_layers = self.n_layers + 1
        self._word_ids: Tensor | None = None
        if vocab_to_cache:
            self.create_cached_cnn_embeddings(vocab_to_cache)
        self.register_load_state_dict_pre_hook(_drop_cached_words)

    @property
    def device(self) -> torch.device:
        return self._token_embedder._char_embedding_weights.device

    def get_output_dim(self) -> int:
        """Get the width of a layer.

        RETURNS (int): 2P.
        """
        return self.width

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

    def forward(self, inputs: Tensor, word_inputs: Tensor | None = None) -> dict[str, Any]:  # type: ignore[override]
        """Compute all layers of a batch, with rows for boundary tokens.

        inputs (Tensor): (batch, longest, 50), character ids.
        word_inputs (Tensor | None): (batch, longest), numbers of words of `vocab_to_cache`; they count in place of
            characters.
        RETURNS (dict[str, Any]): "activations", a list of L + 1 tensors (batch, longest + 2, 2P), and "mask",
            (batch, longest + 2), bool.
        RAISES (ElmoError): If the ids are not those of this model.
        """
        activations, outputs = self.run(inputs, word_inputs, boundaries=True)
        return {"activations": activations, "mask": outputs.mask}

    def run(
        self, inputs: Any, word_inputs: Tensor | None = None, *, boundaries: bool
    ) -> tuple[list[Tensor], ElmoOutputs]:
        """Compute all layers of a batch.

        inputs (Tensor | Sequence[Sequence[str]]): As for `forward`; or tokenized sentences.
        word_inputs (Tensor | None): See `forward`.
        boundaries (bool): Whether there are rows for boundary tokens.
        RETURNS (tuple[list[Tensor], ElmoOutputs]): The layers, all (batch, longest, 2P), and what `ElmoModule`
            returns.
        RAISES (ElmoError): As `forward`.
        """
        if word_inputs is not None and self._word_ids is not None:
            inputs = self._read_words(inputs, word_inputs.detach().cpu().long())
        outputs = super().forward(inputs, keep_boundaries=boundaries)
        words, *lstm = outputs.layers.values()
        return [torch.cat([words, words], dim=-1), *lstm], outputs

    def _get_parameters(self) -> Parameters:
        encoder, lstm = self._token_embedder, self._elmo_lstm
        return Parameters(
            [*_iter_leaves(encoder), *_iter_leaves(lstm)],
            lambda: dict([*encoder.iter_named(), *lstm.iter_named()]),
            self._get_warm_state(),
        )

    def _read_words(self, inputs: Tensor, words: Tensor) -> Tensor:
        assert self._word_ids is not None
        # As in AllenNLP: a number beyond the words means that the batch is read by its characters.
        return inputs if int(words.max()) >= len(self._word_ids) else self._word_ids[words]


class _ElmoCharacterEncoder(CharacterEncoder):
    """The character encoder, the lowest layer.

    options_file (File): See `choose_source`.
    weight_file (File): See `choose_source`.
    requires_grad (bool): Whether the parameters are trained.
    """

    def __init__(self, options_file: File, weight_file: File = None, requires_grad: bool = False):
        module = ElmoModule(choose_source(options_file, weight_file), n_mixes=0)
        if module.options.has_own_vocabulary:
            raise ElmoError(Errors.EL899.format(source=module.source))
        tensors = {name: parameter.detach() for name, parameter in module.bilm.named_parameters()}
        super().__init__(module.options, tensors)
        self.requires_grad_(requires_grad)


def _iter_leaves(module: nn.Module) -> list[Tensor]:
    """List the parameters of a module, or of its copy in a replica of DataParallel, where they are attributes."""
    found = []
    for part in module.modules():
        former = getattr(part, "_former_parameters", None) or part._parameters
        found += [tensor for tensor in former.values() if tensor is not None]
    return found


def _drop_cached_words(_module: nn.Module, state: dict[str, Tensor], prefix: str, *_others: object) -> None:
    """Leave out vectors of `vocab_to_cache` in AllenNLP's checkpoints, which follow from other parameters."""
    state.pop(f"{prefix}_word_embedding.weight", None)
