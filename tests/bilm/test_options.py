import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.bilm.options import Options
from tests.data import ORIGINAL


def change_options(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
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
    def reduce(data: dict[str, Any]) -> None:
        for name in ("cell_clip", "proj_clip", "n_layers", "use_skip_connections"):
            del data["lstm"][name]
        del data["char_cnn"]["n_highway"]

    options = Options.from_dict(change_options(reduce))
    assert options.lstm.cell_clip is None
    assert options.lstm.proj_clip is None
    assert options.lstm.n_layers == 1
    assert options.lstm.use_skip_connections is False
    assert options.char_cnn.n_highway == 0


@pytest.mark.parametrize("nothing", [0, 0.0, None])
def test_clip_of_nothing(nothing: Any) -> None:
    options = Options.from_dict(change_options(lambda data: data["lstm"].update(cell_clip=nothing)))
    assert options.lstm.cell_clip is None
    assert options.lstm.proj_clip == 3


def test_training_fields_are_kept() -> None:
    options = Options.from_dict(change_options(lambda data: data.update(dropout=0.1, n_train_tokens=768648884)))
    assert options.training == {"dropout": 0.1, "n_train_tokens": 768648884}
    assert options.to_dict()["dropout"] == 0.1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda d: rename(d["char_cnn"], "n_highway", "n_highways"),
            [
                "unknown field 'char_cnn.n_highways'",
                "did you mean 'char_cnn.n_highway'",
                "Allowed here: activation",
            ],
        ),
        (
            lambda d: rename(d["lstm"], "cell_clip", "cell_clp"),
            ["'lstm.cell_clp'", "did you mean 'lstm.cell_clip'"],
        ),
        (
            lambda d: rename(d["lstm"], "projection_dim", "projection_dims"),
            [
                "'lstm.projection_dim' is missing",
                "'lstm.projection_dims' may be a misspelling of it",
            ],
        ),
        (
            lambda d: rename(d, "char_cnn", "charcnn"),
            ["'char_cnn' is missing", "'charcnn' may be a misspelling of it"],
        ),
        (lambda d: d["lstm"].update(dim=None), ["'lstm.dim' is null"]),
        (lambda d: d["lstm"].pop("dim"), ["'lstm.dim' is missing"]),
        (lambda d: d["char_cnn"].pop("activation"), ["'char_cnn.activation' is missing"]),
        (lambda d: d.update(lstm=[]), ["'lstm' is []", "a JSON object"]),
        (lambda d: d["lstm"].update(dim="wide"), ["'lstm.dim' is 'wide'", "a whole number from 1 up"]),
        (lambda d: d["lstm"].update(dim=4096.5), ["'lstm.dim' is 4096.5", "a whole number from 1 up"]),
        (lambda d: d["lstm"].update(dim=float("inf")), ["'lstm.dim' is inf"]),
        (lambda d: d["lstm"].update(dim=10**400), ["'lstm.dim' is 1000", "..."]),
        (lambda d: d["lstm"].update(dim="true"), ["'lstm.dim' is 'true'"]),
        (lambda d: d["lstm"].update(dim=0), ["'lstm.dim' is 0"]),
        (lambda d: d["lstm"].update(n_layers=True), ["'lstm.n_layers' is True"]),
        (lambda d: d["lstm"].update(n_layers=3_000_000), ["'lstm.n_layers' is 3000000", "from 1 to 1000"]),
        (lambda d: d["lstm"].update(cell_clip=-1), ["'lstm.cell_clip' is -1", "a number from 0 up"]),
        (lambda d: d["lstm"].update(proj_clip="3 or so"), ["'lstm.proj_clip' is '3 or so'"]),
        (lambda d: d["lstm"].update(proj_clip=1e39), ["'lstm.proj_clip' is 1e+39", "up to 3.4e+38"]),
        (lambda d: d["lstm"].update(cell_clip=float("nan")), ["'lstm.cell_clip' is nan"]),
        # Which a program in Python takes for true.
        (
            lambda d: d["lstm"].update(use_skip_connections="false"),
            ["'lstm.use_skip_connections' is 'false'", "true or false"],
        ),
        (lambda d: d["lstm"].update(use_skip_connections=2), ["'lstm.use_skip_connections' is 2"]),
        (
            lambda d: d["char_cnn"].update(activation="gelu"),
            ["'char_cnn.activation' is 'gelu'", "'relu' or 'tanh'"],
        ),
        (lambda d: d["char_cnn"].update(n_characters=0), ["'char_cnn.n_characters' is 0", "from 1 up"]),
        (
            lambda d: d["char_cnn"].update(filters=[[1]]),
            ["'char_cnn.filters' is [[1]]", "[width, number of filters]"],
        ),
        (lambda d: d["char_cnn"].update(filters=[]), ["'char_cnn.filters' is []"]),
        (lambda d: d["char_cnn"].update(filters=[[1, 0]]), ["'char_cnn.filters' is [[1, 0]]"]),
        (lambda d: d["char_cnn"].update(filters=[[1, 4], 3]), ["'char_cnn.filters' is [[1, 4], 3]"]),
        (lambda d: d["char_cnn"].update(filters=[0] * 10**6), ["'char_cnn.filters' is list of 1,000,000 items"]),
        (lambda d: d["char_cnn"].update(filters=[[1, 2]] * 1001), ["'char_cnn.filters' is list of 1,001 items"]),
        (lambda d: d["char_cnn"].update(max_characters_per_token=2), ["max_characters_per_token' is 2"]),
        (lambda d: d["char_cnn"].update(max_characters_per_token=10**8), ["is 100000000", "from 3 to 1000"]),
        (lambda d: d["lstm"].update(projection_dim=8192), ["contradicts lstm.dim = 4096"]),
        (lambda d: d["char_cnn"].update(max_characters_per_token=5), ["'char_cnn.filters'", "contradicts"]),
        (lambda d: d.update(bidirectional=False), ["'bidirectional' is False", "contradicts"]),
    ],
)
def test_bad_fields_are_named(change: Callable[[dict[str, Any]], Any], words: Any) -> None:
    with pytest.raises(ValueError, match=r"^\[EL00\d\] here.json") as error:
        Options.from_dict(change_options(change), where="here.json")
    assert all(word in str(error.value) for word in words)


