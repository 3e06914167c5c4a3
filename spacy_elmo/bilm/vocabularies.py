"""Vocabularies of a model's own, as ELMoForManyLangs has them: from symbols to numbers."""

from typing import Any, Mapping

from .fields import Fields

# Symbols of these vocabularies (ELMoForManyLangs, char.dic and word.dic).
UNKNOWN = "<oov>"
PADDING = "<pad>"
BEGIN_WORD, END_WORD = "<bow>", "<eow>"
BEGIN_SENTENCE, END_SENTENCE = "<bos>", "<eos>"

CHARACTER_SYMBOLS = (UNKNOWN, PADDING, BEGIN_WORD, END_WORD, BEGIN_SENTENCE, END_SENTENCE)
WORD_SYMBOLS = (UNKNOWN,)
# Room for a sentence mark, which is looked up after a text is cut, and two word marks.
LEAST_CHARACTERS = len(BEGIN_SENTENCE) + 2


def take_vocabulary(fields: Fields, name: str, *, size: int, symbols: Any) -> Mapping[str, int]:
    """A JSON object from symbols to numbers below `size`. symbols: that it must have.

    RAISES: ValueError if it is none, or one of the symbols is missing.
    """
    found = fields.section(name)
    return {symbol: found.whole(symbol, low=0, high=size - 1) for symbol in dict.fromkeys([*symbols, *found.data])}
