"""The benchmark of sequences, on a small model: what it writes is FASTA, and what it counts are residues."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import sequences
from spacy_elmo.bilm.options import Options
from spacy_elmo.cli.embedding import order
from spacy_elmo.inputs.reader import Inputs
from tests.data import ORIGINAL


def test_the_model_has_the_sizes_of_the_paper() -> None:
    options = Options.from_dict(sequences.SEQVEC)
    assert options.lstm == Options.from_dict(ORIGINAL).lstm
    assert options.training["n_tokens_vocab"] == 28


def test_lengths(tmp_path: Path) -> None:
    lengths = sequences.make_lengths(300)
    assert sequences.LEAST <= min(lengths) < 100 < 1000 < max(lengths) <= sequences.MOST
    path = sequences.write_fasta(tmp_path / "a.fasta", lengths[:20])
    assert [len(sequence.tokens) for sequence in Inputs(path).read()] == lengths[:20]


@pytest.mark.filterwarnings("error")
def test_ways(tiny: Path) -> None:
    held = order.HELD_BYTES
    found = sequences.measure_many(tiny, "fp32", [50, 3, 20], n_rounds=2)
    assert held == order.HELD_BYTES
    assert (found["n_sequences"], found["n_residues"], found["longest"]) == (3, 73, 50)
    assert {name: len(rates["wall"]) for name, rates in found["ways"].items()} == dict.fromkeys(sequences.WAYS, 2)
    json.dumps(found)
    single = [
        {"length": n, "vectors_mib": 1.0 * n, "seconds": 1.0, "mib": 100.0 + 5 * n} for n in sequences.LENGTHS
    ]
    out = io.StringIO()
    console = Console(file=out, width=120)
    console.print(sequences.show_many(found))
    console.print(sequences.show_single(single))
    # More by 5 MiB a residue, less those of the first.
    assert "35,000" in out.getvalue()
    assert f"{5 * (35_000 - 10) / 35_000:.1f}" in out.getvalue()
