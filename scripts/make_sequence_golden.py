"""Make tests/sequences: sequences of residues, and their layers by the reference of the tests in float64.

The weights are those of tests/tiny; the options have the form in which bilm-tf trains and SeqVec was published.
Run from the repository's root by `python -m scripts.make_sequence_golden`; the result is committed, and changes
only when this script does.
"""

import json
from pathlib import Path

import numpy as np

from tests import reference

TESTS = Path(__file__).parent.parent / "tests"
FOLDER = TESTS / "sequences"
# What a trainer has beside the sizes, with the numbers of no published model.
TRAINING = {
    "bidirectional": True,
    "dropout": 0.1,
    "all_clip_norm_val": 10.0,
    "n_epochs": 2,
    "n_train_tokens": 1000000,
    "batch_size": 16,
    "n_tokens_vocab": 28,
    "unroll_steps": 20,
    "n_negative_samples_batch": 24,
}
ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
# The rare and the ambiguous residues are among them, and a sequence of one residue.
LENGTHS = {"sp|T00001|ONE_TEST": 31, "T00002/3-9": 7, "6TST:A": 1, "T00003": 53}
RARE = "UOBZX"


def main() -> None:
    random = np.random.default_rng(20190613)
    options = {**json.loads((TESTS / "tiny" / "options.json").read_text("utf-8")), **TRAINING}
    arrays = reference.read_hdf5(TESTS / "tiny" / "weights.hdf5")
    lines, expected = [], {}
    for number, (name, length) in enumerate(LENGTHS.items()):
        residues = "".join(random.choice([*ALPHABET], length))
        residues = residues if number else RARE + residues[len(RARE) :]
        lines += [f">{name} a sequence of the tests", *(residues[k : k + 20] for k in range(0, length, 20))]
        expected[f"s{number}"] = reference.layers([*residues], options, arrays)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "options.json").write_text(json.dumps(options) + "\n", "utf-8")
    (FOLDER / "proteins.fasta").write_text("\n".join(lines) + "\n", "utf-8")
    np.savez_compressed(FOLDER / "expected.npz", **expected)


if __name__ == "__main__":
    main()
