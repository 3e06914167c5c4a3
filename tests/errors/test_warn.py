"""Warnings of readers can be heard without touching the process's filters."""

import threading
import warnings

import pytest

from spacy_elmo.errors.warn import collect_warnings, warn


def test_collect() -> None:
    with pytest.warns(UserWarning, match="aloud") as given:
        warn("aloud", stacklevel=1)
    assert given[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with collect_warnings() as outer:
            warn("one")
            with collect_warnings() as inner:
                warn("two")
            warn("three")
        assert (outer, inner) == (["one", "three"], ["two"])
        with pytest.raises(UserWarning, match="aloud"):
            warn("aloud")


def test_threads() -> None:
    before = list(warnings.filters)
    heard = []
    turn = threading.Barrier(2)

    def listen(name: str) -> None:
        turn.wait()
        with collect_warnings() as own:
            turn.wait()
            warn(name)
            # One leaves while the other is still inside.
            turn.wait()
            assert warnings.filters == before
        turn.wait()
        heard.append((name, own))

    threads = [threading.Thread(target=listen, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(heard) == [("a", ["a"]), ("b", ["b"])]
    assert warnings.filters == before
