"""What was saved with weights is loaded with these weights, or not at all."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import srsly

import spacy_elmo
from spacy_elmo.weights.formats import folder
from tests.components import get_embedder
from tests.data import TINY
from tests.models.test_tok2vec import inline
from tests.pipeline.conftest import Make
from tests.pipeline.training import initialize
from tests.platforms import named_pipes

TEXT = "I love NLP"


@pytest.fixture
def saved(make: Make, tmp_path: Path) -> Path:
    """A pipeline whose source is there, so that it would be read if the weights were not asked for."""
    nlp = make()
    nlp.initialize()
    nlp.to_disk(tmp_path / "nlp")
    return tmp_path / "nlp"


def replace_by_file(model: Path) -> None:
    shutil.rmtree(model)
    model.write_text("")


def truncate(model: Path) -> None:
    path = model / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def flip_bit(model: Path, name: str = "weights.safetensors", at: int = -5, bit: int = 1) -> None:
    data = bytearray((model / name).read_bytes())
    data[at] ^= bit
    (model / name).write_bytes(data)


def replace_by_pipe(model: Path) -> None:
    """Who reads from it waits for ever."""
    cfg = model.parent / "cfg"
    cfg.unlink()
    os.mkfifo(cfg)


def change_options(model: Path) -> None:
    path = model / "options.json"
    options = json.loads(path.read_text())
    options["lstm"]["proj_clip"] = 2.0
    path.write_text(json.dumps(options))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (shutil.rmtree, r"EL180.*'elmo_embedder' is incomplete.*missing there: options.json, weights"),
        (replace_by_file, r"EL180.*not a folder"),
        (lambda model: (model / "weights.safetensors").unlink(), r"EL180.*missing there: weights.safetensors"),
        (lambda model: (model / "options.json").unlink(), r"EL180.*missing there: options.json"),
        (lambda model: (model / "weights.safetensors").write_bytes(b""), "EL023"),
        (truncate, "EL023"),
        (flip_bit, r"EL181.*weights.safetensors' is damaged"),
        (change_options, r"EL181.*options.json' is damaged"),
        (lambda model: (model.parent / "cfg").unlink(), r"EL180.*'cfg', which is written last"),
        (lambda model: (model.parent / "cfg").write_text('{"weig'), r"EL180.*'cfg', which is written last"),
        (lambda model: (model.parent / "cfg").write_text("[]"), r"EL180.*'cfg' does not describe the weights"),
        (
            lambda model: (model.parent / "cfg").write_text('{"weights": {}}'),
            r"EL180.*'cfg' does not describe the weights",
        ),
        (
            lambda model: (model.parent / "cfg").write_text('{"weights": "crc32:00"}'),
            r"EL180.*'cfg' does not describe the weights",
        ),
        pytest.param(replace_by_pipe, r"EL180.*'cfg', which is written last", marks=named_pipes),
    ],
)
def test_weights_that_are_gone_or_damaged(saved: Path, damage: Callable[[Path], Any], match: str) -> None:
    damage(saved / "elmo_embedder" / "model")
    with pytest.raises(ValueError, match=match):
        spacy.load(saved)


@pytest.mark.parametrize("part", ["cfg", "model"])
def test_bytes_that_are_cut(make: Make, part: str) -> None:
    nlp = make()
    nlp.initialize()
    parts = srsly.msgpack_loads(get_embedder(nlp).to_bytes(exclude=["vocab"]))
    parts[part] = parts[part][:-5]
    with pytest.raises(ValueError, match=f"EL180.*the bytes: their part '{part}' cannot be read"):
        get_embedder(make()).from_bytes(srsly.msgpack_dumps(parts), exclude=["vocab"])


def test_weights_of_another_save(saved: Path, make: Make) -> None:
    """Whole by themselves, but not those of this pipeline."""
    nlp = make()
    get_embedder(nlp).elmo.mix.gamma.data.fill_(2.0)
    get_embedder(nlp).elmo.save(saved / "elmo_embedder" / "model")
    with pytest.raises(ValueError, match="EL181"):
        spacy.load(saved)


@pytest.mark.parametrize("over", [True, False])
def test_killed_at_any_file(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, over: bool) -> None:
    """After each file that is written or removed: an error, or what was saved. Never the source."""
    import spacy_elmo.pipeline.saving as saving

    class KilledError(BaseException):
        pass

    trained = make()
    get_embedder(trained).elmo.mix.gamma.data.fill_(2.0)
    expected = trained(TEXT).tensor
    outcomes = []
    for n_steps in range(6):
        path = tmp_path / f"{n_steps}"
        if over:
            make().to_disk(path)
            get_embedder(make()).to_disk(path / "elmo_embedder", exclude=["vocab"])
        left = [n_steps]

        def step(function: Any, left: Any = left) -> Any:
            def run(*args: Any, **kwargs: Any) -> Any:
                if not left[0]:
                    raise KilledError
                left[0] -= 1
                return function(*args, **kwargs)

            return run

        with monkeypatch.context() as patch:
            patch.setattr(folder.safetensors.numpy, "save_file", step(folder.safetensors.numpy.save_file))
            patch.setattr(folder, "atomic_write", step(folder.atomic_write))
            patch.setattr(saving, "atomic_write", step(saving.atomic_write))
            try:
                trained.to_disk(path)
                outcomes.append("saved")
            except KilledError:
                outcomes.append("killed")
        fresh = get_embedder(make())
        if outcomes[-1] == "killed":
            with pytest.raises(ValueError, match="EL180"):
                fresh.from_disk(path / "elmo_embedder", exclude=["vocab"])
        else:
            fresh.from_disk(path / "elmo_embedder", exclude=["vocab"])
            np.testing.assert_array_equal(fresh(trained.make_doc(TEXT)).tensor, expected)
    assert outcomes[0] == "killed"
    assert outcomes[-1] == "saved"


def test_bytes_without_whole_weights(make: Make) -> None:
    nlp = make()
    nlp.initialize()
    embedder = get_embedder(nlp)
    whole = srsly.msgpack_loads(embedder.to_bytes(exclude=["vocab"]))
    empty = srsly.msgpack_loads(get_embedder(make(source=str(TINY))).model.to_bytes())
    gone = {**whole, "model": srsly.msgpack_dumps(empty)}
    with pytest.raises(ValueError, match=r"EL180.*there are none"):
        get_embedder(make()).from_bytes(srsly.msgpack_dumps(gone))
    data = bytearray(whole["model"])
    data[len(data) // 2] ^= 1
    with pytest.raises(ValueError, match="EL181"):
        get_embedder(make()).from_bytes(srsly.msgpack_dumps({**whole, "model": bytes(data)}))


def test_pipelines_of_before_load(saved: Path, make: Make, tmp_path: Path) -> None:
    """They say nothing of their weights, which have no checksum either."""
    from safetensors.numpy import load_file, save_file

    (saved / "elmo_embedder" / "cfg").write_text("{}")
    path = saved / "elmo_embedder" / "model" / "weights.safetensors"
    save_file(load_file(path), path)
    np.testing.assert_array_equal(spacy.load(saved)(TEXT).tensor, make()(TEXT).tensor)
    shutil.rmtree(path.parent)
    np.testing.assert_array_equal(spacy.load(saved)(TEXT).tensor, make()(TEXT).tensor)
    path.parent.write_text("")
    with pytest.raises(ValueError, match="EL180"):
        spacy.load(saved)


def test_the_record_is_no_setting(saved: Path) -> None:
    assert json.loads((saved / "elmo_embedder" / "cfg").read_text())["weights"]["arrays"].startswith("crc32:")
    assert get_embedder(spacy.load(saved)).cfg == {}


# Before the weights were read


def test_saving_reads_a_source_at_hand(make: Make, tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "source")
    expected = make()(TEXT).tensor
    for save in (
        lambda nlp: nlp.to_disk(tmp_path / "nlp"),
        lambda nlp: nlp.to_bytes(),
    ):
        data = save(make(source=str(tmp_path / "source")))
        (tmp_path / "source").rename(tmp_path / "away")
        loaded = spacy.load(tmp_path / "nlp") if data is None else make(source="nowhere").from_bytes(data)
        np.testing.assert_array_equal(loaded(TEXT).tensor, expected)
        (tmp_path / "away").rename(tmp_path / "source")


@pytest.mark.parametrize(
    ("source", "reason"), [("original", "would have to be downloaded"), ("nowhere", "cannot be read.*EL010")]
)
def test_a_source_that_is_not_at_hand(make: Make, tmp_path: Path, source: str, reason: str) -> None:
    nlp = make(source=source)
    with pytest.warns(UserWarning, match=rf"WL023.*'elmo_embedder' is saved without weights: .*{reason}"):
        nlp.to_disk(tmp_path / "nlp")
    with pytest.warns(UserWarning, match=rf"WL023.*{reason}"):
        nlp.to_bytes()
    with pytest.raises(FileNotFoundError):
        spacy.load(tmp_path / "nlp")(TEXT)


def test_what_initialize_is_to_read(make: Make, tmp_path: Path) -> None:
    nlp = make()
    nlp.config["initialize"]["components"]["elmo_embedder"] = {"source": "original"}
    with pytest.warns(
        UserWarning, match=r"WL023.*nlp.initialize\(\), which reads them, was not called.*'original'"
    ):
        nlp.to_disk(tmp_path / "nlp")


def test_a_bilm_inside_another_component(tmp_path: Path) -> None:
    shutil.copytree(TINY, tmp_path / "source")
    nlp = inline(source=str(tmp_path / "source"))
    initialize(nlp)
    nlp.to_disk(tmp_path / "nlp")
    path = tmp_path / "nlp" / "tagger" / "model"
    flip_bit(path.parent, "model", at=path.stat().st_size // 2)
    with pytest.raises(ValueError, match="EL181"):
        spacy.load(tmp_path / "nlp")
    unread = inline(source="original", listener={"@architectures": "spacy-elmo.ElmoListener.v1", "width": 16})
    with pytest.warns(UserWarning, match=r"WL023.*A biLM is saved without weights"):
        unread.to_bytes()


def test_checksums_of_folders(tmp_path: Path) -> None:
    spacy_elmo.load(TINY).save(tmp_path)
    path = tmp_path / "weights.safetensors"
    stored = folder.read_checksum(path)
    assert stored is not None
    assert stored == folder.checksum(spacy_elmo.load(tmp_path).named_arrays())
    for at in (-1, -1000, path.stat().st_size // 2 - path.stat().st_size):
        flip_bit(tmp_path, at=at, bit=0x10)
        with pytest.raises(ValueError, match="EL181"):
            spacy_elmo.load(tmp_path)
        flip_bit(tmp_path, at=at, bit=0x10)
    spacy_elmo.load(tmp_path)
