import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import spacy
from spacy.tokens import Doc, DocBin

import spacy_elmo
from spacy_elmo.elmo import Elmo
from spacy_elmo.weights.formats import folder as folder_module
from tests.cli.command import embed, run
from tests.data import read_case
from tests.platforms import KILL, links, named_pipes, signals


def datasets(path: Path) -> list[np.ndarray]:
    with h5py.File(path) as file:
        return [file[str(i)][()] for i in range(len(file) - ("sentence_to_index" in file))]


def test_layout_of_allennlp(
    text: Path, tiny: Path, tmp_path: Path, elmo: Elmo, sentences: list[list[str]]
) -> None:
    out = tmp_path / "out.h5"
    done = run("embed", text, "--source", tiny, "--output", out)
    n_tokens = sum(len(sentence) for sentence in sentences)
    assert f"Wrote 10 sentences, {n_tokens} tokens" in done.stderr
    assert "tokens/s" in done.stderr
    expected = [output.stack() for output in elmo.embed(sentences)]
    with h5py.File(out) as file:
        assert set(file) == {str(i) for i in range(10)} | {"sentence_to_index"}
        for i, array in enumerate(expected):
            assert file[str(i)].dtype == np.float32
            assert file[str(i)].shape == (3, len(sentences[i]), 16)
            np.testing.assert_allclose(file[str(i)][()], array, atol=2e-5)
        # As AllenNLP's readers take it: one string of JSON in an array of one.
        index = json.loads(file["sentence_to_index"][0])
    lines = text.read_text("utf-8").splitlines()
    assert index == {line: str(i) for i, line in enumerate(lines)}


def test_threads(text: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int | None] = []
    load = spacy_elmo.elmo.load

    def spy(*arguments: Any, **options: Any) -> Any:
        seen.append(options["n_threads"])
        return load(*arguments, **options)

    monkeypatch.setattr("spacy_elmo.elmo.load", spy)
    embed(text, tiny, tmp_path / "out.h5", n_threads=2)
    embed(text, tiny, tmp_path / "out.h5")
    assert seen == [2, None]


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({"layers": ["word_emb"]}, (1, 30, 16)),
        ({"layers": ["elmo", "lstm_outputs2"]}, (2, 30, 16)),
        ({"reduce": "average"}, (30, 16)),
        ({"reduce": "top"}, (30, 16)),
        ({"layers": ["word_emb", "lstm_outputs1"], "reduce": "average"}, (30, 16)),
    ],
)
def test_layers(
    text: Path, tiny: Path, tmp_path: Path, elmo: Elmo, sentences: list[list[str]], settings: Any, shape: Any
) -> None:
    out = tmp_path / "out.h5"
    embed(text, tiny, out, **settings)
    got = datasets(out)[0]
    assert got.shape == shape
    full = elmo.embed(sentences)[0]
    rows = {"word_emb": full.stack()[0], "lstm_outputs1": full.lstm_outputs1, "lstm_outputs2": full.lstm_outputs2}
    rows["elmo"] = full.elmo
    names = settings.get("layers") or ["word_emb", "lstm_outputs1", "lstm_outputs2"]
    expected = np.stack([rows[name] for name in rows if name in names])
    if settings.get("reduce") == "average":
        expected = expected.mean(axis=0)
    elif settings.get("reduce") == "top":
        expected = rows["lstm_outputs2"]
    np.testing.assert_allclose(got, expected, atol=2e-5)


def test_whitespace(tiny: Path, tmp_path: Path, elmo: Elmo) -> None:
    (tmp_path / "a.txt").write_text("I don't.\n\nEnd.", "utf-8")
    embed(tmp_path / "a.txt", tiny, tmp_path / "out.h5", lang="en")
    assert [array.shape[1] for array in datasets(tmp_path / "out.h5")] == [4, 0, 2]
    (tmp_path / "a.jsonl").write_text('{"text": "a  \\n b"}', "utf-8")
    embed(tmp_path / "a.jsonl", tiny, tmp_path / "out.h5", forget_sentences=True)
    [array] = datasets(tmp_path / "out.h5")
    assert not array[:, 1].any()
    np.testing.assert_allclose(array[:, [0, 2]], elmo.embed([["a", "b"]])[0].stack(), atol=1e-6)


def test_several_formats(tiny: Path, tmp_path: Path) -> None:
    vocab = spacy.blank("en").vocab
    DocBin(docs=[Doc(vocab, words=words) for words in (["a"] * 3, [], ["b"] * 4)]).to_disk(tmp_path / "a.spacy")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("one\u00a0two three\n\n".encode()))
    (tmp_path / "c.jsonl").write_text(json.dumps(spacy.blank("en")("Hi there, you").to_json()))
    embed([tmp_path / name for name in ("a.spacy", "b.txt.gz", "c.jsonl")], tiny, tmp_path / "out.h5")
    assert [array.shape[1] for array in datasets(tmp_path / "out.h5")] == [3, 0, 4, 2, 0, 4]


