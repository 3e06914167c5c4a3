import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_elmo.bilm.characters import N_IDS, character_ids
from tests.reference import characters


def test_equal_to_allennlp(parity: Path) -> None:
    pairs = json.loads((parity / "charids.json").read_text("utf-8"))
    assert len(pairs) == 265
    got = character_ids([token for token, _ in pairs])
    np.testing.assert_array_equal(got, [ids for _, ids in pairs])


@pytest.mark.parametrize(
    ("token", "inner"),
    [
        ("", []),
        ("a", [97]),
        ("é", [0xC3, 0xA9]),
        ("<S>", [256]),
        ("</S>", [257]),
        ("<s>", list(b"<s>")),
        ("\ud800x", [120]),
        ("x" * 60, [120] * 48),
        ("x" * 47 + "é", [120] * 47 + [0xC3]),
    ],
)
def test_bytes_between_marks(token: str, inner: list) -> None:
    row = character_ids([token])[0] - 1
    assert row.tolist() == [258, *inner, 259] + [260] * (48 - len(inner))


@given(st.lists(st.text()), st.integers(3, 60))
def test_shape_and_range(tokens: list, most: int) -> None:
    ids = character_ids(tokens, max_characters=most)
    assert ids.shape == (len(tokens), most)
    assert ids.dtype == np.int64
    assert ids.size == 0 or (ids.min() >= 1 and ids.max() < N_IDS)
    assert ids.tolist() == [[n + 1 for n in characters(token, most)] for token in tokens]
