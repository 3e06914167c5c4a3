"""Split texts into sentences by spaCy, and join the layers of a text."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import NDArray

from .bilm.layers import LayerOutputs, RowIndex
from .errors import ElmoError, Errors, ReasonError, short_repr

if TYPE_CHECKING:
    from spacy.language import Language

__all__ = ["TextOutputs"]


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


def split_texts(texts: Iterable[str], *, lang: str, nlp: "Language | None") -> Iterator[list[list[str]]]:
    """Tokenize texts, and split them into sentences.

    texts (Iterable[str]): Texts of any length.
    lang (str): A language's code, for its tokenizer and the rule-based sentencizer.
    nlp (Language | None): A pipeline to use instead; if it sets no sentences, a text is one sentence.
    YIELDS (list[list[str]]): The sentences of each text, without whitespace tokens and empty sentences.
    RAISES (ElmoError): If a text is not a str, or there is no such language.
    """
    pipeline = _blank(lang) if nlp is None else nlp
    if not callable(getattr(pipeline, "pipe", None)):
        raise ElmoError(Errors.EL249.format(got=short_repr(nlp)))
    for doc in pipeline.pipe(_check_texts(texts)):
        spans = doc.sents if doc.has_annotation("SENT_START") else [doc[:]]
        sentences = ([token.text for token in span if not token.is_space] for span in spans)
        yield [sentence for sentence in sentences if sentence]


def _blank(lang: str) -> "Language":
    # Imported here because only texts need spaCy.
    import spacy

    try:
        if not isinstance(lang, str):
            raise ReasonError(f"it is a {type(lang).__name__}, not a str")
        nlp = spacy.blank(lang)
    except (ImportError, ReasonError) as error:
        raise ElmoError(Errors.EL246.format(got=lang, reason=" ".join(str(error).split()))) from error
    nlp.add_pipe("sentencizer")
    # spaCy's limit is for components that need much more memory than these.
    nlp.max_length = sys.maxsize
    return nlp


def _check_texts(texts: object) -> Iterator[str]:
    if isinstance(texts, (str, bytes, Mapping, set, frozenset)) or not isinstance(texts, Iterable):
        raise ElmoError(Errors.EL245.format(got=short_repr(texts)))
    for text in texts:
        if not isinstance(text, str):
            raise ElmoError(Errors.EL245.format(got=short_repr(text)))
        # spaCy does not accept subclasses, such as NumPy's.
        yield str.__str__(text)


def embed_texts(
    texts: Iterable[str],
    *,
    lang: str,
    nlp: "Language | None",
    embed: Callable[[list[list[str]]], list[LayerOutputs]],
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
    split = [sentences or [[]] for sentences in split_texts(texts, lang=lang, nlp=nlp)]
    outputs = iter(embed([sentence for sentences in split for sentence in sentences]))
    return [_join(sentences, [next(outputs) for _ in sentences]) for sentences in split]


def _join(sentences: Sequence[list[str]], outputs: Sequence[LayerOutputs]) -> TextOutputs:
    arrays = {name: np.concatenate([output[name] for output in outputs]) for name in outputs[0].names}
    tokens = [token for sentence in sentences for token in sentence]
    return TextOutputs(arrays, n_layers=outputs[0].n_layers, tokens=tokens)
