import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.language_model.corpus import read_fingerprint, write_corpus
from spacy_elmo.pretraining.identity import text_fingerprint
from spacy_elmo.pretraining.run import Run
from tests.pretraining.runs import a_run, make_config, train


def identify(*paths: Path, **settings: Any) -> str:
    return text_fingerprint(Inputs(paths, **settings), "blank:en")


def test_fingerprints_of_earlier_versions(tmp_path: Path) -> None:
    """Their runs can continue."""
    contents = {"a.txt": b"one two\n", "b.jsonl": b'{"text": "a"}\n', "c.txt.gz": b"", "d.spacy": b"?"}
    digest = hashlib.sha256(b"blank:en")
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        digest.update(hashlib.sha256(content).hexdigest().encode())
    assert identify(*(tmp_path / name for name in contents)) == digest.hexdigest()


def test_format_is_in_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two\n")
    (tmp_path / "a.conllu").write_text("one two\n")
    text = identify(tmp_path / "a.txt")
    assert len({text, identify(tmp_path / "a.txt", format="tokens"), identify(tmp_path / "a.conllu")}) == 3
    assert identify(tmp_path / "a.txt", format="txt") == text
    # Where it lies is not.
    shutil.copy(tmp_path / "a.txt", tmp_path / "b.txt")
    assert identify(tmp_path / "b.txt") == text


def test_tokenized_text(tmp_path: Path) -> None:
    settings = {"corpus__format": "tokens", "training__max_batches": 2, "corpus__dev": None}
    (tmp_path / "shard-00001").write_text("don't do it\n\nU.S. dollar\n" * 20)
    config = make_config(tmp_path, corpus__train=str(tmp_path / "shard-*"), **settings)
    run = train(config, tmp_path / "run")
    assert sorted(run.train_corpus.types) == ["U.S.", "do", "dollar", "don't", "it"]
    assert (len(run.train_corpus), run.train_corpus.n_tokens) == (40, 100)
    with a_run(config, tmp_path / "run", resume=True) as resumed:
        assert resumed.trainer.batch == 2
    text = make_config(
        tmp_path, corpus__train=str(tmp_path / "shard-00001"), **{**settings, "corpus__format": "txt"}
    )
    with pytest.raises(ValueError, match=r"EL080[\s\S]*corpus.format: tokens then, txt now"):
        train(text, tmp_path / "run", resume=True)


def test_dev_text_is_checked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(tmp_path)
    (tmp_path / "dev.txt").write_bytes(b"good\nb\xe4d\n")
    monkeypatch.setattr(
        "spacy_elmo.pretraining.prepare.write_corpus", lambda *_, **__: pytest.fail("worked for nothing")
    )
    with pytest.raises(ValueError, match=r"EL061.*dev\.txt, line 2"):
        train(config, tmp_path / "run")


def test_written_text_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(tmp_path, corpus__dev=None)
    made = text_fingerprint(Inputs(config.corpus.train), config.corpus.pipeline)
    write_corpus(tmp_path / "run" / "corpus" / "train", [["a", "b"]] * 50, fingerprint=made)
    monkeypatch.setattr(Inputs, "read", lambda *_: pytest.fail("read again"))
    with a_run(config, tmp_path / "run") as run:
        assert run.train_corpus.types == ["a", "b"]
    assert read_fingerprint(tmp_path / "run" / "corpus" / "train") == made


def test_pipe_for_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config(tmp_path, corpus__train="-", training__n_rows=4)
    join = type("Joined", (), {"size": 2, "rank": 0, "is_first": True})
    monkeypatch.setattr("spacy_elmo.pretraining.run.Processes.join", lambda *_: join())
    with pytest.raises(ValueError, match=r"EL208.*2 processes"):
        Run.prepare(config, tmp_path / "run")
