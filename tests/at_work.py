"""Which threads work, and whether at the same time."""

import threading
from typing import Any

import pytest
import torch


def at_work(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[int]:
    """Calls of a function meet each other, two by two: they come at the same time, or the test fails.

    RETURNS: the number of torch's threads that each call has.
    """
    found: list[int] = []
    meeting = threading.Barrier(2)
    function = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        meeting.wait(timeout=30)
        found.append(torch.get_num_threads())
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, wrapped)
    return found


def seen_threads(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> set[int]:
    """How many of torch's threads there are where a function is called, from now on."""
    seen: set[int] = set()
    function = getattr(owner, name)

    def noted(*args: Any, **kwargs: Any) -> Any:
        seen.add(torch.get_num_threads())
        return function(*args, **kwargs)

    monkeypatch.setattr(owner, name, noted)
    return seen
