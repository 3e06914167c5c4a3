import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

import spacy_elmo
from spacy_elmo.cli.perplexity import perplexity
from spacy_elmo.cli.substitutes import substitutes
from spacy_elmo.cli.warm import Summary, warm
from spacy_elmo.elmo import Elmo
from spacy_elmo.errors import ElmoError
from spacy_elmo.inference.warm_state import SENTENCES, make_state, read_default_sentences
from spacy_elmo.torch import ElmoModule
from spacy_elmo.weights.arrays import Arrays
from spacy_elmo.weights.formats.folder import write_folder
from spacy_elmo.weights.source import read_weights
from tests.cli.command import embed, run
from tests.cli.test_embed import datasets
from tests.data import ROOT
from tests.language_models import full_softmax, write_source
from tests.pretraining.runs import make_config, train, write_text
from tests.published import put_in_cache

N_TOKENS = sum(map(len, read_default_sentences()))


@pytest.fixture
def language_model(elmo: Elmo, tmp_path: Path) -> Path:
    """A model as pre-training leaves it, but in float16: with a softmax, a mix, an old state and a vocabulary."""
    random = np.random.default_rng(5)
    shapes = {"softmax.weight": (4, 8), "softmax.bias": (4,), "scalar_mix.weights": (3,), "scalar_mix.gamma": ()}
    shapes |= {"initial_state.hidden": (2, 2, 8), "initial_state.cell": (2, 2, 24)}
    arrays = {**elmo.named_arrays(), **{name: random.standard_normal(shape) for name, shape in shapes.items()}}
    half: Arrays = {name: np.asarray(array, dtype=np.float16) for name, array in arrays.items()}
    write_folder(tmp_path / "lm", elmo.options, half)
    (tmp_path / "lm" / "vocab.txt").write_text("<S>\n</S>\n<UNK>\nthe\n")
    (tmp_path / "lm" / "notes.txt").write_text("mine")
    return tmp_path / "lm"


def check_state(got: Arrays, source: Path, sentences: list[list[str]]) -> None:
    expected = make_state(read_weights(source), sentences)
    assert expected.keys() == {"initial_state.hidden", "initial_state.cell"}
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array)
        assert got[name].dtype == np.float32


