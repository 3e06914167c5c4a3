"""Vocabularies of a model's own, as ELMoForManyLangs has them: from symbols to numbers."""

from collections.abc import Mapping
from typing import Any

from ..errors import ElmoError, Errors
from .fields import Fields, show

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
    """A JSON object from symbols to the numbers below `size`, each of which it must have once.

    symbols: that it must have.
    RAISES (ElmoError): If it is none, or one of the symbols is missing.
    """
    found = fields.section(name)
    vocabulary = {
        symbol: found.whole(symbol, low=0, high=size - 1) for symbol in dict.fromkeys([*symbols, *found.data])
    }
    check_coverage(vocabulary, size, path=f"{fields.where}: {fields.path}{name}", weights="the model")
    return vocabulary


def check_coverage(vocabulary: Mapping[str, int], n_rows: int, *, path: str, weights: str) -> None:
    """Hold a vocabulary against the vectors that it numbers. path, weights: what they are from, for messages.

    RAISES (ElmoError): Unless the numbers are 0 to n_rows - 1, each once.
    """
    names: dict[int, str] = {}
    for symbol, number in vocabulary.items():
        if number in names:
            what = f"'{show(names[number])}' and '{show(symbol)}' have the same number, {number}"
            break
        if not 0 <= number < n_rows:
            what = f"'{show(symbol)}' has the number {number}"
            break
        names[number] = symbol
    else:
        if len(names) == n_rows:
            return
        absent = next(number for number in range(n_rows) if number not in names)
        what = f"the number {absent} is missing"
    facts = {"n": len(vocabulary), "n_rows": n_rows, "last": n_rows - 1, "what": what}
    raise ElmoError(Errors.EL256.format(path=path, weights=weights, **facts))
