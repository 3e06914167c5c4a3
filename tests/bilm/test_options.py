import copy
import json
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from spacy_elmo.bilm.options import Options
from tests.data import ORIGINAL


def changed(change: Callable[[Dict[str, Any]], Any]) -> Dict[str, Any]:
    data = copy.deepcopy(ORIGINAL)
    change(data)
    return data


def test_original() -> None:
    options = Options.from_dict(ORIGINAL)
    assert options.char_cnn.n_filters == 2048
    assert options.has_char_projection
    assert options.lstm.has_projection
    assert options.to_dict() == ORIGINAL
    assert Options.from_json(options.to_json()) == options


def test_every_golden_is_read(parity: Path) -> None:
    paths = list(parity.rglob("options.json"))
    assert len(paths) > 15
    for path in paths:
        options = Options.from_json(path.read_text("utf-8"), where=str(path))
        assert Options.from_dict(options.to_dict()) == options
        given = json.loads(path.read_text("utf-8"))
        assert all(options.to_dict()[name] == given[name] for name in given if name not in ("lstm", "char_cnn"))


def test_defaults() -> None:
    def reduce(data: Dict[str, Any]) -> None:
        for name in ("cell_clip", "proj_clip", "n_layers", "use_skip_connections"):
            del data["lstm"][name]
        del data["char_cnn"]["n_highway"]

    options = Options.from_dict(changed(reduce))
    assert options.lstm.cell_clip is None
    assert options.lstm.proj_clip is None
    assert options.lstm.n_layers == 1
    assert options.lstm.use_skip_connections is False
    assert options.char_cnn.n_highway == 0


@pytest.mark.parametrize("nothing", [0, 0.0, None])
def test_clip_of_nothing(nothing: Any) -> None:
    options = Options.from_dict(changed(lambda data: data["lstm"].update(cell_clip=nothing)))
    assert options.lstm.cell_clip is None
    assert options.lstm.proj_clip == 3


def test_training_fields_are_kept() -> None:
    options = Options.from_dict(changed(lambda data: data.update(dropout=0.1, n_train_tokens=768648884)))
    assert options.training == {"dropout": 0.1, "n_train_tokens": 768648884}
    assert options.to_dict()["dropout"] == 0.1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(lstms={}), ["unknown field 'lstms'", "did you mean 'lstm'"]),
        (lambda d: d["lstm"].update(dims=3), ["unknown field 'lstm.dims'", "did you mean 'lstm.dim'"]),
        (
            lambda d: d["char_cnn"].update(padding=3),
            ["unknown field 'char_cnn.padding'", "Allowed here: activation"],
        ),
        (lambda d: d["char_cnn"]["embedding"].update(size=3), ["unknown field 'char_cnn.embedding.size'"]),
        (lambda d: d.pop("char_cnn"), ["'char_cnn' is missing"]),
        (lambda d: d["lstm"].pop("dim"), ["'lstm.dim' is missing"]),
        (lambda d: d["char_cnn"].pop("activation"), ["'char_cnn.activation' is missing"]),
        (lambda d: d.update(lstm=[]), ["'lstm' is []", "a JSON object"]),
        (lambda d: d["lstm"].update(dim="4096"), ["'lstm.dim' is '4096'", "a whole number from 1 up"]),
        (lambda d: d["lstm"].update(dim=0), ["'lstm.dim' is 0"]),
        (lambda d: d["lstm"].update(n_layers=True), ["'lstm.n_layers' is True"]),
        (lambda d: d["lstm"].update(n_layers=3_000_000), ["'lstm.n_layers' is 3000000", "from 1 to 1000"]),
        (lambda d: d["lstm"].update(cell_clip=-1), ["'lstm.cell_clip' is -1", "a number from 0 up"]),
        (lambda d: d["lstm"].update(proj_clip="3"), ["'lstm.proj_clip' is '3'"]),
        (
            lambda d: d["lstm"].update(use_skip_connections=1),
            ["'lstm.use_skip_connections' is 1", "true or false"],
        ),
        (
            lambda d: d["char_cnn"].update(activation="gelu"),
            ["'char_cnn.activation' is 'gelu'", "'relu' or 'tanh'"],
        ),
        (lambda d: d["char_cnn"].update(n_characters=300), ["'char_cnn.n_characters' is 300", "261 or 262"]),
        (
            lambda d: d["char_cnn"].update(filters=[[1]]),
            ["'char_cnn.filters' is [[1]]", "[width, number of filters]"],
        ),
        (lambda d: d["char_cnn"].update(filters=[]), ["'char_cnn.filters' is []"]),
        (lambda d: d["char_cnn"].update(max_characters_per_token=2), ["max_characters_per_token' is 2"]),
        (lambda d: d["lstm"].update(projection_dim=8192), ["contradicts lstm.dim = 4096"]),
        (lambda d: d["char_cnn"].update(max_characters_per_token=5), ["'char_cnn.filters'", "contradicts"]),
        (lambda d: d.update(bidirectional=False), ["'bidirectional' is False", "contradicts"]),
    ],
)
def test_bad_fields_are_named(change: Callable[[Dict[str, Any]], Any], words: Any) -> None:
    with pytest.raises(ValueError, match=r"^\[EL00\d\] here.json") as error:
        Options.from_dict(changed(change), where="here.json")
    assert all(word in str(error.value) for word in words)


def test_not_json() -> None:
    with pytest.raises(ValueError, match=r"EL005.*here.json is not valid JSON"):
        Options.from_json("{", where="here.json")
    with pytest.raises(ValueError, match=r"'options' is \[\]"):
        Options.from_json("[]")
    with pytest.raises(ValueError, match="EL005"):
        Options.from_json('{"lstm":' * 100_000)


def test_file(tmp_path: Path) -> None:
    path = tmp_path / "options.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(ORIGINAL).encode())
    assert Options.from_file(path).to_dict() == ORIGINAL
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(ValueError, match=r"EL005.*options.json is not valid JSON"):
        Options.from_file(path)
