"""Split texts into sentences and tokens by spaCy, with the place of each token in its text."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from .errors import ElmoError, Errors, ReasonError, short_repr
from .util.batching import windows

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

# Texts and characters that are split at a time.
_TEXTS, _CHARACTERS = 256, 1_000_000
# Distinct words that a pipeline remembers at most, of some hundred bytes each, before a new one takes its place.
_WORDS = 100_000
_blank = threading.local()


class SplitSentence(NamedTuple):
    """A sentence of a text. Whitespace is no token, and a sentence has at least one.

    text (str): The part of the text from the first character of its first token to the last of its last.
    start (int): The place of its first character in the text.
    tokens (list[str]): The texts of its tokens.
    starts (list[int]): The place of each token's first character in the text.
    """

    text: str
    start: int
    tokens: list[str]
    starts: list[int]


# Texts to the sentences of each.
Split = Callable[[Iterable[str]], Iterator[list[SplitSentence]]]


def split_texts(
    texts: Iterable[str], *, lang: str = "en", nlp: "Language | None" = None
) -> Iterator[list[SplitSentence]]:
    """Tokenize texts, and split them into sentences.

    texts (Iterable[str]): Texts of any length.
    lang (str): A language's code, for its tokenizer and the rule-based sentencizer.
    nlp (Language | None): A pipeline to use instead; if it sets no sentences, a text is one sentence.
    YIELDS (list[SplitSentence]): The sentences of each text.
    RAISES (ElmoError): If a text is not a str, there is no such language, or the pipeline loses texts.
    """
    if nlp is not None and not callable(getattr(nlp, "pipe", None)):
        raise ElmoError(Errors.EL249.format(got=short_repr(nlp)))
    for window in windows(_check_texts(texts), size=len, budget=_CHARACTERS, most=_TEXTS):
        pipeline = _get_blank(lang) if nlp is None else nlp
        docs = list(pipeline.pipe(window))
        if len(docs) != len(window):
            raise ElmoError(Errors.EL254.format(n_docs=len(docs), n_texts=len(window)))
        yield from map(_split_doc, docs)


def make_split(nlp: "Language | str") -> Split:
    """Make a function that splits texts.

    nlp (Language | str): A pipeline, or its name as for `load_pipeline`, which is loaded now.
    RETURNS (Split): The function.
    RAISES (ElmoError): If there is no such pipeline.
    """
    if not isinstance(nlp, str):
        return partial(split_texts, nlp=nlp)
    kind, _, lang = nlp.partition(":")
    if kind == "blank" and lang:
        # This pipeline is at hand, and its memory is bounded.
        return partial(split_texts, lang=lang)
    # Imported here because only texts need spaCy.
    from .inputs.pipelines import load_pipeline

    return partial(split_texts, nlp=load_pipeline(nlp))


def _split_doc(doc: "Doc") -> list[SplitSentence]:
    text = doc.text
    sentences = []
    for span in doc.sents if doc.has_annotation("SENT_START") else [doc[:]]:
        words = [token for token in span if not token.is_space]
        if words:
            start, end = words[0].idx, words[-1].idx + len(words[-1])
            tokens, starts = [word.text for word in words], [word.idx for word in words]
            sentences.append(SplitSentence(text[start:end], start, tokens, starts))
    return sentences


def _get_blank(lang: str) -> "Language":
    """Get the pipeline of a language, which each thread keeps; one that remembers too many words is made again."""
    kept: dict[str, Language] = _blank.__dict__.setdefault("pipelines", {})
    if not isinstance(lang, str) or lang not in kept or len(kept[lang].vocab) > _WORDS:
        made = make_splitter(lang)
        kept.clear()
        kept[lang] = made
    return kept[lang]


def make_splitter(lang: str) -> "Language":
    """Make a pipeline that splits texts by the rules of a language.

    lang (str): The code of the language.
    RETURNS (Language): Its tokenizer, with the rule-based sentencizer.
    RAISES (ElmoError): If there is no such language.
    """
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
