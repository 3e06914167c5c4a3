"""Speed beside other work: what starts and ends that work, and what the tables say."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

import spacy_elmo
from benchmarks import busy as beside
from benchmarks import products, quota, small
from benchmarks.load import busy
from benchmarks.model import OPTIONS, SMALL_OPTIONS, lstm_flops, make_model
from benchmarks.peers import Process
from spacy_elmo.bilm.options import Options
from tests.data import ROOT, read_npz
from tests.platforms import KILL, affinity, proc

SENTENCES = [["Hello", "world"], ["A", "b", "c"]]
NO_GROUPS = Path("/nowhere")


def join_text(*things: Any) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        for thing in things:
            console.print(thing)
    return capture.get()


def read_seconds(pid: int) -> float:
    """That a process has worked."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ends(pid: int) -> bool:
    """Whether a process is no longer there, or soon will not be."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@proc
def test_one_thread_each() -> None:
    with busy(2) as pids:
        assert len(pids) == 2
        before = [read_seconds(pid) for pid in pids]
        start = time.perf_counter()
        time.sleep(0.5)
        passed = time.perf_counter() - start
        spent = [read_seconds(pid) - first for pid, first in zip(pids, before)]
        assert all(0 < one < 1.2 * passed + 0.05 for one in spent)
    assert all(ends(pid) for pid in pids)
    with busy(0) as pids:
        assert pids == []


@proc
def test_busy_processes_end_after_an_error() -> None:
    with pytest.raises(KeyboardInterrupt), busy(1) as pids:
        raise KeyboardInterrupt
    assert all(ends(pid) for pid in pids)


@proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, KILL])
def test_busy_processes_end_with_who_started_them(number: int) -> None:
    code = (
        # What runs in a shell's background ignores it.
        "import signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from benchmarks.load import busy\n"
        "with busy(2) as pids:\n    print(*pids, flush=True)\n    time.sleep(60)"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(pids) == 2
        process.send_signal(number)
        assert process.wait(timeout=30) != 0
    ended = [ends(pid) for pid in pids]
    for pid, has_ended in zip(pids, ended):
        # A test that fails must leave the machine quiet, too.
        if not has_ended:
            os.kill(pid, KILL)
    assert all(ended)


def test_a_turn_lasts_long_enough() -> None:
    class Answers:
        n = 0

        def answer_to(self, request: dict[str, Any]) -> dict[str, Any]:
            self.n += 1
            return {"tokens": 6, "seconds": 0.5 if self.n == 1 else 1.0}

    answers: Any = Answers()
    assert beside.Program("one", answers, {}).rate(1.2) == 12 / 1.5
    assert answers.n == 2
    assert beside.Program("one", answers, {}).rate(0) == 6.0


@pytest.mark.slow
def test_one_round_beside_others(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack:
        programs = {
            **beside.embedding(stack, tiny, SENTENCES, None),
            "pipe": beside.piping(stack, tiny, SENTENCES),
            **beside.updating(stack, tiny, SENTENCES),
        }
        rates = beside.measure(programs, levels=[0, 1], n_rounds=1, seconds=0)
    assert set(rates) == {"embed", "one sentence", "pipe", "update", "update by one Doc"}
    for found in rates.values():
        assert set(found) == {beside.DEFAULTS, beside.ONE_THREAD}
        assert all(len(rate) == 1 and rate[0] > 0 for levels in found.values() for rate in levels.values())
    seconds = beside.together(tiny, SENTENCES, n_rounds=2)
    assert all(len(one) == 2 and min(one) > 0 for one in seconds.values())


def test_ratios_beside_others() -> None:
    rates = {
        "embed": {
            beside.DEFAULTS: {"0": [80.0, 80.0], "2": [40.0, 60.0]},
            beside.ONE_THREAD: {"0": [40.0, 40.0], "2": [40.0, 40.0]},
            beside.PEER: {"0": [10.0, 10.0], "2": [5.0, 5.0]},
        }
    }
    rows = [
        line.split("│")[1:-1] for line in join_text(beside.as_table("en_sm", rates)).splitlines() if "│" in line
    ]
    cells = {(row[1].strip(), row[2].strip()): [cell.strip() for cell in row[3:]] for row in rows}
    assert cells["0", "spacy_elmo"] == ["80", "", "2.00 / 2.00 / 2.00", "8.00 / 8.00 / 8.00"]
    assert cells["2", "spacy_elmo"] == ["50", "0.50 / 0.62 / 0.75", "1.00 / 1.25 / 1.50", "8.00 / 10.00 / 12.00"]
    assert cells["2", "one thread"] == ["40", "1.00 / 1.00 / 1.00", "", "8.00 / 8.00 / 8.00"]
    assert cells["2", "simple_elmo"] == ["5", "0.50 / 0.50 / 0.50", "", ""]


@affinity
def test_a_limit_by_affinity() -> None:
    before = os.sched_getaffinity(0)
    command = [sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"]
    with quota.limited(1, NO_GROUPS) as how:
        assert how == "affinity"
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "1"
    assert os.sched_getaffinity(0) == before
    with pytest.raises(KeyError), quota.limited(1, NO_GROUPS):
        raise KeyError
    assert os.sched_getaffinity(0) == before


@affinity
def test_a_limit_of_this_machine() -> None:
    """A new process sees it, by a control group or by affinity, and this one is as before."""
    before = Path("/proc/self/cgroup").read_text("utf-8"), os.sched_getaffinity(0)
    with quota.limited(1):
        code = "from spacy_elmo.runtime.processors import count_processors; print(count_processors())"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "1"
    assert (Path("/proc/self/cgroup").read_text("utf-8"), os.sched_getaffinity(0)) == before
    name = f"spacy_elmo-{os.getpid()}"
    assert not any((folder / name).exists() for folder in (quota.GROUPS, quota.GROUPS / "cpu"))


@affinity
@pytest.mark.parametrize("is_v2", [True, False])
def test_a_group_that_cannot_have_a_limit_is_left(tmp_path: Path, is_v2: bool) -> None:
    """As where the system lets a folder be made, but nothing be written there."""
    top = tmp_path if is_v2 else tmp_path / "cpu"
    top.mkdir(exist_ok=True)
    if is_v2:
        (tmp_path / "cgroup.controllers").touch()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_text", lambda *given, **named: exec("raise PermissionError"))
        with quota.limited(1, tmp_path) as how:
            assert how == "affinity"
    assert not [path for path in top.iterdir() if path.is_dir()]


def test_a_pipeline_in_its_process(tiny: Path, tmp_path: Path) -> None:
    process = Process("one", worker="run_pipe.py", pipeline="elmo", model=str(tiny), n_threads=1, layers=[])
    expected = spacy_elmo.load(tiny).embed(SENTENCES)
    try:
        for batch_size in (1, 2):
            path = tmp_path / f"{batch_size}.npz"
            process.tokens_per_second(SENTENCES, batch_size, save=path)
            arrays = read_npz(path)
            for i, output in enumerate(expected):
                np.testing.assert_allclose(arrays[f"s{i}"], output.elmo, atol=1e-5)
    finally:
        process.stop()


def test_the_tok2vec_of_the_recipe(tmp_path: Path) -> None:
    process = Process(small.TOK2VEC, worker="run_pipe.py", pipeline="tok2vec")
    try:
        process.tokens_per_second(SENTENCES, 2, save=tmp_path / "out.npz")
    finally:
        process.stop()
    arrays = read_npz(tmp_path / "out.npz")
    assert [arrays[f"s{i}"].shape for i in range(2)] == [(2, 96), (3, 96)]


def test_sizes_of_the_bundled_model(tmp_path: Path) -> None:
    options = spacy_elmo.load("en_sm").options
    assert options.lstm == Options.from_dict(SMALL_OPTIONS).lstm
    # Options of a training do not count the mask; the arrays are the same.
    characters = replace(Options.from_dict(SMALL_OPTIONS).char_cnn, n_characters=261)
    assert replace(options.char_cnn, n_characters=261) == characters
    # Two directions, two layers: 256 x 4096 and 1024 x 128 weights, a product and a sum each.
    assert lstm_flops(SMALL_OPTIONS) == 2 * 2 * 2 * (256 * 4096 + 1024 * 128)
    assert lstm_flops() == lstm_flops(OPTIONS) > 10 * lstm_flops(SMALL_OPTIONS)
    model = make_model(tmp_path / "model", SMALL_OPTIONS)
    assert spacy_elmo.load(model).embed(SENTENCES)[0].elmo.shape == (2, 256)


def test_table_of_the_bundled_model() -> None:
    assert len(small.SENTENCE) == 20
    found = {
        "lengths": {
            "2000": [9.0],
            "20000": [10.0],
            small.SHORT_PRODUCTS: [7.0],
            small.LONG_PRODUCTS: [10.0],
        },
        "pipe": {small.DEFAULTS: [1.0], small.TENSOR_ONLY: [2.0], small.TOK2VEC: [4.0]},
        "one call": {small.DEFAULTS: [0.002], small.ONE_THREAD: [0.004], small.PRODUCTS: [0.003]},
    }
    text = join_text(small.as_table(found))
    for ratio in ("0.90 / ", "0.70 / ", "0.25 / ", "0.50 / ", "2.00 / ", "4.00 / ", "3.00 / "):
        assert ratio in text


def test_products_of_all_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def add_product(kind: str, x: torch.Tensor, weights: Any, other: Any) -> None:
        seen.append(len(x))

    monkeypatch.setattr(products, "add_product", add_product)
    # More than one batch holds.
    sentences = [["a", "b", "c"]] * 2000
    own = products.Products(SMALL_OPTIONS, sentences)
    assert own.seconds() > 0
    # Two directions and two layers, with a product of the state and a projection each.
    assert sum(seen) == 2 * 2 * 2 * 6000
