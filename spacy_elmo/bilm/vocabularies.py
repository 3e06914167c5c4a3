"""Vocabularies that belong to a model, as in ELMoForManyLangs: from symbols to ids."""

from collections.abc import Mapping, Sequence

from ..errors import ElmoError, Errors
from .fields import Fields, show

# Symbols of these vocabularies (ELMoForManyLangs, char.dic and word.dic).
UNKNOWN = "<oov>"
PADDING = "<pad>"
BEGIN_WORD, END_WORD = "<bow>", "<eow>"
BEGIN_SENTENCE, END_SENTENCE = "<bos>", "<eos>"

CHARACTER_SYMBOLS = (UNKNOWN, PADDING, BEGIN_WORD, END_WORD, BEGIN_SENTENCE, END_SENTENCE)
WORD_SYMBOLS = (UNKNOWN,)
# A boundary token, which is looked up after the text is cut, and two word markers must fit in.
LEAST_CHARACTERS = len(BEGIN_SENTENCE) + 2


def read_vocabulary(fields: Fields, name: str, *, size: int, symbols: Sequence[str]) -> Mapping[str, int]:
    """Read a vocabulary: a JSON object from symbols to the numbers below `size`, each of which occurs once.

    fields (Fields): The object that contains the vocabulary.
    name (str): The field of the vocabulary.
    size (int): The number of symbols.
    symbols (Sequence[str]): Symbols that must be in it.
    RETURNS (Mapping[str, int]): The numbers by symbols.
    RAISES (ElmoError): If the field is not such an object, or one of the symbols is missing.
    """
    found = fields.section(name)
    vocabulary = {
        symbol: found.whole(symbol, low=0, high=size - 1) for symbol in dict.fromkeys([*symbols, *found.data])
    }
    check_coverage(vocabulary, size, path=f"{fields.where}: {fields.path}{name}", weights="the model")
    return vocabulary


def check_coverage(vocabulary: Mapping[str, int], n_rows: int, *, path: str, weights: str) -> None:
    """Check that a vocabulary has one symbol for each vector.

    vocabulary (Mapping[str, int]): The numbers by symbols.
    n_rows (int): The number of vectors.
    path (str): Where the vocabulary is from, for messages.
    weights (str): Where the vectors are from, for messages.
    RAISES (ElmoError): If the numbers are not 0 to n_rows - 1, each once.
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
