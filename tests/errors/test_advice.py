"""Advice by the number of a system error, wherever a library has put it."""

import errno
import runpy
from pathlib import Path

import pytest

from spacy_elmo.errors import advice
from spacy_elmo.errors.advice import WRITING, explain_writing
from spacy_elmo.util.atomic import WriteError

# The words of safetensors 0.4.4.
SERIALIZED = 'Error while serializing: IoError(Os { code: %d, kind: StorageFull, message: "No space left" })'


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), ValueError(SERIALIZED % errno.ENOSPC)])
def test_a_full_disk(error: Exception) -> None:
    assert explain_writing(error)["advice"] == WRITING[errno.ENOSPC]


def test_reasons(tmp_path: Path) -> None:
    """Without the path and the advice, which the message has itself."""
    assert explain_writing(OSError(errno.ENOSPC, "full"))["reason"] == "full"
    failed = WriteError(tmp_path, errno.ENOSPC, "full")
    assert explain_writing(failed) == {"reason": "full", "advice": WRITING[errno.ENOSPC]}


def test_a_system_without_quotas(monkeypatch: pytest.MonkeyPatch) -> None:
    """There, no advice on them is given for unknown causes, nor for a full disk."""
    monkeypatch.delattr(errno, "EDQUOT", raising=False)
    found = runpy.run_path(advice.__file__)["explain_writing"]
    assert found(OSError("no number"))["advice"] == "Correct the cause, and try again."
    assert found(OSError(errno.ENOSPC, "full"))["advice"] == WRITING[errno.ENOSPC]


@pytest.mark.parametrize("error", [OSError("no number"), ValueError(SERIALIZED % 9999), ValueError("Os")])
def test_unknown_causes(error: Exception) -> None:
    explained = explain_writing(error)
    assert explained == {"reason": error, "advice": "Correct the cause, and try again."}
