"""Advice by the number of a system error, wherever a library has put it."""

import errno

import pytest

from spacy_elmo.errors.advice import WRITING, explain_writing

# The words of safetensors 0.4.4.
SERIALIZED = 'Error while serializing: IoError(Os { code: %d, kind: StorageFull, message: "No space left" })'


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError(SERIALIZED % errno.ENOSPC)])
def test_a_full_disk(error: Exception) -> None:
    assert explain_writing(error)["advice"] == WRITING[errno.ENOSPC]


@pytest.mark.parametrize("error", [OSError("no number"), ValueError(SERIALIZED % 9999), ValueError("Os")])
def test_unknown_causes(error: Exception) -> None:
    explained = explain_writing(error)
    assert explained == {"reason": error, "advice": "Correct the cause, and try again."}
