import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spacy_elmo.bilm.options import Options
from spacy_elmo.cli.info import format_facts, info
from spacy_elmo.elmo import Elmo
from spacy_elmo.errors import ElmoError
from spacy_elmo.weights.arrays import Weights
from spacy_elmo.weights.catalogue import BUNDLED_FOLDER, CATALOGUE
from spacy_elmo.weights.catalogue.citations import CITATIONS
from spacy_elmo.weights.formats.folder import read_checksum, write_folder
from tests.cli.command import run
from tests.data import ORIGINAL
from tests.language_models import adaptive_softmax, full_softmax, write_source


def test_text(tiny: Path) -> None:
    out = run("info", tiny).stdout
    for words in (
        "format                    HDF5",
        "parameters                9,552",
        "LSTM layers               2 in each direction, skip connections: yes",
        "clips (cell, projection)  3, 1.5",
        "layer widths              word_emb 8, all others 16",
        "4 of width 1, 6 of width 2, 10 of width 3",
        "none stored",
        "forward_stack.layers.0.input_linear.weight",
    ):
        assert words in out


def test_json_with_everything(tmp_path: Path, elmo: Elmo, tiny: Path) -> None:
    arrays = elmo.named_arrays()
    arrays["scalar_mix.weights"] = np.log(np.array([1, 1, 2], dtype=np.float32))
    arrays["initial_state.hidden"] = np.zeros((2, 2, 8), np.float32)
    arrays["initial_state.cell"] = np.zeros((2, 2, 24), np.float32)
    write_folder(tmp_path, elmo.options, arrays)
    facts = json.loads(run("info", tmp_path / "options.json", tmp_path / "weights.safetensors", "--json").stdout)
    assert facts["format"] == "safetensors"
    assert facts["n_parameters"] == info(tiny)["n_parameters"] == 9552
    assert facts["scalar_mix"] == {"shares": [0.25, 0.25, 0.5], "gamma": 1.0}
    assert facts["warm_state"] is True
    assert facts["arrays"]["initial_state.cell"] == ["float32", [2, 2, 24]]
    assert "shares [0.25, 0.25, 0.5], gamma 1.0" in run("info", tmp_path).stdout


def test_softmax(tmp_path: Path, tiny: Path) -> None:
    facts = info(write_source(tmp_path / "a", full_softmax(n_words=22)))
    assert facts["softmax"] == {"kind": "full", "n_words": 22, "cutoffs": []}
    assert facts["n_parameters"] == 9552
    adaptive = write_source(tmp_path / "b", adaptive_softmax(head=1000, tails=[(5, 200), (1, 90)]))
    assert json.loads(run("info", adaptive, "--json").stdout)["softmax"] == {
        "kind": "adaptive", "n_words": 1290, "cutoffs": [1000, 1200],
    }  # fmt: skip
    assert "softmax                   adaptive, 1,290 words" in format_facts(info(adaptive))
    assert info(tiny)["softmax"] is None
    assert "softmax                   none: predicts no words" in format_facts(info(tiny))


def test_parameters_of_published_models() -> None:
    """93.6 million in the original model (AllenNLP's table); the weights file of the small one has 54,402,456
    bytes, of which HDF5 needs a few for itself."""

    def count(options: dict[str, Any]) -> int:
        return Weights(options=Options.from_dict(options), arrays={}, source="", format="").n_parameters

    assert round(count(ORIGINAL) / 1e6, 1) == 93.6
    small = copy.deepcopy(ORIGINAL)
    small["lstm"].update(dim=1024, projection_dim=128)
    small["char_cnn"].update(n_highway=1)
    assert 0 < 54_402_456 - 4 * count(small) < 30_000


@pytest.mark.parametrize(("source", "code"), [("nowhere", "EL010"), ("malaya", "EL320")])
def test_no_such_model(source: str, code: str) -> None:
    assert code in run("info", source, code=1).stderr


def test_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of a model is shown without a download, by any of its names."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path))
    pair = [file.urls[1] for file in CATALOGUE["original"].files]
    out = run("info", *pair).stdout
    assert out.startswith("name                      original\n")
    assert "licence                   none stated\n" in out
    assert "{Deep Contextualized Word Representations}" in out
    assert out.endswith("\nNot downloaded: spacy-elmo download original\n")
    assert info("original") == info(pair[1]) == info(pair)
    facts = info("http://rostlab.org/~deepppi/seqvec.zip")
    assert facts["source"] is None
    assert facts["published"]["name"] == "seqvec/zip"
    assert (facts["published"]["licence"], facts["published"]["language"]) == ("MIT", None)
    assert facts["published"]["bibtex"] == CITATIONS["heinzinger2019"]
    assert format_facts(info("te/clickbait")).endswith("\nNot downloaded: see its page, https://bit.ly/2SV0bPc")
    with pytest.raises(ElmoError, match=r"EL325.*'original' is not downloaded.*spacy-elmo download original"):
        info("original", check=True)
    assert list(tmp_path.iterdir()) == []


def test_cached(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of the catalogue by its name, an alias, an address, and its folder in the cache."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path))
    folder = tmp_path / "models" / "manylangs--de"
    shutil.copytree(tiny, folder)
    for source in ("manylangs/de", "de", "http://vectors.nlpl.eu/repository/11/142.zip", folder):
        facts = info(source)
        assert (facts["n_parameters"], facts["published"]["name"]) == (9552, "manylangs/de")
    assert json.loads(run("info", "de", "--json").stdout) == info("de")
    out = format_facts(info("de"))
    assert "format                    HDF5" in out
    assert "licence                   MIT (stated in issue 64 of HIT-SCIR/ELMoForManyLangs)" in out
    assert "@inproceedings{che2018," in out
    assert "Not downloaded" not in out


def test_not_published(tiny: Path) -> None:
    assert info(tiny)["published"] is None
    assert "\nnot in the catalogue of published models\n" in format_facts(info(tiny))
    assert info("en_sm")["published"]["licence"] == info(BUNDLED_FOLDER)["published"]["licence"] == "MIT"
    assert info("en_sm")["published"]["bibtex"] is None


def test_check(tmp_path: Path, elmo: Elmo, tiny: Path) -> None:
    elmo.save(tmp_path)
    path = tmp_path / "weights.safetensors"
    assert re.search(r"checksum +crc32:[0-9a-f]{8}, as it was written", run("info", tmp_path, "--check").stdout)
    assert json.loads(run("info", tmp_path, "--check", "--json").stdout)["checksum"] == read_checksum(path)
    assert re.search(r"checksum +none was written", run("info", tiny, "--check").stdout)
    assert "checksum" not in run("info", tmp_path).stdout
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="EL181"):
        info(tmp_path, check=True)
