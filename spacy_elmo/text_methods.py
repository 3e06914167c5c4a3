"""What `Elmo` does with texts and tables, on top of `embed`: one method for each, which calls its module."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from .bilm.layers import LayerName, LayerOutputs, Layers
from .errors import ElmoError, Errors, short_repr
from .texts import TextOutputs, embed_texts

if TYPE_CHECKING:
    import pyarrow
    from spacy.language import Language

Sentences = Iterable[Sequence[str]]


class TextMethods(ABC):
    """Methods of an `Elmo` that take texts or give tables."""

    @property
    @abstractmethod
    def layer_names(self) -> list[LayerName]: ...

    @abstractmethod
    def width(self, layer: str) -> int: ...

    @abstractmethod
    def embed(
        self,
        sentences: Sentences,
        *,
        layers: Layers = "*",
        max_batch_tokens: int | None = None,
        progress: bool = False,
    ) -> list[LayerOutputs]: ...

    @abstractmethod
    def stream(self, sentences: Sentences, *, layers: Layers = "*") -> Iterator[LayerOutputs]: ...

    def __call__(self, text: str, *, lang: str = "en", layers: Layers = "*") -> TextOutputs:
        """Compute the layers of one text; see `embed_texts`.

        text (str): A text of any length.
        lang (str): See `embed_texts`.
        layers (Layers): See `embed_texts`.
        RETURNS (TextOutputs): The layers of its tokens.
        RAISES (ElmoError): If it is not a str; and as `embed_texts`.
        """
        if not isinstance(text, str):
            raise ElmoError(Errors.EL248.format(got=short_repr(text)))
        return self.embed_texts([text], lang=lang, layers=layers)[0]

    def embed_texts(
        self,
        texts: Iterable[str],
        *,
        lang: str = "en",
        nlp: "Language | None" = None,
        layers: Layers = "*",
        progress: bool = False,
    ) -> list[TextOutputs]:
        """Tokenize texts, split them into sentences, and compute the layers of all tokens of each text.

        texts (Iterable[str]): Texts of any length; whitespace is left out.
        lang (str): The code of a language, whose tokenizer and rule-based sentencizer of spaCy are used.
        nlp (Language | None): A spaCy pipeline to use instead. If it sets no sentences, a text is one sentence.
        layers (Layers): "*" or a list of names.
        progress (bool): Show a bar on stderr.
        RETURNS (list[TextOutputs]): One for each text, with its `tokens`.
        RAISES (ElmoError): If a text is not a str, there is no such language, or a layer does not exist.
        """
        embed = partial(self.embed, layers=layers, progress=progress)
        return embed_texts(texts, lang=lang, nlp=nlp, embed=embed)
