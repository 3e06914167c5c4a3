"""AllenNLP's `Elmo` and `ElmoTokenEmbedder`."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from ...elmo import Elmo as LoadedElmo
from ...errors import ElmoError, Errors
from .bilm_modules import Path, _ElmoBiLm
from .boundaries import remove_sentence_boundaries
from .elmo_embedder import DEFAULT_OPTIONS_FILE, DEFAULT_WEIGHT_FILE
from .mixing import ScalarMix


class Elmo(nn.Module):
    """A biLM with trained mixes of its layers.

    options_file (str | PathLike): AllenNLP's options file, or its address; without weight_file, any source.
    weight_file (str | PathLike | None): AllenNLP's weights file, or its address.
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
        options_file: "Path | LoadedElmo",
        weight_file: Path = None,
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
        self._do_layer_norm = do_layer_norm
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
        outer = inputs.shape[:-2]
        ids = inputs.flatten(0, -3)
        words = word_inputs
        if words is not None:
            words = words.flatten(0, -2) if self._has_cached_vocab else None
        representations, mask = self._mix(ids, words)
        shaped = [self._dropout(one).unflatten(0, outer) for one in representations]
        return {"elmo_representations": shaped, "mask": mask.unflatten(0, outer)}

    def _mix(self, ids: Tensor, words: Tensor | None) -> tuple[list[Tensor], Tensor]:
        bilm, keep = self._elmo_lstm, self._keep_sentence_boundaries
        if isinstance(bilm, _ElmoBiLm) and not keep and not self._do_layer_norm:
            # Boundary tokens have no part in the result.
            outputs = bilm.run(ids, words, boundaries=False)
            return [mix([*outputs.layers.values()]) for mix in self._scalar_mixes], outputs.mask
        output = bilm(ids, words)
        mask = output["mask"]
        mixed = [mix(output["activations"], mask) for mix in self._scalar_mixes]
        if keep:
            return mixed, mask
        return [remove_sentence_boundaries(one, mask)[0] for one in mixed], remove_sentence_boundaries(
            mask.unsqueeze(2), mask
        )[1]


class ElmoTokenEmbedder(nn.Module):
    """One mix, and a projection if wanted.

    options_file (str | PathLike): See `Elmo`.
    weight_file (str | PathLike | None): See `Elmo`.
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
        options_file: "Path | LoadedElmo" = DEFAULT_OPTIONS_FILE,
        weight_file: Path = DEFAULT_WEIGHT_FILE,
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

        vocab (Any): The vocabulary of AllenNLP that `namespace_to_cache` is a namespace of.
        params (Mapping[str, Any] | None): Arguments of the constructor, or `namespace_to_cache`.
        others (Any): More arguments.
        RETURNS (ElmoTokenEmbedder): The embedder.
        RAISES (ElmoError): If there is another parameter.
        """
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


def _check_names(cls: type, given: dict[str, Any]) -> dict[str, Any]:
    code = cls.__init__.__code__  # type: ignore[misc]
    allowed = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    if unknown := [name for name in given if name not in allowed]:
        raise ElmoError(Errors.EL894.format(names=", ".join(unknown), allowed=", ".join(allowed)))
    return given
