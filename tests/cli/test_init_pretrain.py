from pathlib import Path

import pytest

from spacy_elmo.cli.init_pretrain import init_pretrain
from spacy_elmo.pretraining.config import read_config
from tests.cli.command import run


def test_a_config_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    done = run("init-pretrain", path, "--train", "a.txt", "--lang", "de")
    assert "spacy-elmo pretrain" in done.stderr
    assert read_config(path, {}).corpus.pipeline == "blank:de"
    before = path.read_text("utf-8")
    refused = run("init-pretrain", path, "--train", "b.txt", code=1)
    assert "EL068" in refused.stderr
    assert path.read_text("utf-8") == before
    run("init-pretrain", path, "--train", "b.txt", "--force", "--size", "original")
    options = read_config(path, {}).model.options
    assert options is not None
    lstm = options["lstm"]
    assert isinstance(lstm, dict)
    assert lstm["dim"] == 4096


def test_unknown_size() -> None:
    with pytest.raises(ValueError, match=r"EL030.*sm, original"):
        init_pretrain(size="huge")


def test_small_text_gives_enough_steps(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    run("init-pretrain", path, "--train", "domain.txt", "--source", "en_sm")
    config = read_config(path, {})
    assert config.model.source == "en_sm"
    assert config.model.options is None
    assert config.training.n_epochs == 1
    # Of 200,000 tokens, three hundred batches, of which the rate rises over few.
    n_batches = 200_000 // (config.training.n_rows * config.training.n_steps)
    assert n_batches > 10 * config.optimizer.warmup_steps


def test_how_the_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.cfg"
    path.write_text(init_pretrain(train="news/*", format="tokens")[0], "utf-8")
    corpus = read_config(path, {}).corpus
    assert (corpus.train, corpus.format, corpus.pipeline) == ([Path("news/*")], "tokens", "blank:en")
    path.write_text(init_pretrain(train="a.txt", pipeline="en_core_web_sm")[0], "utf-8")
    assert read_config(path, {}).corpus.pipeline == "en_core_web_sm"
    with pytest.raises(ValueError, match="EL207"):
        init_pretrain(format="tokens", lang="en")
    with pytest.raises(ValueError, match=r"EL030.*format 'csv'"):
        init_pretrain(format="csv")
    with pytest.raises(ValueError, match=r"EL074[\s\S]*corpus\.format.*'csv'"):
        read_config(path, {"corpus.format": "csv"})
