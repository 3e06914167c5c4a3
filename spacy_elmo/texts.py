"""The layers of texts: of all tokens of a text, joined from its sentences."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from .bilm.layers import LayerOutputs, RowIndex
from .splitter import SplitSentence, split_texts

if TYPE_CHECKING:
    from spacy.language import Language

__all__ = ["TextOutputs"]

_NOTHING = SplitSentence("", 0, [], [])


class TextOutputs(LayerOutputs):
    """The layers of one text, and its tokens.

    tokens (list[str]): The token of each row; whitespace is left out.
    """

    __slots__ = ("tokens",)

    def __init__(self, arrays: Mapping[str, NDArray[np.floating]], *, n_layers: int, tokens: Sequence[str]):
        """Hold the layers and the tokens.

        arrays (Mapping[str, NDArray]): The layers by their names, lowest first.
        n_layers (int): The number of LSTM layers of the model.
        tokens (Sequence[str]): The token of each row.
        """
        super().__init__(arrays, n_layers=n_layers)
        self.tokens = list(tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    @overload
    def __getitem__(self, key: str) -> NDArray[np.floating]: ...

    @overload
    def __getitem__(self, key: RowIndex) -> LayerOutputs: ...

    def __getitem__(self, key: str | RowIndex) -> NDArray[np.floating] | LayerOutputs:
        if isinstance(key, str):
            return super().__getitem__(key)
        chosen = super().__getitem__(key)
        rows = np.arange(len(self.tokens))[key]
        if rows.ndim == 0:
            return chosen
        tokens = [self.tokens[row] for row in rows.tolist()]
        return TextOutputs(dict(chosen.items()), n_layers=self.n_layers, tokens=tokens)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (dict(self.items()), self.n_layers, self.tokens)


def _rebuild(arrays: Mapping[str, NDArray[np.floating]], n_layers: int, tokens: Sequence[str]) -> TextOutputs:
    return TextOutputs(arrays, n_layers=n_layers, tokens=tokens)


def embed_texts(
    texts: Iterable[str],
    *,
    lang: str,
    nlp: "Language | None",
    embed: Callable[[Sequence[Sequence[str]]], list[LayerOutputs]],
) -> list[TextOutputs]:
    """Compute the layers of all tokens of each text.

    texts (Iterable[str]): Texts of any length.
    lang (str): As for `split_texts`.
    nlp (Language | None): As for `split_texts`.
    embed (Callable): Computes the layers of sentences.
    RETURNS (list[TextOutputs]): The layers of each text.
    RAISES (ElmoError): As `split_texts`.
    """
    # A text without tokens has arrays with 0 rows.
    split = [sentences or [_NOTHING] for sentences in split_texts(texts, lang=lang, nlp=nlp)]
    outputs = iter(embed([sentence.tokens for sentences in split for sentence in sentences]))
    return [_join(sentences, [next(outputs) for _ in sentences]) for sentences in split]


def _join(sentences: Sequence[SplitSentence], outputs: Sequence[LayerOutputs]) -> TextOutputs:
    arrays = {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0].names}
    tokens = [token for sentence in sentences for token in sentence.tokens]
    return TextOutputs(arrays, n_layers=outputs[0].n_layers, tokens=tokens)