def rename(fields: dict[str, Any], name: str, other: str) -> None:
    fields[other] = fields.pop(name)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (lambda d: d.update(reverse=False), "reverse"),
        (lambda d: d["char_cnn"].update(projection_after_highway=True), "char_cnn.projection_after_highway"),
        (lambda d: d["char_cnn"].update(projection_location="after_highway"), "char_cnn.projection_location"),
        (lambda d: d.update(lr_decay_rate=0.9, clip_grad_norm=10.0), "lr_decay_rate, clip_grad_norm"),
        (lambda d: d["char_cnn"].update(projection={"dim": 512}), "char_cnn.projection"),
        (lambda d: d["char_cnn"]["embedding"].update(trainable=True), "char_cnn.embedding.trainable"),
        (lambda d: d["lstm"].update(dropout=0.1, forget_bias=1.0), "lstm.dropout, lstm.forget_bias"),
        (lambda d: d["lstm"].update(do_layer_norm=False), "lstm.do_layer_norm"),
        (lambda d: (d.update(_comment="ours"), d["lstm"].update(type="elmo"), d["char_cnn"].update(padding=None)),
         "_comment, lstm.type, char_cnn.padding"),
        (lambda d: d.update({"a\x1b[31m" + "b" * 200: 1}), r"a\\x1b\[31mb+\.\.\."),
        # Near to one that is there, hence no misspelling of it.
        (lambda d: (d.update(lstms={}), d["lstm"].update(dims=3)), "lstms, lstm.dims"),
    ],
)  # fmt: skip
def test_fields_of_other_programs(change: Callable[[dict[str, Any]], Any], fields: str) -> None:
    """They are named in one warning, and the model is the same."""
    with pytest.warns(UserWarning, match=rf"WL050.*here.json: .*ignored: {fields}") as caught:
        options = Options.from_dict(change_options(change), where="here.json")
    assert len(caught) == 1
    assert options.to_dict() == ORIGINAL
    with pytest.raises(ValueError, match=r"EL001.*unknown field"):
        Options.from_dict(change_options(change), where="[model.options]", is_strict=True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda d: d.update(reverse=True), "reverse"),
        (lambda d: d["lstm"].update(reverse=True), "lstm.reverse"),
        (lambda d: d["lstm"].update(bidirectional=False), "lstm.bidirectional"),
        (lambda d: d["lstm"].update(use_peepholes=True), "lstm.use_peepholes"),
        (lambda d: d["lstm"].update(forget_bias=0), "lstm.forget_bias"),
        (lambda d: d["lstm"].update(do_layer_norm=True), "lstm.do_layer_norm"),
        (lambda d: d["char_cnn"].update(do_layer_norm=True), "char_cnn.do_layer_norm"),
        (lambda d: d["char_cnn"].update(projection_after_highway=False), "char_cnn.projection_after_highway"),
        (lambda d: d["char_cnn"].update(projection_location="after_cnn"), "char_cnn.projection_location"),
        (lambda d: d["char_cnn"].update(projection={"dim": 256}), "char_cnn.projection"),
    ],
)
def test_fields_of_another_network(change: Callable[[dict[str, Any]], Any], field: str) -> None:
    with pytest.raises(ValueError, match=rf"\[EL(264|004)\] here.json: '{field}' is "):
        Options.from_dict(change_options(change), where="here.json")


