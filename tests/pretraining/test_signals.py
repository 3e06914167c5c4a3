import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from spacy_elmo.pretraining.signals import StopSignals

SIGNALS = [signal.SIGTERM, signal.SIGINT]


class CameError(Exception):
    pass


@pytest.fixture
def before() -> Iterator[list[int]]:
    """Set handlers, and return the signals that they receive."""
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise CameError

    old = {number: signal.signal(number, handle) for number in SIGNALS}
    yield came
    for number, handler in old.items():
        signal.signal(number, handler)


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in SIGNALS]


def send(number: int) -> None:
    signal.raise_signal(number)


@pytest.mark.parametrize("first", SIGNALS)
@pytest.mark.parametrize("second", SIGNALS)
def test_first_and_second_signal(before: list[int], first: int, second: int) -> None:
    old = handlers()
    with StopSignals() as signals:
        assert not signals.received
        assert set(handlers()).isdisjoint(old)
        send(first)
        assert signals.received
        assert before == []
        assert handlers() == old
        with pytest.raises(CameError):
            send(second)
    assert before == [second]
    assert handlers() == old


def test_restored_handlers(before: list[int]) -> None:
    old = handlers()
    with StopSignals() as signals:
        pass
    assert not signals.received
    assert handlers() == old
    with pytest.raises(ValueError, match="wrong"), StopSignals():
        raise ValueError("wrong")
    assert handlers() == old
    with pytest.raises(CameError):
        send(signal.SIGTERM)
    assert before == [signal.SIGTERM]


def test_default_and_ignored_signals() -> None:
    old = handlers()
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with StopSignals() as signals:
            send(signal.SIGINT)
            assert signals.received
        assert handlers() == [signal.SIG_DFL, signal.SIG_IGN]
    finally:
        for number, handler in zip(SIGNALS, old):
            signal.signal(number, handler)


def test_used_twice(before: list[int]) -> None:
    old = handlers()
    for _ in range(2):
        with StopSignals() as signals:
            send(signal.SIGTERM)
            assert signals.received
        assert handlers() == old
    assert before == []


def test_another_thread(before: list[int]) -> None:
    """Python sets and calls handlers only in the main thread."""
    old = handlers()
    seen: list[Any] = []

    def work() -> None:
        with StopSignals() as signals:
            seen.append(signals.received)
            seen.append(handlers() == old)
        seen.append(signals.received)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, True, False]
    assert handlers() == old
