"""AllenNLP's biLM and character encoder: an `ElmoModule` whose parameters have AllenNLP's names and shapes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ...elmo import Elmo as LoadedElmo
from ...errors import ElmoError, Errors
from ...torch.elmo_module import ElmoModule
from ...torch.parameters import Parameters
from ...weights.catalogue import CATALOGUE
from ...weights.source import Source
from .boundaries import remove_sentence_boundaries
from .character_ids import batch_to_ids
from .character_networks import CharacterEncoder
from .lstm_networks import ElmoLstm

DEFAULT_OPTIONS_FILE = CATALOGUE["original"].files[0].urls[0]
"""The address of the options of AllenNLP's original model."""
DEFAULT_WEIGHT_FILE = CATALOGUE["original"].files[1].urls[0]
"""The address of the weights of AllenNLP's original model."""
# A file of AllenNLP's, its address or, in place of both files, any source.
File = str | os.PathLike[str] | LoadedElmo | None


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

    _bilm_parts = ("_token_embedder", "_elmo_lstm")
    # Such a part is called.
    _reads_parametrizations = False

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
        self._original_parts = self._describe_parts()
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

        tokens (Sequence[str]): The words. A word's number is its place in the list; the first one stands for
            padding and, by the custom of AllenNLP's vocabularies, the second one for unknown words.
        RAISES (ElmoError): If a word is not a str.
        """
        ids = batch_to_ids([[word] for word in tokens]).squeeze(1)
        # Padding.
        ids[:1] = 0
        self._word_ids = ids

    def forward(self, inputs: Tensor, word_inputs: Tensor | None = None) -> dict[str, Any]:  # type: ignore[override]
        """Compute all layers of a batch, with rows for boundary tokens.

        inputs (Tensor): (batch, longest, 50), character ids.
        word_inputs (Tensor | None): (batch, longest), numbers of words of `vocab_to_cache`, 0 for padding; they
            count in place of characters.
        RETURNS (dict[str, Any]): "activations", a list of L + 1 tensors (batch, longest + 2, 2P), and "mask",
            (batch, longest + 2), bool.
        RAISES (ElmoError): If the ids are not those of this model.
        """
        activations, mask = self.run(inputs, word_inputs, boundaries=True)
        return {"activations": activations, "mask": mask}

    def run(
        self, inputs: Any, word_inputs: Tensor | None = None, *, boundaries: bool
    ) -> tuple[list[Tensor], Tensor]:
        """Compute all layers of a batch.

        inputs (Tensor | Sequence[Sequence[str]]): As for `forward`; or tokenized sentences.
        word_inputs (Tensor | None): See `forward`.
        boundaries (bool): Whether there are rows for boundary tokens.
        RETURNS (tuple[list[Tensor], Tensor]): The layers, all (batch, longest, 2P), and the mask, (batch,
            longest), bool; with boundaries, longest + 2.
        RAISES (ElmoError): As `forward`.
        """
        if word_inputs is not None and self._word_ids is not None:
            inputs = self._read_words(inputs, word_inputs.detach().cpu().long())
        # If others have changed a part, all parts are called.
        if self.find_added_code():
            return self._call_parts(inputs, boundaries=boundaries)
        outputs = super().forward(inputs, keep_boundaries=boundaries)
        words, *lstm = outputs.layers.values()
        return [torch.cat([words, words], dim=-1), *lstm], outputs.mask

    def save(self, folder: str | Path) -> None:
        """Save the biLM; see `ElmoModule.save`.

        folder (str | Path): The folder, which is made if need be.
        RAISES (ElmoError): If others have changed a part: what it computes could not be saved.
        """
        if name := self.find_added_code():
            raise ElmoError(Errors.EL876.format(name=name))
        super().save(folder)

    def _call_parts(self, inputs: Any, *, boundaries: bool) -> tuple[list[Tensor], Tensor]:
        """Call the parts one by one, as AllenNLP does."""
        ids = inputs if isinstance(inputs, Tensor) else self.encode(inputs)
        if isinstance(self._token_embedder, CharacterEncoder):
            # Only for its checks of the ids.
            self.encode.read(ids)
            ids = ids.long()
        for part in self._elmo_lstm.modules():
            if isinstance(part, ElmoLstm):
                # In a replica of DataParallel, that is still the original.
                part.set_owner(self)
        leaves = _iter_leaves(self)
        encoded = self._token_embedder(ids.to(leaves[0].device) if leaves else ids)
        words, mask = encoded["token_embedding"], encoded["mask"]
        lstm = self._elmo_lstm(words, mask)
        layers = [torch.cat([words, words], dim=-1) * mask.unsqueeze(-1), *lstm.unbind(0)]
        if boundaries:
            return layers, mask
        inner = [remove_sentence_boundaries(layer, mask) for layer in layers]
        return [layer for layer, _ in inner], inner[0][1]

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
