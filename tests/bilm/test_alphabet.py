from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.bilm.alphabet import ByteAlphabet, VocabularyAlphabet, make_alphabet
from spacy_elmo.bilm.characters import character_ids
from spacy_elmo.bilm.options import Options
from spacy_elmo.bilm.vocabularies import CHARACTER_SYMBOLS

CHARACTERS = {symbol: i for i, symbol in enumerate([*CHARACTER_SYMBOLS, "a", "b", "é"])}
WORDS = {"<oov>": 0, "ab": 1, "aaaaaaaa": 2, "<bos>": 3}


def own(**more: Any) -> dict[str, Any]:
    return {
        "lstm": {"dim": 6, "projection_dim": 4, "n_layers": 2, "use_skip_connections": True},
        "char_cnn": {
            "activation": "relu",
            "filters": [[1, 2], [2, 2]],
            "embedding": {"dim": 3},
            "n_characters": len(CHARACTERS),
            "max_characters_per_token": 10,
            "characters": CHARACTERS,
        },
        **more,
    }


def words() -> dict[str, Any]:
    return {"embedding": {"dim": 2}, "n_words": 4, "vocabulary": dict(WORDS)}


def symbols(ids: "np.ndarray") -> list[str]:
    names = {number: symbol for symbol, number in CHARACTERS.items()}
    return [names[i] for i in ids.tolist()]


@pytest.mark.parametrize(
    ("token", "inner", "word"),
    [
        ("ab", ["a", "b"], 1),
        ("", [], 0),
        ("aZé", ["a", "<oov>", "é"], 0),
        # Cut first, then looked up.
        ("aaaaaaaaaaab", ["a"] * 8, 2),
        ("<bos>", ["<bos>"], 3),
        ("<eos>", ["<eos>"], 0),
        ("<pad>", ["<oov>", "<oov>", "a", "<oov>", "<oov>"], 0),
        ("AB", ["<oov>", "<oov>"], 0),
        ("\ud800", ["<oov>"], 0),
    ],
)
def test_code_points(token: str, inner: list[str], word: int) -> None:
    alphabet = make_alphabet(Options.from_dict(own(words=words())))
    found = alphabet.ids([token])
    # The end of a word stands first: ELMoForManyLangs has the two swapped.
    expected = ["<eow>", *inner, "<bow>"]
    assert symbols(found.characters[0]) == expected + ["<pad>"] * (10 - len(expected))
    assert found.words is not None
    assert found.words.tolist() == [word]


def test_without_words() -> None:
    alphabet = make_alphabet(Options.from_dict(own()))
    assert isinstance(alphabet, VocabularyAlphabet)
    assert alphabet.ids(["ab"]).words is None
    assert (alphabet.opening, alphabet.closing, alphabet.padding) == ("<bos>", "<eos>", CHARACTERS["<pad>"])
    assert alphabet.ids([]).characters.shape == (0, 10)


def test_bytes(tiny_options: dict[str, Any]) -> None:
    alphabet = make_alphabet(Options.from_dict(tiny_options))
    assert isinstance(alphabet, ByteAlphabet)
    found = alphabet.ids(["Zoë", "<S>"])
    assert found.words is None
    most = tiny_options["char_cnn"]["max_characters_per_token"]
    np.testing.assert_array_equal(found.characters, character_ids(["Zoë", "<S>"], max_characters=most))
    assert found.characters[1, -1] == alphabet.padding


@given(st.lists(st.text(), max_size=5))
def test_any_text_is_read(tokens: list[str]) -> None:
    found = VocabularyAlphabet(max_characters=10, characters=CHARACTERS, words=WORDS).ids(tokens)
    assert found.characters.shape == (len(tokens), 10)
    assert set(found.characters.flatten().tolist()) <= set(CHARACTERS.values())
    assert found.words is not None
    assert set(found.words.tolist()) <= set(WORDS.values())


# Long, beyond ASCII, half of a pair, and what looks like a sentence mark once it is cut.
LONG = st.text(st.sampled_from("a<S>/é€😀\ud800\x00"), max_size=14)


@given(LONG, st.integers(min_value=4, max_value=9))
def test_shorten_keeps_ids(token: str, most: int) -> None:
    for alphabet in (
        ByteAlphabet(max_characters=most),
        VocabularyAlphabet(max_characters=most + 3, characters=CHARACTERS, words=WORDS),
    ):
        short = alphabet.shorten(token)
        one, other = alphabet.ids([token]), alphabet.ids([short])
        np.testing.assert_array_equal(one.characters, other.characters)
        assert (one.words is None) == (other.words is None)
        if one.words is not None and other.words is not None:
            assert one.words.tolist() == other.words.tolist()
        assert len(short) <= most + 1
        assert alphabet.shorten(short) == short


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("abc", "abc"),
        ("abcdef", "abcd"),
        ("<S>", "<S>"),
        ("</S>", "</S>"),
        ("</S>abc", "\ud800</S>"),
        # Four bytes end within the second character.
        ("€€€", "€€€"),
        ("€€€€€", "€€"),
        ("\ud800" * 9 + "a", "a"),
    ],
)
def test_shorten(token: str, expected: str) -> None:
    assert ByteAlphabet(max_characters=6).shorten(token) == expected


def test_options_with_vocabularies() -> None:
    data = own(words=words())
    options = Options.from_dict(data)
    assert options.has_own_vocabulary
    # Filters add up to projection_dim, and are projected all the same.
    assert options.has_char_projection
    again = Options.from_json(options.to_json())
    assert again == options
    assert again.to_dict()["char_cnn"]["characters"] == CHARACTERS
    assert again.to_dict()["words"] == words()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda data: data["char_cnn"].update(n_characters=3), r"EL003.*'char_cnn.characters.<eow>' is 3"),
        (lambda data: data["char_cnn"]["characters"].update(a=-1), r"EL003.*'char_cnn.characters.a' is -1"),
        (lambda data: data["char_cnn"]["characters"].update(a="x"), r"EL003.*'char_cnn.characters.a' is 'x'"),
        (
            lambda data: data["char_cnn"]["characters"].pop("<pad>"),
            r"EL002.*'char_cnn.characters.<pad>'",
        ),
        (lambda data: data["char_cnn"].update(characters=["a"]), r"EL003.*'char_cnn.characters' is \['a'\]"),
        (lambda data: data["char_cnn"].update(max_characters_per_token=6), r"EL003.*whole number from 7 to 1000"),
        (lambda data: data["words"]["vocabulary"].pop("<oov>"), r"EL002.*'words.vocabulary.<oov>' is missing"),
        (lambda data: data["words"].update(n_words=0), r"EL003.*'words.n_words' is 0"),
        (
            lambda data: data["words"].update(n_words=50),
            r"EL256.*words.vocabulary has \d+ symbols.* has 50 vectors.*is missing",
        ),
        (
            lambda data: data["char_cnn"]["characters"].update(a=0),
            r"EL256.*characters has .*have the same number, 0",
        ),
        (lambda data: data["char_cnn"].update(characters=None, n_characters=262), r"EL004.*'words' is 'given'"),
    ],
)
def test_vocabularies_that_cannot_be(change: Any, match: str) -> None:
    data = own(words=words())
    data["char_cnn"]["characters"] = dict(CHARACTERS)
    change(data)
    with pytest.raises(ValueError, match=match):
        Options.from_dict(data)
