"""Files of other programs' ELMos: the message says what they are, and what to use instead."""

import pickle
import shutil
import sqlite3
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo.weights.formats import holds_bilm
from spacy_elmo.weights.source import read_weights


class Evil:
    def __reduce__(self) -> Any:
        return eval, ("print('run')",)


def write_magnitude(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE magnitude (key TEXT, dim_0 INTEGER)")
    database.close()


def write_gluon(path: Path) -> None:
    """mxnet.nd.save: the magic number of a list, a reserved number, the number of arrays."""
    path.write_bytes((0x112).to_bytes(8, "little") + bytes(8) + (1).to_bytes(8, "little") + b"arrays")


def write_benepar(path: Path) -> None:
    state = OrderedDict({"project_elmo.weight": torch.zeros(2, 2), "embedding.position_table": torch.zeros(3)})
    spec = {"hparams": {"use_elmo": True}, "tag_vocab": Evil()}
    torch.save({"spec": spec, "state_dict": state}, path, _use_new_zipfile_serialization=False)


def write_malaya(path: Path) -> None:
    words = {f"word{number}": number for number in range(2000)}
    content = {"dictionary": words, "softmax_weight": np.zeros((20, 4)), "char_maxlen": 50, "steps": 20}
    path.write_bytes(pickle.dumps(content, protocol=3))


FILES = {
    "elmo_2x1024_128_2048cnn_1xhighway_weights.magnitude": (
        write_magnitude,
        r"EL290.*SQLite.*Magnitude.*small, medium",
    ),
    "elmo_2x1024_128_2048cnn_1xhighway.params": (write_gluon, r"EL291.*MXNet.*GluonNLP.*_1xhighway is small"),
    "en_elmo_dev.95.21.pt": (write_benepar, r"EL292.*benepar.*no ELMo of its own.*spacy-elmo download original"),
    "elmo-128.pkl": (write_malaya, r"EL293.*Malaya.*spacy-elmo pretrain"),
}


@pytest.mark.parametrize("name", FILES)
def test_named(tmp_path: Path, tiny: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write, match = FILES[name]
    write(tmp_path / name)
    archive = shutil.make_archive(str(tmp_path.parent / "packed"), "zip", tmp_path)
    for source in (tmp_path / name, tmp_path, [tiny / "options.json", tmp_path / name], archive):
        with pytest.raises(ValueError, match=match):
            read_weights(source)
    assert not holds_bilm(tmp_path / name)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("content", [Evil(), {"weights": [1.0]}, {"softmax_weight": 1}])
def test_any_other_pickle(tmp_path: Path, content: object) -> None:
    (tmp_path / "elmo.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=r"EL017.*elmo.pkl' is a pickle.*It was not read"):
        read_weights(tmp_path)


def test_beside_a_model(tmp_path: Path, tiny: Path) -> None:
    """They do not keep a model of the folder from being read."""
    shutil.copytree(tiny, tmp_path, dirs_exist_ok=True)
    for name, (write, _) in FILES.items():
        write(tmp_path / name)
    assert read_weights(tmp_path).options == read_weights(tiny).options


TRANSFORMER = "_contextualizer._forward_transformer.layers.0.self_attn.linears.0.weight"


def test_transformer(tmp_path: Path) -> None:
    """As in AllenNLP's transformer-elmo-2019.01.10.tar.gz: a character encoder, and layers of another kind."""
    state = {
        "_text_field_embedder.token_embedder_token_characters._encoder._module._projection.weight": torch.zeros(
            2, 2
        ),
        TRANSFORMER: torch.zeros(2, 2),
        "_contextualizer._backward_transformer.norm.gamma": torch.zeros(2),
    }
    torch.save(state, tmp_path / "weights.th")
    (tmp_path / "config.json").write_text("{}", "utf-8")
    for source in (tmp_path, tmp_path / "weights.th", tmp_path / "config.json"):
        with pytest.raises(
            ValueError, match=r"EL163.*it is a transformer, not an LSTM ELMo \('_contextualizer.*spacy-elmo models"
        ):
            read_weights(source)