@pytest.mark.slow
def test_standard_input(tiny: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "spacy_elmo", "embed", "-s", str(tiny), "-q"]
    cases = [("-", ["--format", "tokens"])]
    if Path("/dev/stdin").exists():
        cases.append(("/dev/stdin", []))
    for name, settings in cases:
        out = tmp_path / f"{len(settings)}.h5"
        done = subprocess.run(
            [*command, name, "-o", str(out), *settings],
            input=b"I do n't .\nEnd\n",
            capture_output=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert [array.shape[1] for array in datasets(out)] == [4, 1]


def test_sentences_of_a_pipeline(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("I don't. End.\n\nOne", "utf-8")
    embed(tmp_path / "a.txt", tiny, tmp_path / "out.h5", pipeline="blank:en")
    assert [array.shape[1] for array in datasets(tmp_path / "out.h5")] == [4, 2, 0, 1]
    with pytest.raises(ValueError, match=r"EL207.*--format conllu and --lang"):
        embed(tmp_path / "a.txt", tiny, tmp_path / "out.h5", format="conllu", lang="en")
    with pytest.raises(ValueError, match=r"EL070.*tokenizer:nolanguage"):
        embed(tmp_path / "a.txt", tiny, tmp_path / "out.h5", lang="nolanguage")


def test_checks_come_first(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Elmo, "stream", lambda *_, **__: pytest.fail("computed for nothing"))
    (tmp_path / "a.txt").write_bytes(b"good\n" * 3000 + b"caf\xe9 .\n")
    with pytest.raises(ValueError, match=r"EL061.*line 3001: not UTF-8"):
        embed(tmp_path / "a.txt", tiny, tmp_path / "out.h5")
    assert not (tmp_path / "out.h5").exists()


def test_carried_state_in_batches(parity: Path, tmp_path: Path) -> None:
    """`allennlp elmo --batch-size 3` on a text file, with the state that it carried."""
    folder = parity / "bilm" / "base"
    case = read_case(folder, "expected_stateful")
    lines = [json.dumps({"tokens": sentence}) for sentence in case.sentences]
    (tmp_path / "a.jsonl").write_text("\n".join(lines), "utf-8")
    embed(tmp_path / "a.jsonl", folder, tmp_path / "out.h5", initial_state="carry", batch_size=3)
    got = datasets(tmp_path / "out.h5")
    assert len(got) == len(case.expected) == 31
    assert max(np.abs(one - two).max() for one, two in zip(got, case.expected)) <= 1e-4


def test_source_as_a_pair(text: Path, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    pair = ["-s", tiny / "options.json", "-s", tiny / "weights.hdf5"]
    done = run(
        "embed",
        text,
        *pair,
        "-o",
        out,
        "--average",
        "--quiet",
        "--layers",
        "lstm_outputs1, elmo",
        "--layers",
        "word_emb",
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert datasets(out)[0].shape == (30, 16)


@pytest.mark.slow
@signals
def test_killed_run(parity: Path, tmp_path: Path) -> None:
    text, out = tmp_path / "long.txt", tmp_path / "out.h5"
    text.write_text("one sentence of many words to keep it busy for a while\n" * 200_000, "utf-8")
    out.write_text("of yesterday")
    command = [sys.executable, "-m", "spacy_elmo", "embed", str(text), "-s", str(parity / "bilm" / "realistic")]
    for number in (signal.SIGTERM, KILL):
        with subprocess.Popen([*command, "-o", str(out), "--force"], stderr=subprocess.DEVNULL) as process:
            try:
                for _ in range(600):
                    if list(tmp_path.glob(".out.h5.*.tmp")):
                        break
                    time.sleep(0.1)
                time.sleep(0.5)
                assert process.poll() is None
                process.send_signal(number)
                assert process.wait(timeout=60) == -number
            finally:
                process.kill()
        assert out.read_text() == "of yesterday"
        if number == signal.SIGTERM:
            assert sorted(os.listdir(tmp_path)) == ["long.txt", "out.h5"]


def test_failure_keeps_old_file(tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    out.write_text("of yesterday")
    (tmp_path / "a.jsonl").write_text('{"tokens": ["good"]}\n' * 5000 + "bad\n", "utf-8")
    done = run("embed", tmp_path / "a.jsonl", "-s", tiny, "-o", out, "--force", code=1)
    assert "[EL061]" in done.stderr
    assert "line 5001" in done.stderr
    assert "Traceback" not in done.stderr
    assert out.read_text() == "of yesterday"
    assert sorted(os.listdir(tmp_path)) == ["a.jsonl", "out.h5"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-", "-s", "TINY", "-o", "."], ["EL228", "give a file as the output, such as ./elmo.h5"]),
        (["a.txt", "-s", "TINY", "-o", "no/such/out.h5"], ["EL064", "does not exist"]),
        (["a.txt", "-s", "TINY", "-o", "a.txt"], ["EL066", "an input of this command"]),
        (["b.txt", "-s", "TINY", "-o", "out.h5"], ["EL026", "b.txt"]),
        (["empty.txt", "-s", "TINY", "-o", "out.h5"], ["EL062", "nothing to embed"]),
        (["a.txt", "-s", "orignal", "-o", "out.h5"], ["EL010", "Closest: original"]),
        (["a.txt", "-s", "TINY", "-o", "out.h5", "--layers", "lstm_outputs3"], ["EL031"]),
        (["a.txt", "-s", "TINY", "-o", "out.h5", "--layers", "top"], ["EL030"]),
        (["a.txt", "-s", "TINY", "-o", "out.h5", "--precision", "fp8"], ["EL030", "fp32, fp64, tf32, bf16, int8"]),
        (["a.txt", "-s", "TINY", "-o", "out.h5", "--average", "--top"], ["EL065"]),
        (["a.txt", "-s", "TINY", "-o", "out.h5", "--top", "--layers", "elmo"], ["EL065", "--top and --layers"]),
        (["a.txt", "-s", "TINY", "-o", "out.h5", "--initial-state", "hot"], ["EL030", "zero, warm, carry"]),
        (["a.txt", "-s", "TINY", "-o", "out.h5", "--device", "tpu"], ["EL040"]),
    ],
)
def test_wrong_arguments(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("text")
    Path("empty.txt").write_text("")
    done = run("embed", *[str(tiny) if one == "TINY" else one for one in arguments], code=1)
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert Path("a.txt").read_text() == "text"
    assert sorted(os.listdir(".")) == ["a.txt", "empty.txt"]


def test_wrong_outputs(tiny: Path, text: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny, model)
    for name in ("weights.hdf5", "options.json"):
        before = (model / name).read_bytes()
        with pytest.raises(ValueError, match=r"EL066.*an input of this command"):
            embed(text, model, model / name)
        assert (model / name).read_bytes() == before
    with pytest.raises(ValueError, match=r"EL063.*is a folder"):
        embed(text, tiny, tmp_path)


@named_pipes
def test_an_output_that_is_a_pipe(tiny: Path, text: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"EL067.*not a regular file"):
        embed(text, tiny, tmp_path / "pipe")


@links
def test_a_link_is_followed(tiny: Path, text: Path, tmp_path: Path) -> None:
    (tmp_path / "target.h5").write_text("old")
    (tmp_path / "link.h5").symlink_to("target.h5")
    embed(text, tiny, tmp_path / "link.h5")
    assert (tmp_path / "link.h5").is_symlink()
    assert len(datasets(tmp_path / "target.h5")) == 10


def test_a_trained_mix_is_used(tiny: Path, tmp_path: Path, elmo: Elmo, text: Path) -> None:
    arrays = elmo.named_arrays()
    arrays["scalar_mix.weights"] = np.array([5, -5, -5], dtype=np.float32)
    arrays["scalar_mix.gamma"] = np.array(2, dtype=np.float32)
    folder_module.write_folder(tmp_path / "model", elmo.options, arrays)
    embed(text, tmp_path / "model", tmp_path / "out.h5", layers=["word_emb", "elmo"])
    word_emb, mixed = datasets(tmp_path / "out.h5")[0]
    np.testing.assert_allclose(mixed, 2 * word_emb, atol=1e-2)
    output = spacy_elmo.load(tmp_path / "model").embed([text.read_text("utf-8").split()])[0]
    assert np.isfinite(output.elmo).all()


def test_precision(tiny: Path, tmp_path: Path, text: Path) -> None:
    embed(text, tiny, tmp_path / "out.h5", precision="fp64")
    expected = spacy_elmo.load(tiny, precision="fp64").embed([text.read_text("utf-8").splitlines()[0].split()])
    # The file is float32 whatever it was computed in: as near as that allows, nearer than float32 comes.
    np.testing.assert_allclose(datasets(tmp_path / "out.h5")[0], expected[0].stack(), rtol=6e-8, atol=0)


def test_help_and_version() -> None:
    assert "embed" in run("--help").stdout
    assert run("--version").stdout.strip() == spacy_elmo.__version__
    assert "--layers" in run("embed", "--help").stdout


@pytest.mark.parametrize("name", ["token_embedder.pkl", "char.dic", "config.json"])
def test_source_is_not_overwritten(parity: Path, tmp_path: Path, name: str) -> None:
    model = Path(shutil.copytree(parity / "manylangs/char", tmp_path / "m", copy_function=shutil.copyfile))
    (tmp_path / "in.txt").write_text("a b\n")
    before = (model / name).read_bytes()
    with pytest.raises(ValueError, match=r"EL066.*is also an input of this command"):
        embed(tmp_path / "in.txt", model, model / name)
    assert (model / name).read_bytes() == before
