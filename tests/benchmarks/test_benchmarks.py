"""The parts of the benchmark that decide what its tables say; the runs themselves take minutes."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import spacy_elmo
from benchmarks import peers, report, startup
from benchmarks.ceiling import ceilings
from benchmarks.compare import distances
from benchmarks.model import OPTIONS, lstm_flops
from benchmarks.peers import PEERS, environment, find_python
from benchmarks.senses import Use, count, read_uses
from tests.data import ORIGINAL, ROOT, read_npz


def test_the_model_is_the_published_one() -> None:
    assert OPTIONS == ORIGINAL
    # Two directions, two layers: 1024 x 16384 and 4096 x 512 weights, a product and a sum each.
    assert lstm_flops() == 2 * 2 * 2 * (1024 * 16384 + 4096 * 512)


def test_ratios_are_those_of_a_round() -> None:
    assert report.ratios([10.0, 30.0], [5.0, 10.0]) == [2.0, 3.0]
    assert report.spread([3.0, 1.0, 2.0]) == "1.00 / 2.00 / 3.00"


def test_distances() -> None:
    one = [np.array([[[1.0, 0.0], [0.0, 2.0]]])]
    other = [np.array([[[1.0, 0.0], [2.0, 0.0]]])]
    assert distances(one, one) == {"max abs": [0.0], "min cosine": [1.0], "mean cosine": [1.0]}
    assert distances(one, other) == {"max abs": [2.0], "min cosine": [0.0], "mean cosine": [0.5]}


def test_a_peer_without_its_python_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "find_python", lambda version: None)
    assert environment(PEERS[0], tmp_path) is None
    assert find_python("2.0") is None


def test_a_program_in_its_process(tiny: Path, tmp_path: Path) -> None:
    process = peers.ours("fp32", model=str(tiny), threads=1, largest_batch=8)
    try:
        assert process.about["torch"]
        sentences = [["Hello", "world"], ["A", "b", "c"]]
        assert process.tokens_per_second(sentences, 1, save=tmp_path / "out.npz") > 0
        arrays = read_npz(tmp_path / "out.npz")
        for i, output in enumerate(spacy_elmo.load(tiny).embed(sentences)):
            np.testing.assert_allclose(arrays[f"s{i}"], output.stack(), atol=1e-5)
    finally:
        process.stop()


def test_a_program_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)spacy_elmo fp32 stopped without an answer.*EL010"):
        peers.ours("fp32", model=str(tmp_path / "nowhere"), threads=1, largest_batch=8)


def test_worker_that_ends_early_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "WORKERS", tmp_path)
    (tmp_path / "worker.py").write_text("print('{}', flush=True)\nraise SystemExit('out of paper')", "utf-8")
    process = peers.Process("a program", Path(sys.executable), worker="worker.py")
    process._process.wait()
    with pytest.raises(RuntimeError, match=r"(?s)a program stopped without an answer.*out of paper"):
        process.ask({"batches": 1})


def test_senses() -> None:
    """Two uses of each sense, whose vectors agree with the senses, and with none of them."""
    uses = [Use("bank", sense, ["the", "bank"]) for sense in "1122"]
    other = np.array([-1.0, -1.0])
    right = [np.stack([other, np.array(v)]) for v in ([1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0])]
    assert count(uses, right) == {"bank": 4}
    crossed = [right[0], right[2], right[1], right[3]]
    assert count(uses, crossed) == {"bank": 0}
    assert len(read_uses()) == 52


@pytest.mark.slow
def test_ceilings() -> None:
    found = ceilings(1)
    assert found["fp32 GFLOP/s"] > 1
    assert found["reading GB/s"] > 0.1


def test_published_results_can_be_shown() -> None:
    paths = list((ROOT / "benchmarks" / "results").glob("*.json"))
    assert paths
    for path in paths:
        results: dict[str, Any] = json.loads(path.read_text("utf-8"))
        text = io.StringIO()
        report.show(results, Console(file=text, width=200))
        assert ("spacy_elmo fp32" in text.getvalue()) == ("rounds" in results)
        assert ("nlp.pipe over raw text" in text.getvalue()) == ("own" in results)


def test_what_a_process_takes() -> None:
    """Not what the process that starts it has taken."""
    spent = startup.measure(n_rounds=2, steps={"small": ["-c", "pass"], "large": ["-c", "bytearray(2**26)"]})
    small, large = spent["small"], spent["large"]
    assert len(small) == len(large) == 2
    assert all(0 < one.seconds < 60 for one in [*small, *large])
    assert max(one.mib for one in small) < 50
    assert min(one.mib for one in large) > 64
    assert startup.as_table({"small": [one._asdict() for one in small]}).row_count == 1
    with pytest.raises(RuntimeError, match="exit status 3"):
        startup.run(["-c", "raise SystemExit(3)"])


@pytest.mark.slow
def test_as_if_the_package_were_not_installed() -> None:
    code = "import sys; print(any(name.startswith('spacy_elmo') for name in sys.modules))"
    for prefix, expected in (("", "True"), (startup.WITHOUT_PLUGIN, "False")):
        command = [sys.executable, "-c", prefix + startup.BLANK + code]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == expected
