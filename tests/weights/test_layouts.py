"""Every kind of model in every kind of archive, by every ending that such archives are published under."""

import bz2
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.weights.source import read_weights
from tests.data import ROOT, TINY, shared_path
from tests.word_models import write_model

ENDINGS = {
    ".zip": "",
    ".tar": "w:",
    ".tar.gz": "w:gz",
    ".tgz": "w:gz",
    ".tar.bz2": "w:bz2",
    ".tbz2": "w:bz2",
    ".tar.xz": "w:xz",
    ".txz": "w:xz",
    # As a download without a name of its own.
    "": "w:bz2",
}
TENSORFLOW: Any = pytest.mark.needs("tensorflow")
KINDS = [
    "pair",
    "bio_embeddings",
    "ratsgo",
    "own",
    "allennlp",
    "state",
    "characters",
    "characters and words",
    "words",
    pytest.param("checkpoint", marks=TENSORFLOW),
    pytest.param("DeepPavlov", marks=TENSORFLOW),
    pytest.param("TF Hub", marks=TENSORFLOW),
    pytest.param("Spark NLP", marks=TENSORFLOW),
]


def copy_pair(folder: Path, options: str, weights: str) -> None:
    folder.mkdir()
    shutil.copy(TINY / "options.json", folder / options)
    shutil.copy(TINY / "weights.hdf5", folder / weights)


def make(kind: str, folder: Path) -> Path:
    parity = {
        "characters": "manylangs/char",
        "characters and words": "manylangs/word_char",
        "checkpoint": "tf_checkpoint",
        "TF Hub": "tf_checkpoint/tfhub",
        "Spark NLP": "tf_checkpoint/sparknlp",
    }
    if kind in parity:
        others = (
            shutil.ignore_patterns("*.npz", "one_layer", "sharded", "spark*", "tfhub") if "ch" in kind else None
        )
        shutil.copytree(shared_path(f"parity/{parity[kind]}"), folder, ignore=others)
    elif kind == "DeepPavlov":
        make("checkpoint", folder)
        (folder / "checkpoint").unlink()
        (folder / "saves").mkdir()
        for path in folder.glob("model.ckpt-123456.*"):
            path.rename(folder / "saves" / path.name.replace(".ckpt-123456", ""))
    elif kind == "pair":
        copy_pair(folder, "elmo_2x24_options.json", "elmo_2x24_weights.hdf5")
    elif kind == "bio_embeddings":
        copy_pair(folder, "options_file", "weights_file")
    elif kind == "ratsgo":
        copy_pair(folder, "options.json", "elmo.model")
        (folder / "elmo-vocab.txt").write_text("<S>\n</S>\n<UNK>\n", "utf-8")
    elif kind == "own":
        spacy_elmo.load(TINY).save(folder)
    elif kind == "allennlp":
        shutil.unpack_archive(ROOT / "tests/allennlp/model.tar.gz", folder, filter="data")
    elif kind == "state":
        folder.mkdir()
        shutil.copy(ROOT / "tests/allennlp/two_mixes/weights.th", folder / "pytorch_model.bin")
        shutil.copy(TINY / "options.json", folder)
    else:
        write_model(folder)
    return folder


def pack(folder: Path, path: Path, mode: str, top: str) -> Path:
    if mode:
        with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
            archive.add(folder, arcname=top or ".")
        return path
    with zipfile.ZipFile(path, "w") as packed:
        for file in folder.rglob("*"):
            packed.write(file, Path(top, file.relative_to(folder)))
    return path


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(request.param, tmp_path_factory.mktemp("model") / "zhs.model")


@pytest.mark.parametrize("ending", ENDINGS)
def test_archives(model: Path, tmp_path: Path, ending: str) -> None:
    """With the files at the top, and in a folder of the model's name."""
    expected = read_weights(model)
    for top in ("", model.name):
        archive = pack(model, tmp_path / f"{top}archive{ending}", ENDINGS[ending], top)
        found = read_weights(archive)
        assert found.options == expected.options
        assert found.arrays.keys() == expected.arrays.keys()
        assert all(np.array_equal(found.arrays[name], array) for name, array in expected.arrays.items())
        assert found.source == str(archive)
    # As the only file of a folder, too.
    (tmp_path / "alone").mkdir()
    archive.rename(tmp_path / "alone" / archive.name)
    assert read_weights(tmp_path / "alone").options == expected.options


def test_one_compressed_file(tmp_path: Path) -> None:
    """Not an archive; the message says how to unpack it."""
    path = tmp_path / "weights.hdf5.bz2"
    path.write_bytes(bz2.compress((TINY / "weights.hdf5").read_bytes()))
    shutil.copy(TINY / "options.json", tmp_path)
    for source in (path, tmp_path):
        with pytest.raises(ValueError, match=r"EL258.*compressed \(bzip2\).*bunzip2 .*weights.hdf5.bz2"):
            read_weights(source)


def test_state_of_no_elmo(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "weights.th")
    archive = shutil.make_archive(str(tmp_path.parent / "state"), "bztar", tmp_path)
    for source in (tmp_path, archive, tmp_path / "weights.th"):
        with pytest.raises(ValueError, match=r"EL163.*weights.th' contains no ELMo that can be run"):
            read_weights(source)
