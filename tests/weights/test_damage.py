"""Truncated, changed and swapped files give a clear error or a model, in every format."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import spacy_elmo
from spacy_elmo.weights.arrays import encoder_shapes
from spacy_elmo.weights.source import read_weights
from tests.data import ROOT, TINY, shared_path

# A model in each format, and its files that are not part of the model.
MODELS = {
    "hdf5": "tests/tiny",
    "safetensors": "",
    "checkpoint": "parity/tf_checkpoint",
    "tfhub": "parity/tf_checkpoint/sharded",
    "sparknlp": "parity/tf_checkpoint/sparknlp",
    "sparknlp_bundle": "parity/tf_checkpoint/sparknlp_bundle",
    "manylangs": "parity/manylangs/word_char",
    "allennlp": "tests/allennlp/model.tar.gz",
}
OPTIONS = {"hdf5": "options.json", "safetensors": "options.json", "checkpoint": "options.json"}
OPTIONS.update(manylangs="tiny_word_char.json", allennlp="options.json")

Content = dict[str, bytes]

JUNK: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**19) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(kind, marks=pytest.mark.needs("tensorflow") if "tf_checkpoint" in place else ())
        for kind, place in MODELS.items()
    ],
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def content(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Content:
    """The model's files."""
    where = MODELS[kind]
    folder = shared_path(where) if where.startswith("parity") else ROOT / where
    if kind == "safetensors":
        folder = tmp_path_factory.mktemp("model")
        spacy_elmo.load(TINY).save(folder)
    elif kind == "allennlp":
        archive, folder = folder, tmp_path_factory.mktemp("model")
        shutil.unpack_archive(archive, folder, filter="data")
    files = [path for path in folder.iterdir() if path.is_file()]
    if kind == "sparknlp":
        files += list((folder / "metadata").iterdir())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.suffix != ".npz"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


def read(content: Content, folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()
    for name, data in content.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    with warnings.catch_warnings():
        # Flipped bits may give NaN, with a warning.
        warnings.simplefilter("ignore", UserWarning)
        try:
            weights = read_weights(folder)
        except (ValueError, FileNotFoundError) as error:
            if not str(error).startswith("[E"):
                raise
            return
    shapes = encoder_shapes(weights.options)
    assert all(weights.arrays[name].shape == shape for name, shape in shapes.items())


def list_names(content: Content) -> list[str]:
    return sorted(name for name, data in content.items() if data)


def test_it_is_read(content: Content, folder: Path) -> None:
    """The models of the tests below are valid before the damage."""
    read(content, folder)
    assert read_weights(folder).arrays


@FEW
@given(data=st.data())
def test_truncated(content: Content, folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list_names(content)))
    size = data.draw(st.integers(0, len(content[name]) - 1))
    read({**content, name: content[name][:size]}, folder)


@FEW
@given(data=st.data())
def test_changed_bytes(content: Content, folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(list_names(content)))
    changed = bytearray(content[name])
    # Formats have their structure at the start and the end.
    near = st.integers(0, min(200, len(changed) - 1))
    place = near | near.map(lambda n: len(changed) - 1 - n) | st.integers(0, len(changed) - 1)
    for at, value in data.draw(st.lists(st.tuples(place, st.integers(0, 255)), min_size=1, max_size=5)):
        changed[at] = value
    read({**content, name: bytes(changed)}, folder)


@FEW
@given(data=st.data())
def test_swapped_files(content: Content, folder: Path, data: st.DataObject) -> None:
    one, other = (data.draw(st.sampled_from(list_names(content))) for _ in range(2))
    read({**content, one: content[other], other: content[one]}, folder)


@FEW
@given(data=st.data())
def test_missing(content: Content, folder: Path, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(list_names(content)), min_size=1))
    read({name: bytes_ for name, bytes_ in content.items() if name not in gone}, folder)


@settings(FEW, max_examples=150)
@given(data=st.data())
def test_changed_options(kind: str, content: Content, folder: Path, data: st.DataObject) -> None:
    if kind not in OPTIONS:
        pytest.skip("this format has no options")
    options = json.loads(content[OPTIONS[kind]])
    place, key = options, data.draw(st.sampled_from(sorted(options)))
    # Mostly down to a single value.
    while isinstance(place[key], dict) and place[key] and data.draw(st.integers(0, 3)):
        place, key = place[key], data.draw(st.sampled_from(sorted(place[key])))
    place[key] = data.draw(JUNK | st.integers(1, 300))
    read({**content, OPTIONS[kind]: json.dumps(options).encode()}, folder)


@settings(FEW, max_examples=8)
@given(data=st.data())
def test_other_fields(kind: str, content: Content, folder: Path, data: st.DataObject) -> None:
    """Additional fields anywhere in the options do not matter."""
    if kind not in OPTIONS:
        pytest.skip("this format has no options")
    options = json.loads(content[OPTIONS[kind]])
    place = options
    while inner := [value for value in place.values() if isinstance(value, dict)]:
        if not data.draw(st.integers(0, 2)):
            break
        place = data.draw(st.sampled_from(inner))
    place.update(
        data.draw(st.dictionaries(st.text(max_size=8).map(lambda name: f"note {name}"), JUNK, min_size=1))
    )
    shutil.rmtree(folder)
    folder.mkdir()
    for name, written in {**content, OPTIONS[kind]: json.dumps(options).encode()}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(written)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_weights(folder).n_parameters
    # Of ELMoForManyLangs' configuration, only known fields are read.
    about = [str(warning.message) for warning in caught if "WL050" in str(warning.message)]
    assert len(about) == (0 if kind == "manylangs" else 1)
