"""AllenNLP's `Elmo` and `ElmoTokenEmbedder`."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from ...errors import ElmoError, Errors
from ...torch.added_code import has_code
from .bilm_modules import DEFAULT_OPTIONS_FILE, DEFAULT_WEIGHT_FILE, File, _ElmoBiLm
from .boundaries import remove_sentence_boundaries
from .mixing import ScalarMix


class Elmo(nn.Module):
    """A biLM with trained mixes of its layers.

    options_file (File): AllenNLP's options file, or its address; without weight_file, any source.
    weight_file (File): AllenNLP's weights file, or its address.
    num_output_representations (int): The number of mixes.
    requires_grad (bool): Whether the biLM is trained.
    do_layer_norm (bool): Normalize each layer over the whole batch before it is mixed.
    dropout (float): Share of the mixes' numbers that is zeroed in training.
    vocab_to_cache (Sequence[str] | None): Words that `word_inputs` of `forward` number.
    keep_sentence_boundaries (bool): Whether outputs have rows for the boundary tokens.
    scalar_mix_parameters (Sequence[float] | None): Weights of all mixes before the softmax, which are then not
        trained.
    module (nn.Module | None): Used in place of a biLM of files; has `num_layers`, and returns a dict of
        "activations" and "mask".
    stateful (bool): Whether a batch starts from the last one's states, as AllenNLP's Elmo does.
    RAISES (ElmoError): If files are given beside `module`, or the number of weights is wrong.
    """

    def __init__(
        self,
        options_file: File,
        weight_file: File = None,
        num_output_representations: int = 1,
        requires_grad: bool = False,
        do_layer_norm: bool = False,
        dropout: float = 0.5,
        vocab_to_cache: Sequence[str] | None = None,
        keep_sentence_boundaries: bool = False,
        scalar_mix_parameters: Sequence[float] | None = None,
        module: nn.Module | None = None,
        *,
        stateful: bool = False,
    ):
        super().__init__()
        if module is not None and (options_file is not None or weight_file is not None):
            raise ElmoError(Errors.EL892)
        if module is None:
            module = _ElmoBiLm(
                options_file,
                weight_file,
                requires_grad=requires_grad,
                vocab_to_cache=vocab_to_cache,
                stateful=stateful,
            )
        self._elmo_lstm = module
        self._has_cached_vocab = vocab_to_cache is not None
        self._keep_sentence_boundaries = keep_sentence_boundaries
        self._dropout = nn.Dropout(p=dropout)
        self._n_mixes = num_output_representations
        for number in range(num_output_representations):
            mix = ScalarMix(
                cast(int, self._elmo_lstm.num_layers),
                do_layer_norm=do_layer_norm,
                initial_scalar_parameters=scalar_mix_parameters,
                trainable=scalar_mix_parameters is None,
            )
            self.add_module(f"scalar_mix_{number}", mix)

    @property
    def _scalar_mixes(self) -> list[ScalarMix]:
        return [getattr(self, f"scalar_mix_{number}") for number in range(self._n_mixes)]

    @classmethod
    def from_params(cls, params: Mapping[str, Any], **others: Any) -> "Elmo":
        """Make a module from the parameters of a configuration.

        params (Mapping[str, Any]): Arguments of the constructor.
        others (Any): More arguments.
        RETURNS (Elmo): The module.
        RAISES (ElmoError): If there is another parameter.
        """
        return cls(**_check_names(cls, {**params, **others}))

    def get_output_dim(self) -> int:
        """Get the width of the outputs.

        RETURNS (int): 2P.
        """
        return int(cast(Any, self._elmo_lstm).get_output_dim())

    def forward(self, inputs: Tensor, word_inputs: Tensor | None = None) -> dict[str, Any]:
        """Compute the mixes of a batch.

        inputs (Tensor): (batch, ..., longest, 50), character ids as from `batch_to_ids`.
        word_inputs (Tensor | None): (batch, ..., longest), numbers of words of `vocab_to_cache`.
        RETURNS (dict[str, Any]): "elmo_representations", a list of tensors (batch, ..., longest, 2P), one for each
            mix, and "mask", (batch, ..., longest), bool; with boundary tokens, longest + 2.
        RAISES (ElmoError): If the ids are not those of the model.
        """
        words, outer = None, inputs.shape[:-2]
        if word_inputs is not None and self._has_cached_vocab:
            outer, words = word_inputs.shape[:-1], word_inputs.flatten(0, -2)
        # Characters are not read beside words: many give the numbers of words for both.
        ids = inputs if inputs.dim() < 3 else inputs.flatten(0, -3)
        representations, mask = self._mix(ids, words)
        shaped = [self._dropout(one).unflatten(0, outer) for one in representations]
        return {"elmo_representations": shaped, "mask": mask.unflatten(0, outer)}

    def _mix(self, ids: Tensor, words: Tensor | None) -> tuple[list[Tensor], Tensor]:
        bilm, mixes = self._elmo_lstm, self._scalar_mixes
        if not self._keep_sentence_boundaries and _is_plain(bilm, mixes):
            # Boundary tokens have no part in the result.
            activations, mask = cast(_ElmoBiLm, bilm).run(ids, words, boundaries=False)
            return [mix(activations, mask) for mix in mixes], mask
        output = bilm(ids, words)
        mask = output["mask"]
        mixed = [mix(output["activations"], mask) for mix in mixes]
        if self._keep_sentence_boundaries:
            return mixed, mask
        inner = [remove_sentence_boundaries(one, mask) for one in [*mixed, mask.unsqueeze(2)]]
        return [one for one, _ in inner[:-1]], inner[-1][1]


class ElmoTokenEmbedder(nn.Module):
    """One mix, and a projection if wanted.

    options_file (File): See `Elmo`.
    weight_file (File): See `Elmo`.
    do_layer_norm (bool): See `Elmo`.
    dropout (float): See `Elmo`.
    requires_grad (bool): See `Elmo`.
    projection_dim (int | None): The width of a trained projection; None: there is none.
    vocab_to_cache (Sequence[str] | None): See `Elmo`.
    scalar_mix_parameters (Sequence[float] | None): See `Elmo`.
    stateful (bool): See `Elmo`.
    """

    def __init__(
        self,
        options_file: File = DEFAULT_OPTIONS_FILE,
        weight_file: File = DEFAULT_WEIGHT_FILE,
        do_layer_norm: bool = False,
        dropout: float = 0.5,
        requires_grad: bool = False,
        projection_dim: int | None = None,
        vocab_to_cache: Sequence[str] | None = None,
        scalar_mix_parameters: Sequence[float] | None = None,
        *,
        stateful: bool = False,
    ):
        super().__init__()
        self._elmo = Elmo(
            options_file,
            weight_file,
            1,
            requires_grad=requires_grad,
            do_layer_norm=do_layer_norm,
            dropout=dropout,
            vocab_to_cache=vocab_to_cache,
            scalar_mix_parameters=scalar_mix_parameters,
            stateful=stateful,
        )
        width = self._elmo.get_output_dim()
        self._projection = nn.Linear(width, projection_dim) if projection_dim else None
        self.output_dim = projection_dim or width

    @classmethod
    def from_params(
        cls, vocab: Any = None, params: Mapping[str, Any] | None = None, **others: Any
    ) -> "ElmoTokenEmbedder":
        """Make an embedder from the parameters of a configuration.

        vocab (Any): The vocabulary of AllenNLP that `namespace_to_cache` is a namespace of; or, as the only
            argument, `params`.
        params (Mapping[str, Any] | None): Arguments of the constructor, or `namespace_to_cache`.
        others (Any): More arguments.
        RETURNS (ElmoTokenEmbedder): The embedder.
        RAISES (ElmoError): If there is another parameter.
        """
        if params is None and isinstance(vocab, Mapping):
            vocab, params = None, vocab
        given = {**(params or {}), **others}
        given.pop("type", None)
        if namespace := given.pop("namespace_to_cache", None):
            given["vocab_to_cache"] = list(vocab.get_token_to_index_vocabulary(namespace))
        return cls(**_check_names(cls, given))

    def get_output_dim(self) -> int:
        """Get the width of the outputs.

        RETURNS (int): projection_dim, or 2P.
        """
        return self.output_dim

    def forward(
        self,
        elmo_tokens: Tensor | None = None,
        word_inputs: Tensor | None = None,
        *,
        inputs: Tensor | None = None,
    ) -> Tensor:
        """Embed a batch.

        elmo_tokens (Tensor | None): (batch, ..., longest, 50), character ids.
        word_inputs (Tensor | None): See `Elmo.forward`.
        inputs (Tensor | None): The name of elmo_tokens in AllenNLP 0.9.
        RETURNS (Tensor): (batch, ..., longest, output_dim).
        """
        ids = inputs if elmo_tokens is None else elmo_tokens
        embedded: Tensor = self._elmo(ids, word_inputs)["elmo_representations"][0]
        return embedded if self._projection is None else self._projection(embedded)


def _is_plain(bilm: nn.Module, mixes: Sequence[nn.Module]) -> bool:
    """Check that nobody has changed a biLM as a whole, or the mixes, and that these do not normalize layers."""
    own_mixes = all(type(mix) is ScalarMix and not mix.do_layer_norm for mix in mixes)
    return type(bilm) is _ElmoBiLm and not has_code(bilm) and own_mixes


def _check_names(cls: type, given: dict[str, Any]) -> dict[str, Any]:
    allowed = list(inspect.signature(cls).parameters)
    if unknown := [name for name in given if name not in allowed]:
        raise ElmoError(Errors.EL894.format(names=", ".join(unknown), allowed=", ".join(allowed)))
    return given
