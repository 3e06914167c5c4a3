"""What `Elmo` does with texts and tables, on top of `embed`: one method for each, which calls its module."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from .bilm.layers import LayerName, LayerOutputs, Layers
from .errors import ElmoError, Errors, short_repr
from .texts import TextOutputs, embed_texts

if TYPE_CHECKING:
    import pandas
    import pyarrow
    from spacy.language import Language

Sentences = Iterable[Sequence[str]]


class TextMethods(ABC):
    """Methods of an `Elmo` that take texts or give tables."""

    source: str

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
        output: Literal["numpy", "torch"] = "numpy",
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

    def predict(
        self,
        data: object,
        output_level: str = "token",
        *,
        pooling_layer: LayerName = "elmo",
        positions: bool = False,
        metadata: bool = False,
        column: str = "word_embedding_elmo",
        pooling: str | None = None,
        nlp: "Language | str" = "blank:en",
    ) -> "pandas.DataFrame":
        """Compute the vectors of texts as a data frame of pandas, like `predict` of NLU.

        Each row has the index of its text and, if a frame was given, all its columns. Rows are in the order of the
        input, columns in that of their names.

        data (object): A text; an iterable or Series of texts; or a data frame, which is not changed, with texts in
            the column "text" or else in its first one. None and NaN are empty texts. What has `to_pandas`, such as
            frames of polars, pyarrow and modin, is converted, and the result is a frame of pandas all the same.
            For a frame of Spark, the result is one of Spark, without `origin_index`, and `nlp` must be a name.
        output_level (str): What a row stands for: "token" (so does ""), "sentence" or "document"; the column of
            this name has its text. A text without tokens has one row, where token or sentence is NaN.
        pooling_layer (LayerName): The layer; others are not computed.
        positions (bool): Add the columns `token_begin`, `token_end`, and the same for `sentence`, `document` and
            `column`: the first and the last character, so that text[begin : end + 1] is the token. They are whole
            numbers for what a row stands for (0 and -1 in a row without tokens), and lists for all else.
        metadata (bool): Add the columns `document`, `sentence`, `token`; `origin_index`, the label in the index;
            `token_origin_sentence`, the number of its sentence in the text, and the same for `column`; and, as NLU
            has them, `is_OOV`, `is_word_start` and `piece_id` of `column`. All are str, or lists of str if a row
            has several.
        column (str): The name of the column of vectors. A cell is (width,), of the row's token or pooled, and NaN
            if there is no token; or without pooling (n_tokens, width), of all tokens of the sentence or document.
            Dtypes are those of `embed`.
        pooling (str | None): "average" or "sum", in upper or lower case: one vector of all tokens of a sentence or
            document.
        nlp (Language | str): A spaCy pipeline that splits the texts, or its name: "blank:en" for the tokenizer and
            the rule-based sentencizer of a language, "tokenizer:en" with each text as one sentence, or as for
            `spacy.load`. These are loaded in each call, except "blank:en" and the like: for many calls, give the
            pipeline itself.
        RETURNS (pandas.DataFrame): The frame.
        RAISES (ElmoError): If a text is not a str, a given column has the name of one of the result's, or an
            argument is not allowed; and as `stream`.
        RAISES (ImportError): If pandas is not installed.
        """
        # Imported here, because only data frames need pandas.
        from .frames.prediction import predict

        return predict(
            self,
            data,
            output_level=output_level,
            pooling_layer=pooling_layer,
            positions=positions,
            metadata=metadata,
            column=column,
            pooling=pooling,
            nlp=nlp,
        )

    def to_arrow(
        self,
        sentences: Sentences,
        *,
        layers: Layers = "*",
        max_batch_tokens: int | None = None,
        progress: bool = False,
    ) -> "pyarrow.Table":
        """Compute the layers of tokenized sentences as an Arrow table with a row for each token.

        Its columns are `sentence` (int64) and `token` (int32), the numbers of the sentence and of the token in it,
        `text` (string) and, for each layer, a list of as many numbers as the layer is wide (float32; float64 with
        precision "fp64"). A sentence without tokens has no row. The metadata of the schema names the model
        (`spacy_elmo.source`), the layers and the version.

        sentences (Iterable[Sequence[str]]): See `embed`.
        layers (Layers): See `embed`.
        max_batch_tokens (int | None): See `embed`.
        progress (bool): See `embed`.
        RETURNS (pyarrow.Table): The table.
        RAISES (ElmoError): As `embed`; and if a token contains half of a surrogate pair, which is not text.
        RAISES (ImportError): If pyarrow is not installed.
        """
        # Imported here, because only tables need pyarrow.
        from .tables.table_file import check_pyarrow

        check_pyarrow(Errors.EL800.format(what="Elmo.to_arrow", package="pyarrow"))
        from .tables.record_batches import make_table

        # Without tokens, nothing is computed.
        like = self.embed([[]], layers=layers)[0]
        embed = partial(self.embed, layers=layers, max_batch_tokens=max_batch_tokens, progress=progress)
        return make_table(sentences, embed=embed, like=like, source=self.source)
