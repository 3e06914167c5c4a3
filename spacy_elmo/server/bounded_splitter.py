"""Texts of strangers, split by spaCy within bounds of time and memory."""

from collections.abc import Callable, Sequence
from threading import Lock

from spacy.language import Language
from spacy.tokenizer import Tokenizer

from ..errors import Errors, short_repr
from ..splitter import SplitSentence, split_texts
from ..util.batching import windows
from .limits import Limits
from .refusals import RequestError
from .request_body import check_amount

# spaCy's tokenizer takes punctuation off a word one by one, and copies the rest each time: a word of 20,000
# exclamation marks takes half a minute. One of this many characters takes a tenth of a second.
WORD_CHARACTERS = 1_000
# Rules that the tokenizer asks for each part of a word.
_RULES = ("prefix_search", "suffix_search", "url_match")
# Characters that are split at a time to count tokens; if they are too many, the rest is not split.
_CHARACTERS = 2_000


class BoundedSplitter:
    """Splits texts, for all threads.

    nlp (Language): Its tokenizer, which then lets other threads run, and the component that sets sentences.
    limits (Limits): How many tokens a request may have.
    """

    def __init__(self, nlp: Language, *, limits: Limits):
        self._nlp = nlp
        self._limits = limits
        self._lock = Lock()
        if isinstance(nlp.tokenizer, Tokenizer):
            _yield_to_threads(nlp.tokenizer)

    def split(self, texts: Sequence[str]) -> list[list[SplitSentence]]:
        """Split texts into sentences and tokens.

        texts (Sequence[str]): The texts of a request.
        RETURNS (list[list[SplitSentence]]): The sentences of each that has any.
        RAISES (RequestError): If they have too many tokens, or a word is too long.
        """
        # Each has a token at least.
        texts = [text for text in texts if text.strip()]
        check_amount(len(texts), "lines", self._limits)
        # A pipeline is not for several threads at a time. Of the words of a request, it shall keep nothing.
        with self._lock, self._nlp.memory_zone():
            self._check_length(texts)
            found = list(split_texts(texts, nlp=self._nlp))
        n_tokens = sum(len(sentence.tokens) for sentences in found for sentence in sentences)
        check_amount(n_tokens, "tokens", self._limits)
        return found

    def _check_length(self, texts: Sequence[str]) -> None:
        if sum(map(len, texts)) <= min(WORD_CHARACTERS, self._limits.max_tokens):
            return
        words = [word for text in texts for word in text.split()]
        # Other tokenizers are those of languages without spaces.
        longest = max(words, key=len, default="") if isinstance(self._nlp.tokenizer, Tokenizer) else ""
        if len(longest) > WORD_CHARACTERS:
            message = Errors.EL359.format(
                n=len(longest), start=short_repr(longest[:20]), limit=f"{WORD_CHARACTERS:,}"
            )
            raise RequestError(message, status=413)
        n_tokens = 0
        for part in windows(words, size=len, budget=_CHARACTERS):
            n_tokens += len(self._nlp.tokenizer(" ".join(part)))
            check_amount(n_tokens, "or more tokens", self._limits)


def _yield_to_threads(tokenizer: Tokenizer) -> None:
    """Let other threads run while a text is split, which may take seconds. Only in Python code can threads change,
    and there is none in spaCy's tokenizer.
    """
    for name in _RULES:
        rule = getattr(tokenizer, name)
        if rule is not None:
            setattr(tokenizer, name, _call_in_python(rule))


def _call_in_python(rule: Callable[[str], object]) -> Callable[[str], object]:
    def call(text: str) -> object:
        return rule(text)

    return call
