from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.build import build_bilm, build_parts
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.inference.cpu import engine, input_gates
from spacy_elmo.inference.cpu.engine import CpuEngine
from spacy_elmo.inference.cpu.input_gates import Inputs
from spacy_elmo.inference.cpu.input_gates import input_gates as compute_gates
from spacy_elmo.inference.cpu.linear import TorchLinear
from spacy_elmo.inference.factory import choose_encoder_linear, choose_lstm_linear
from spacy_elmo.inference.reference import ReferenceEngine
from spacy_elmo.inference.schedule import Schedule
from spacy_elmo.inference.word_table import WordTable
from spacy_elmo.weights.source import read_weights
from tests.data import TINY

SENTENCES = st.lists(st.lists(st.sampled_from(["the", "cat", "sat", ".", "What", "?"]), max_size=9), max_size=30)
STATE = [LSTMState(torch.randn(2, 2, 8), torch.randn(2, 2, 24))]


def read_bilm(source: Path = TINY) -> BiLM:
    weights = read_weights(source)
    return build_bilm(weights.options, build_parts(weights.options, weights.arrays).bilm)


def make_engine(
    source: Path = TINY, *, initial_state: LSTMState | None = None, n_threads: int | None = None
) -> CpuEngine:
    weights = read_weights(source)
    return CpuEngine(
        options=weights.options,
        tensors=build_parts(weights.options, weights.arrays).bilm,
        encoder_linear=choose_encoder_linear(),
        lstm_linear=choose_lstm_linear("fp32"),
        initial_state=initial_state,
        n_threads=n_threads,
    )


def assert_close(got: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    assert len(got) == len(expected)
    for one, other in zip(got, expected):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=0)


@settings(deadline=None, max_examples=40)
@given(SENTENCES, st.integers(0, 2), st.sampled_from([1, 3, 128]), st.sampled_from([None, *STATE]))
def test_equal_to_the_plain_engine(
    sentences: list[list[str]], n_layers: int, most_rows: int, initial_state: LSTMState | None
) -> None:
    """The opening step from its stored state, the closing step left out: the same outputs."""
    plain = ReferenceEngine(bilm=read_bilm(), initial_state=initial_state)
    expected = plain.run(sentences, n_layers=n_layers, state=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "MOST_ROWS", most_rows)
        patch.setattr(input_gates, "KEPT_STEP", 2)
        got = make_engine(initial_state=initial_state).run(sentences, n_layers=n_layers, state=None)
    assert_close([got.word_emb, *got.lstm], [expected.word_emb, *expected.lstm])
    assert got.state is None


@settings(deadline=None, max_examples=40)
@given(SENTENCES.filter(len))
def test_a_given_state_is_carried_on(sentences: list[list[str]]) -> None:
    n = len(sentences)
    start = LSTMState(torch.randn(2, 2, n, 8), torch.randn(2, 2, n, 24))
    expected = ReferenceEngine(bilm=read_bilm()).run(sentences, n_layers=2, state=start)
    got = make_engine().run(sentences, n_layers=2, state=start)
    assert_close([got.word_emb, *got.lstm], [expected.word_emb, *expected.lstm])
    assert got.state is not None
    assert expected.state is not None
    assert_close(list(got.state), list(expected.state))


@pytest.mark.parametrize(
    "name", ["bilm/base", "bilm/realistic", "bilm_tf_only/no_projection", "bilm_tf_only/no_clip"]
)
def test_weights_come_back(parity: Path, name: str, way: str) -> None:
    if way == "plain":
        pytest.skip("the fast engine only")
    expected = read_bilm(parity / name).state_dict()
    got = make_engine(parity / name).named_tensors()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_tensors_are_taken_out(tiny: Path) -> None:
    weights = read_weights(tiny)
    tensors = build_parts(weights.options, weights.arrays).bilm
    CpuEngine(options=weights.options, tensors=tensors, encoder_linear=TorchLinear, lstm_linear=TorchLinear)
    assert tensors == {}


def test_same_bits_with_any_threads(sentences: list[list[str]]) -> None:
    before = torch.get_num_threads()
    outputs = []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            outputs.append(make_engine().run(sentences, n_layers=2, state=None).lstm)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, other) for got in outputs[1:] for one, other in zip(got, outputs[0], strict=True))