def test_projection_without_highways() -> None:
    data = change_options(lambda d: d["char_cnn"].update(n_highway=0, projection_after_highway=False))
    with pytest.warns(UserWarning, match="WL050"):
        assert Options.from_dict(data).char_cnn.n_highway == 0


def test_numbers_as_others_write_them() -> None:
    """JSON knows one kind of number, some programs write text, and Python takes 1 for true."""

    def write(data: dict[str, Any]) -> None:
        data["lstm"].update(
            dim=4096.0, projection_dim="512", n_layers="2", cell_clip="3.0", use_skip_connections=1
        )
        data["char_cnn"].update(n_characters=262.0, n_highway=2.0)
        data["char_cnn"]["filters"] = [
            [float(width), str(number)] for width, number in data["char_cnn"]["filters"]
        ]

    options = Options.from_dict(change_options(write))
    assert options == Options.from_dict(ORIGINAL)


def test_number_of_bytes_is_known() -> None:
    """AllenNLP does not read it, so that published files may have any number."""
    data = change_options(lambda d: d["char_cnn"].update(n_characters=300))
    with pytest.warns(UserWarning, match=r"WL087.*here.json: 'char_cnn.n_characters' is 300.*262 characters"):
        assert Options.from_dict(data, where="here.json") == Options.from_dict(ORIGINAL)
    with pytest.raises(ValueError, match=r"EL003.*n_characters' is 300, but must be 261 or 262"):
        Options.from_dict(data, is_strict=True)


def test_infinity_is_no_clip() -> None:
    options = Options.from_json(json.dumps(change_options(lambda d: d["lstm"].update(cell_clip=float("inf")))))
    assert options.lstm.cell_clip is None


@pytest.mark.parametrize("char_cnn", ["absent", None])
def test_words_instead_of_characters(char_cnn: Any) -> None:
    def change(data: dict[str, Any]) -> None:
        data["char_cnn"] = None
        if char_cnn == "absent":
            del data["char_cnn"]

    with pytest.raises(
        ValueError, match=r"EL250.*'here.json' .*reads words instead of characters.* not supported"
    ):
        Options.from_dict(change_options(change), where="here.json")


def test_duplicate_field(tmp_path: Path) -> None:
    text = json.dumps(ORIGINAL)
    same = text.replace('"dim": 4096', '"dim": 4096, "dim": 4096')
    assert Options.from_json(same).to_dict() == ORIGINAL
    other = text.replace('"dim": 4096', '"dim": 4096, "dim": 512')
    assert other != text
    with pytest.raises(ValueError, match=r"EL255\] here.json: the field 'dim' occurs twice.*\(4096 and 512\)"):
        Options.from_json(other, where="here.json")
    (tmp_path / "options.json").write_text(other)
    with pytest.raises(ValueError, match=r"EL255.*options.json.*'dim'"):
        Options.from_file(tmp_path / "options.json")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "options.json"
    with path.open("wb") as file:
        # Of gigabytes, and with next to nothing on disk.
        file.truncate(4 << 30)
    with pytest.raises(ValueError, match=r"EL252.*options.json' has 4,294,967,296 bytes.*at most 67,108,864"):
        Options.from_file(path)


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