def test_everything_else_is_kept(language_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    done = run("warm", language_model, SENTENCES, "-o", out, "--sentences", 200)
    n_tokens = sum(map(len, read_default_sentences()[:200]))
    assert done.stderr == f"Wrote {out}, with a warm state from 200 sentences, {n_tokens:,} tokens\n"
    assert done.stdout == ""
    assert sorted(os.listdir(out)) == ["options.json", "vocab.txt", "weights.safetensors"]
    assert (out / "vocab.txt").read_text() == "<S>\n</S>\n<UNK>\nthe\n"
    before, after = read_weights(language_model), read_weights(out)
    assert after.options == before.options
    assert after.arrays.keys() == before.arrays.keys()
    for name, array in before.arrays.items():
        if not name.startswith("initial_state."):
            np.testing.assert_array_equal(after.arrays[name], array)
            assert after.arrays[name].dtype == array.dtype == np.float16
    check_state(after.arrays, language_model, read_default_sentences()[:200])


def test_a_pair(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command makes of the package's sentences is what `load` makes of them for a published model."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    pair = [tiny / "options.json", tiny / "weights.hdf5"]
    assert run("warm", *pair, SENTENCES, "-o", tmp_path / "out", "--quiet").stderr == ""
    assert sorted(os.listdir(tmp_path / "out")) == ["options.json", "weights.safetensors"]
    stored = spacy_elmo.load(tmp_path / "out", initial_state="warm")
    made = spacy_elmo.load(put_in_cache(tiny), initial_state="warm")
    for one, other in zip(
        stored.embed([["I", "love", "NLP"]])[0].items(), made.embed([["I", "love", "NLP"]])[0].items()
    ):
        np.testing.assert_array_equal(one[1], other[1])


def test_the_source_itself(language_model: Path, tmp_path: Path) -> None:
    shutil.copytree(language_model, tmp_path / "before")
    old = spacy_elmo.load(language_model, initial_state="zero")  # its arrays are the file's
    expected = old.embed([["I"]])[0].elmo
    assert warm(language_model, SENTENCES, language_model) == Summary(480, N_TOKENS)
    assert sorted(os.listdir(language_model)) == ["notes.txt", "options.json", "vocab.txt", "weights.safetensors"]
    check_state(read_weights(language_model).arrays, tmp_path / "before", read_default_sentences())
    np.testing.assert_array_equal(old.embed([["I"]])[0].elmo, expected)
    new = spacy_elmo.load(language_model, initial_state="zero")
    np.testing.assert_array_equal(new.embed([["I"]])[0].elmo, expected)


def test_nothing_to_read(tiny: Path, tmp_path: Path) -> None:
    lines = SENTENCES.read_text("utf-8").splitlines()[:170]
    (tmp_path / "text.txt").write_text("\n\n".join(lines), "utf-8")
    (tmp_path / "out").mkdir()
    assert warm(tiny, tmp_path / "text.txt", tmp_path / "out", max_sentences=165).n_sentences == 165
    check_state(read_weights(tmp_path / "out").arrays, tiny, [line.split() for line in lines[:165]])


def test_raw_text_is_split(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("I don't.\n" * 170, "utf-8")
    assert warm(tiny, tmp_path / "text.txt", tmp_path / "out", lang="en") == Summary(170, 170 * 4)


def test_packed_text(tiny: Path, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "text.txt.gz", "wt") as file:
        file.write("I don't. You do.\n" * 85)
    paths = [tmp_path / "text.txt.gz"] * 2
    assert warm(tiny, paths, tmp_path / "out") == Summary(170, 170 * 4)
    options: list[dict[str, Any]] = [{"lang": "en"}, {"pipeline": "blank:en"}]
    for option in options:
        made = warm(tiny, tmp_path / "text.txt.gz", tmp_path / next(iter(option)), **option)
        assert made == Summary(170, 85 * 7)


@pytest.mark.parametrize(
    ("output", "match"),
    [
        ("file", r"EL096.*is not a folder\. Give a new or empty folder"),
        ("full", r"EL096.*is a folder with other files"),
        ("source", r"EL096.*contains the source under other file names \(options.json, weights.hdf5\)"),
    ],
)
def test_wrong_outputs(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, match: str
) -> None:
    shutil.copytree(tiny, tmp_path / "source")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "weights.safetensors").write_text("of another model")
    (tmp_path / "file").write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(
        "spacy_elmo.inference.warm_state.make_state", lambda *_, **__: pytest.fail("worked for nothing")
    )
    with pytest.raises(ValueError, match=match):
        warm(tmp_path / "source", SENTENCES, tmp_path / output)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("name", "content", "options", "words"),
    [
        ("short.txt", "one\ntwo\n", {}, r"EL095.*requires at least 160 sentences.*got 2\. Give a longer text\.$"),
        ("empty.txt", "", {}, "EL095.*got 0"),
        ("text.txt", "a word\n" * 300, {"max_sentences": 100}, "EL095.*got 100. Give a higher --sentences"),
        ("text.pdf", "?", {}, "EL060"),
        ("text.conllu", "1\tword\n", {}, "EL061.*line 1"),
    ],
)
def test_wrong_texts(tiny: Path, tmp_path: Path, name: str, content: str, options: Any, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=words):
        warm(tiny, tmp_path / name, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_files_that_are_not_there(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="EL026"):
        warm(tiny, tmp_path / "nothing.txt", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="EL010"):
        warm(tmp_path / "nothing", SENTENCES, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_embed_with_computed_state(
    text: Path, tiny: Path, warm_tiny: Path, tmp_path: Path, sentences: list[list[str]], monkeypatch: Any
) -> None:
    """For a published model of English, without a word."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    put_in_cache(tiny, "sparknlp/elmo")
    done = run("embed", text, "-s", "elmo", "-o", tmp_path / "out.h5", "--initial-state", "warm", "-q")
    assert (done.stdout, done.stderr) == ("", "")
    expected = spacy_elmo.load(warm_tiny, initial_state="warm").embed(sentences)
    for got, output in zip(datasets(tmp_path / "out.h5"), expected):
        np.testing.assert_allclose(got, output.stack(), atol=1e-6)
    embed(text, tiny, tmp_path / "zero.h5")
    assert np.abs(datasets(tmp_path / "zero.h5")[0] - expected[0].stack()).max() > 0.01


def test_vocabularies_are_kept(language_model: Path, tiny: Path, tmp_path: Path) -> None:
    """Under another name; in the model's own folder; and a list of words that no softmax needs."""
    text = tmp_path / "text.txt"
    text.write_text("the bank by the river\n" * 200)
    words = (language_model / "vocab.txt").rename(language_model / "vocab-train.txt").read_bytes()
    warm(language_model, text, tmp_path / "out")
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == words
    warm(language_model, text, language_model)
    names = ["notes.txt", "options.json", "vocab-train.txt", "weights.safetensors"]
    assert sorted(os.listdir(language_model)) == names
    shutil.copytree(tiny, tmp_path / "words")
    (tmp_path / "words" / "vocab.txt").write_text("the\nof\n")
    warm(tmp_path / "words", text, tmp_path / "other")
    assert (tmp_path / "other" / "vocab.txt").read_text() == "the\nof\n"


def test_text_of_another_language(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way: the error names the command, and what it writes serves all others."""
    monkeypatch.setenv("SPACY_ELMO_CACHE", str(tmp_path / "cache"))
    source = write_source(tmp_path / "model", full_softmax())
    put_in_cache(source, "manylangs/pl")
    text, out, made = tmp_path / "pl.txt", tmp_path / "out.h5", tmp_path / "made"
    text.write_text("Kot śpi. Pies nie śpi, bo pada.\n" * 100, "utf-8")
    uses: list[Callable[..., object]] = [
        lambda model: perplexity(model, text, initial_state="warm"),
        lambda model: substitutes(model, text, initial_state="warm"),
        lambda model: embed(text, model, out, initial_state="warm"),
        lambda model: spacy_elmo.load(model, initial_state="warm"),
        lambda model: ElmoModule(model, initial_state="warm"),
    ]
    for model, code in (("pl", "EL300"), (str(source), "EL301")):
        for use in uses:
            with pytest.raises(ElmoError, match=rf"{code}\] initial_state = 'warm'"):
                use(model)
    assert not out.exists()
    done = run("perplexity", "pl", text, "--initial-state", "warm", code=1)
    assert "spacy-elmo warm manylangs/pl TEXT --output FOLDER" in done.stderr
    tokens = [["Kot", "śpi", "."], ["Pies", "nie", "śpi", ",", "bo", "pada", "."]] * 100
    assert warm("pl", text, made, lang="pl") == Summary(200, 1000)
    check_state(read_weights(made).arrays, source, tokens)
    for use in uses:
        use(made)
    elmo = spacy_elmo.load(made, initial_state="warm")
    nlp = spacy.blank("pl")
    nlp.add_pipe("elmo_embedder", config={"source": str(made), "model": {"initial_state": "warm"}})
    words = text.read_text("utf-8").split("\n")[0].split()
    [expected] = elmo.embed([words])
    np.testing.assert_allclose(datasets(out)[0], expected.stack(), atol=1e-6)
    np.testing.assert_allclose(nlp(Doc(nlp.vocab, words=words)).tensor, expected.elmo, atol=1e-6)
    module = ElmoModule(made, initial_state="warm").eval()
    np.testing.assert_allclose(module([words]).mixes[0][0].detach(), expected.elmo, atol=1e-6)
    zero, hot = (perplexity(made, text, initial_state=state).average for state in ("zero", "warm"))
    assert zero != pytest.approx(hot, rel=1e-3)


def test_pretrained_models(tmp_path: Path) -> None:
    """Pre-training stores no state. One is made for its result in place, or for the run."""
    run_folder = tmp_path / "run"
    train(make_config(tmp_path), run_folder).export()
    model = run_folder / "model"
    assert not read_weights(model).has_warm_state
    with pytest.raises(ValueError, match="EL301"):
        spacy_elmo.load(model, initial_state="warm")
    lines = write_text(tmp_path / "lines.txt", n_sentences=170)
    assert warm(run_folder, lines, tmp_path / "made") == warm(model, lines, model)
    for folder in (tmp_path / "made", model):
        assert sorted(os.listdir(folder)) == ["options.json", "vocab.txt", "weights.safetensors"]
    one, other = (read_weights(folder).arrays for folder in (tmp_path / "made", model))
    assert one.keys() == other.keys() >= {"initial_state.cell", "softmax.weight"}
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert warm(model, lines, tmp_path / "made again").n_sentences == 170
    with pytest.raises(ValueError, match=r"EL096.*is a folder with other files"):
        warm(run_folder, lines, run_folder)


def test_the_vocabulary_of_an_archive(language_model: Path, tmp_path: Path) -> None:
    """The one inside, not one that lies beside it."""
    archive = shutil.make_archive(str(tmp_path / "lm"), "zip", language_model)
    (tmp_path / "vocab.txt").write_text("another\n")
    lines = tmp_path / "text.txt"
    lines.write_text("the bank by the river\n" * 200)
    warm(archive, lines, tmp_path / "out")
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == (language_model / "vocab.txt").read_bytes()


@pytest.mark.filterwarnings("ignore:.*W095")
def test_a_saved_pipeline(tmp_path: Path) -> None:
    """Its weights have a checksum in `cfg`, so that they stay; the message says how it gets a state."""
    saved = Path(shutil.copytree(ROOT / "tests/saved/pipeline", tmp_path / "pipeline"))
    model, state = saved / "elmo_embedder/model", tmp_path / "state"
    before = (model / "weights.safetensors").read_bytes()
    as_warm = {"components.elmo_embedder.model.initial_state": "warm"}
    with pytest.raises(ValueError, match=r"EL301.*initialize\(source=FOLDER\) and nlp.to_disk"):
        spacy.load(saved, config=as_warm)
    with pytest.raises(ValueError, match=r"EL304.*belongs to a saved pipeline.*cfg'.*initialize\(source=FOLDER\)"):
        warm(model, SENTENCES, model)
    assert (model / "weights.safetensors").read_bytes() == before
    warm(model, SENTENCES, state)
    nlp = spacy.load(saved)
    zero = nlp("The living").tensor
    nlp.get_pipe("elmo_embedder").initialize(source=str(state))  # type: ignore[attr-defined]
    np.testing.assert_array_equal(nlp("The living").tensor, zero)
    nlp.to_disk(saved)
    elmo = spacy_elmo.load(state, initial_state="warm")
    doc = spacy.load(saved, config=as_warm)("The living")
    np.testing.assert_array_equal(doc.tensor, elmo.embed([["The", "living"]])[0].elmo)
    assert np.abs(doc.tensor - zero).max() > 0.01