@pytest.mark.parametrize("name", ["bilm/base", "bilm/realistic", "bilm_tf_only/no_projection"])
def test_same_bits_with_two_threads_a_direction(parity: Path, name: str) -> None:
    """Whatever the number of rows: MKL divides the products of few rows in different ways."""
    engines = [make_engine(parity / name, n_threads=n) for n in (1, 4, 5)]
    for n_rows in (*range(1, 18), 31, 33, 127):
        sentences = [["the", "cat", "sat", "."]] * n_rows
        one, *others = [made.run(sentences, n_layers=2, state=None).lstm for made in engines]
        for other in others:
            assert all(map(torch.equal, one, other)), n_rows


def test_several_threads_at_a_time(sentences: list[list[str]]) -> None:
    """A server embeds for several users with one model."""
    engine = make_engine()
    engine._table = WordTable(engine._encoder.encode, width=8, capacity=20)
    alone = [make_engine().run([sentence], n_layers=2, state=None).lstm for sentence in sentences]
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda s: engine.run([s], n_layers=2, state=None).lstm, sentences * 5))
    for number, layers in enumerate(together):
        assert_close(layers, alone[number % len(sentences)])
    assert torch.get_num_threads() == threads


def test_a_failure_in_one_direction_is_seen(sentences: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    for direction in (0, 1):
        engine = make_engine()
        engine.run(sentences, n_layers=2, state=None)

        def fail(*args: object, **settings: object) -> None:
            raise RuntimeError("out of memory")

        monkeypatch.setattr(engine._stacks[direction], "run", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            engine.run(sentences, n_layers=2, state=None)
        assert torch.get_num_threads() == threads


@pytest.mark.parametrize("window", [1, 7, 96])
@pytest.mark.parametrize("kept", [0, 2, 1024])
def test_repeated_inputs_are_projected_once(monkeypatch: pytest.MonkeyPatch, window: int, kept: int) -> None:
    monkeypatch.setattr(input_gates, "WINDOW_ROWS", window)
    monkeypatch.setattr(input_gates, "MOST_TYPES", kept)
    monkeypatch.setattr(input_gates, "KEPT_STEP", 2)
    torch.manual_seed(0)
    schedule = Schedule([5, 9, 3, 3, 1, 7], most_rows=3)
    linear = TorchLinear(torch.randn(12, 4), torch.randn(12))
    rows = torch.randn(10, 4)
    numbers = torch.randint(0, 10, (schedule.n_tokens,))
    repeated = gates_by_row(compute_gates(linear, Inputs(rows, numbers), schedule.steps))
    every = gates_by_row(compute_gates(linear, Inputs(rows[numbers], None), schedule.steps))
    assert len(every) == schedule.n_tokens
    torch.testing.assert_close(repeated, every, atol=1e-6, rtol=0)


def gates_by_row(windows: Iterable[input_gates.Window]) -> torch.Tensor:
    """Of all packed rows."""
    return torch.cat([w.gates.clone() if w.slots is None else w.gates.index_select(0, w.slots) for w in windows])


def test_rows_of_a_window() -> None:
    schedule = Schedule([400, *[3] * 200], most_rows=128)
    found = list(input_gates.windows(schedule.steps, [step.size for step in schedule.steps]))
    assert [step for window in found for step in window] == schedule.steps
    assert all(len(w) == 1 or sum(step.size for step in w) <= input_gates.WINDOW_ROWS for w in found)
    assert any(len(w) > 1 for w in found)


def test_windows_bound_the_memory() -> None:
    """Projections never exist for all of a long text."""
    held = []

    class Spy(TorchLinear):
        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            held.append(len(x))
            return super().__call__(x)

    schedule = Schedule([5000])
    gates = input_gates.input_gates(Spy(torch.randn(12, 4)), Inputs(torch.randn(5000, 4), None), schedule.steps)
    for window in gates:
        assert window.gates.shape == (len(window.steps), 12)
    assert sum(held) == 5000
    assert max(held) == input_gates.WINDOW_ROWS
