import os
from typing import List

import pytest
import torch

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.engine import threads


def test_a_forked_process_uses_one_thread(elmo: Elmo, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: List[int] = []
    monkeypatch.setattr(torch, "set_num_threads", calls.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    elmo.embed([["a"]])
    assert calls == []
    # What a fork changes, as the module sees it.
    for work in (lambda: elmo.embed([["a"]]), lambda: spacy_elmo.load(tiny)):
        monkeypatch.setattr(threads, "_process", os.getpid() - 1)
        calls.clear()
        work()
        work()
        assert calls == [1]
