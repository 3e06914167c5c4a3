"""Vectors that are not finite are not given without a word."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.elmo import Elmo, Settings
from spacy_elmo.errors.warn import OnceWarner
from spacy_elmo.inference.finite import FiniteCheck
from spacy_elmo.weights.source import read_weights

HUGE = 3e38


def make_broken(tiny: Path, name: str, value: float, **settings: Any) -> Elmo:
    weights = read_weights(tiny)
    weights.arrays[name] = np.full_like(weights.arrays[name], value)
    return Elmo.from_weights(weights, device=torch.device("cpu"), settings=Settings(**settings))


@pytest.mark.parametrize("way", ["torch", "plain"], indirect=True)
@pytest.mark.parametrize("layers", ["*", ["word_emb"], ["elmo"]])
def test_huge_weights(tiny: Path, way: str, layers: Any) -> None:
    elmo = make_broken(tiny, "char_encoder.projection.weight", HUGE)
    with pytest.warns(
        UserWarning, match=r"WL045.*3e\+38 in char_encoder.projection.weight, is far larger than training produces"
    ):
        output = elmo.embed([["a", "b"]], layers=layers)[0]
    assert not np.isfinite(output[output.names[-1]]).all()
    # Once.
    elmo.embed([["a", "b"]], layers=layers)
    list(elmo.stream([["c"]], layers=layers))


def test_a_huge_mix(tiny: Path) -> None:
    elmo = spacy_elmo.load(tiny)
    with torch.no_grad():
        elmo.mix.gamma.fill_(HUGE)
        elmo.mix.gamma.mul_(10)
    elmo.embed([["a"]], layers=["word_emb", "lstm_outputs2"])
    with pytest.warns(UserWarning, match=r"WL045.*layer 'elmo'.*not finite either, in .*gamma"):
        elmo.embed([["a"]])


def test_in_every_way_to_embed(tiny: Path) -> None:
    name = "forward_stack.layers.1.input_linear.weight"
    for call in (
        lambda elmo: elmo.embed([["a"]]),
        lambda elmo: list(elmo.stream([["a"]])),
        lambda elmo: elmo.submit([["a"]], layers=["lstm_outputs2"], then=dict).result(),
        lambda elmo: elmo("a"),
    ):
        elmo = make_broken(tiny, name, np.nan)
        with pytest.warns(UserWarning, match="WL045"):
            call(elmo)
    with pytest.warns(UserWarning, match="WL045"):
        make_broken(tiny, name, np.nan, initial_state="carry").embed([["a"]])
    # The layer below is right.
    make_broken(tiny, name, np.nan).embed([["a"]], layers=["lstm_outputs1"])


def test_large_numbers_are_finite() -> None:
    """Also where their sum is not."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check = FiniteCheck(OnceWarner(), source="x")
        check.add({"elmo": torch.full((100, 4), HUGE), "word_emb": torch.empty(0, 4)})
        check.report(dict)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_number_of_many(bad: float) -> None:
    layer = torch.randn(1000, 16)
    layer[531, 7] = bad
    check = FiniteCheck(OnceWarner(), source="x")
    check.add({"elmo": layer})
    with pytest.warns(UserWarning, match=r"WL045.*'elmo' of 'x'"):
        check.report(lambda: {"w": np.ones(2)})


class Event:
    """Of a GPU: says whether what was asked for has arrived."""

    arrived = False

    def query(self) -> bool:
        return self.arrived


def test_answers_that_come_later() -> None:
    check, event = FiniteCheck(OnceWarner(), source="x"), Event()
    for name, value in (("word_emb", 1.0), ("elmo", np.nan)):
        check.pending.append((name, torch.full((2,), value), event))  # type: ignore[arg-type]
    check.report(dict)
    assert len(check.pending) == 2
    event.arrived = True
    with pytest.warns(UserWarning, match="WL045.*layer 'elmo'"):
        check.report(lambda: {"w": np.ones(2)})
    assert not check.pending
