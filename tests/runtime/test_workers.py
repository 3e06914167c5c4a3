import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

import spacy_elmo
from spacy_elmo.runtime import forks
from spacy_elmo.runtime import workers as module
from spacy_elmo.runtime.forks import register_tasks
from spacy_elmo.runtime.workers import Plan, Workers
from tests import platforms
from tests.data import TINY

SENTENCES = [["I", "love", "you", "."], ["a"], ["b"] * 30, ["c", "d"]]


def test_one_thread_a_part_and_one_follow_up() -> None:
    seen: list[int] = []
    Workers(2).map(str, range(9))
    future = Workers(2).start(Plan([lambda: seen.append(torch.get_num_threads())] * 6, lambda: len(seen)))
    assert future.result() == 6
    assert set(seen) == {1}


def test_surplus_threads_are_shared() -> None:
    def number(_: int) -> int:
        both.wait(10)
        return torch.get_num_threads()

    both = threading.Barrier(2)
    assert Workers(4).map(number, [0, 1]) == [2, 2]


def test_results_stand_in_order() -> None:
    assert Workers(3).map(lambda n: n * n, range(50)) == [n * n for n in range(50)]
    assert Workers(3).map(lambda n: n, []) == []


def test_one_thread_hands_nothing_over() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert Workers(None).map(lambda _: threading.get_ident(), [0, 1]) == [threading.get_ident()] * 2
    finally:
        torch.set_num_threads(before)


def test_parts_may_ask_for_parts() -> None:
    """They are done at once: a thread that waits for others of its kind may wait for ever."""
    workers = Workers(2)
    assert workers.map(lambda n: sum(workers.map(lambda k: k, range(n))), range(20)) == [
        n * (n - 1) // 2 for n in range(20)
    ]


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt()])
def test_an_error_of_a_part(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        Workers(2).start(Plan([lambda: None, fail, lambda: None], lambda: "never")).result()
    assert Workers(2).map(str, [1]) == ["1"]


def test_an_error_of_what_follows() -> None:
    with pytest.raises(ZeroDivisionError):
        Workers(2).start(Plan([lambda: None], lambda: 1 / 0)).result()


def test_cancelled_parts() -> None:
    may_go, done = threading.Event(), []

    def wait() -> None:
        may_go.wait(10)

    blocked = [Workers(2).start(Plan([wait], lambda: None)) for _ in range(2)]
    later = Workers(2).start(Plan([lambda: done.append(1)], lambda: done.append(2)))
    assert later.cancel()
    may_go.set()
    for future in blocked:
        future.result()
    assert Workers(2).map(str, [1]) == ["1"]
    assert done == []


def test_where_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoThreads(ThreadPoolExecutor):
        def submit(self, *args: Any, **kwargs: Any) -> Any:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(module, "ThreadPoolExecutor", NoThreads)
    monkeypatch.setattr(module, "_pools", {})
    assert Workers(2).map(str, [1, 2]) == ["1", "2"]


@pytest.mark.parametrize("n_threads", [2, 4])
@pytest.mark.parametrize("given", range(4))
def test_where_few_threads_can_be_had(given: int, n_threads: int) -> None:
    """A pool that gets no thread has queued the task before; to set a thread's threads takes another."""
    code = f"""
import threading, spacy_elmo
from spacy_elmo.runtime import forks
elmo = spacy_elmo.load({str(TINY)!r}, n_threads={n_threads})
elmo.budget.tokens = 16
sentences = {SENTENCES!r} * 10
start, left = threading.Thread.start, [None] * {given}
def limited(thread):
    if not left:
        raise RuntimeError("can't start new thread")
    left.pop()
    start(thread)
threading.Thread.start = limited
few = elmo.embed(sentences)
threading.Thread.start = start
for one, other in zip(few, elmo.embed(sentences), strict=True):
    assert (one.elmo == other.elmo).all()
assert not forks.process.n_tasks
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[2])


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals for a thread here")
def test_interrupt_waits_for_running_parts() -> None:
    """Parts of a training batch add to gradients: they must not do so when the next one has begun."""
    meeting, done = threading.Barrier(2), []
    main = threading.main_thread().ident or 0

    def part(number: int) -> None:
        meeting.wait(10)
        if number:
            time.sleep(0.1)
            signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.3)
        done.append(number)

    # What runs in a shell's background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Workers(2).map(part, range(2))
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(done) == [0, 1]


def test_queued_work_is_done_once() -> None:
    done: list[int] = []
    [task] = register_tasks([lambda: done.append(1)])
    task()
    task()
    assert done == [1]
    assert not forks.process.n_tasks


def test_eight_threads_at_once() -> None:
    elmo = spacy_elmo.load(TINY)
    expected = elmo.embed(SENTENCES)
    with ThreadPoolExecutor(8) as pool:
        for outputs in pool.map(lambda _: elmo.embed(SENTENCES), range(40)):
            for got, right in zip(outputs, expected, strict=True):
                assert (got.elmo == right.elmo).all()


def test_reader_that_stops_early() -> None:
    elmo = spacy_elmo.load(TINY)
    elmo.budget.tokens = 8
    stream: Any = elmo.stream(SENTENCES * 20)
    next(stream)
    stream.close()
    assert len(elmo.embed(SENTENCES)) == len(SENTENCES)


@platforms.forks
def test_a_fork_while_batches_are_under_way() -> None:
    """It waits for what has been handed over, in its own thread's name too; both go on afterwards."""
    code = f"""
import os, spacy_elmo
elmo = spacy_elmo.load({str(TINY)!r}, n_threads=2)
elmo.budget.tokens = 16
sentences = {SENTENCES!r} * 10
expected = [one.elmo for one in elmo.embed(sentences)]
stream = elmo.stream(sentences)
got = [next(stream).elmo]
child = os.fork()
got += [one.elmo for one in stream]
assert all((one == other).all() for one, other in zip(got, expected, strict=True))
assert all((one.elmo == other).all() for one, other in zip(elmo.embed(sentences), expected, strict=True))
if child:
    assert os.waitpid(child, 0)[1] == 0
else:
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, cwd=Path(__file__).parents[2])


def test_embed_at_exit() -> None:
    code = f"""
import atexit, spacy_elmo
elmo = spacy_elmo.load({str(TINY)!r}, n_threads=2)
elmo.embed([["a", "b"]])
atexit.register(lambda: print(len(elmo.embed([["a", "b"]])[0].elmo)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "2"
