"""When work is recorded and replayed; test_gpu.py has what a GPU makes of it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from spacy_elmo.gpu.training_graphs import Graphs


class Machine:
    """A GPU's part: recorded work is done when it is replayed, and not before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.recording: list[Any] = []
        self.fails = False
        machine = self

        class Recorded:
            def __init__(self) -> None:
                self.names: list[str] = []

            def replay(self) -> None:
                machine.log.append(f"replay {' '.join(self.names)}")

        @contextmanager
        def record(graph: Any, *, capture_error_mode: str) -> Iterator[None]:
            assert capture_error_mode == "thread_local"
            if machine.fails:
                raise RuntimeError("operation not permitted")
            machine.recording.append(graph)
            yield
            machine.recording.pop()

        monkeypatch.setattr(torch.cuda, "CUDAGraph", Recorded)
        monkeypatch.setattr(torch.cuda, "graph", record)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: "the stream")
        monkeypatch.setattr(torch.cuda, "set_stream", lambda stream: self.log.append(f"back to {stream}"))

    def work(self, name: str) -> Callable[[], None]:
        def act() -> None:
            if self.recording:
                self.recording[-1].names.append(name)
            else:
                self.log.append(name)

        return act

    def taken(self) -> list[str]:
        log, self.log = self.log, []
        return log


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_recorded_when_it_comes_again(machine: Machine) -> None:
    graphs = Graphs()
    for _ in range(4):
        graphs.run("a", 1, machine.work("one"))
    assert machine.taken() == ["one", *["replay one"] * 3]


def test_other_work_of_a_name_takes_its_place(machine: Machine) -> None:
    """Never what was recorded of another key."""
    graphs = Graphs()
    for key, name in [(1, "one"), (1, "one"), (2, "two"), (1, "one"), (2, "two"), (2, "two"), (2, "two")]:
        graphs.run("a", key, machine.work(name))
    assert machine.taken() == ["one", "replay one", "two", "one", "two", "replay two", "replay two"]


def test_names_are_apart(machine: Machine) -> None:
    graphs = Graphs()
    for _ in range(3):
        graphs.run("a", 1, machine.work("forward"))
        graphs.run("b", 1, machine.work("backward"))
    assert machine.taken() == ["forward", "backward", *["replay forward", "replay backward"] * 2]


def test_goes_on_without(machine: Machine) -> None:
    """Where recording fails: one warning for all, and the work is done all the same."""
    graphs = Graphs()
    graphs.run("a", 1, machine.work("one"))
    machine.fails = True
    with pytest.warns(UserWarning, match=r"\[WL016\].*operation not permitted.*update it"):
        graphs.run("a", 1, machine.work("one"))
    for _ in range(2):
        graphs.run("a", 1, machine.work("one"))
        graphs.run("b", 1, machine.work("two"))
    assert machine.taken() == ["one", "back to the stream", "one", "one", "two", "one", "two"]
