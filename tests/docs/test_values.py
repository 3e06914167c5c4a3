"""What pages show has the values that they speak of: sequences (with a small model in place of SeqVec), pictures,
the server, similarity."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

import spacy_elmo
from spacy_elmo import visual
from spacy_elmo.visual.style_options import DriftOptions, MapOptions, NeighbourOptions, SimilarityOptions
from tests.data import ROOT, TINY, read_npz
from tests.docs.pages import DOCS, read_blocks
from tests.docs.snippets import read_page

# Folders that the page of sequences names; `seqvec` would be downloaded.
FOLDERS = ("uniref50_v2", "catELMo", "FOLDER")
SEQUENCES = ROOT / "tests" / "sequences"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for folder in FOLDERS:
        shutil.copytree(TINY, tmp_path / folder)
    shutil.copy(SEQUENCES / "proteins.fasta", tmp_path)
    (tmp_path / "molecules.txt").write_text("C C ( = O ) O\nBr C Cl\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.needs("pandas")
@pytest.mark.needs("pyarrow")
@pytest.mark.filterwarnings("ignore:.*WL093")
def test_sequences(place: Path) -> None:
    """The vectors that come out are those of the reference, summed, and averaged over residues."""
    found: dict[str, Any] = {}
    for example in read_page(DOCS / "sequences.md", ["bash", "python"]):
        example.evaluate()
        found = example.namespace
    golden = [*read_npz(SEQUENCES / "expected.npz").values()]
    ids = ["sp|T00001|ONE_TEST", "T00002/3-9", "6TST:A", "T00003"]
    assert [*found["vectors"]] == ids
    for id, layers in zip(ids, golden):
        np.testing.assert_allclose(found["residues"][id], layers.sum(axis=0), atol=5e-5)
        np.testing.assert_allclose(found["vectors"][id], layers.sum(axis=0).mean(axis=0), atol=5e-5)
    assert found["embedding"].shape == (3, 8, 16)
    assert found["residue_embd"].shape == (8, 16)
    assert found["proteins"]["P2"].shape == found["data"]["tcr_embeds"][1].shape == (16,)
    files = {path.name for path in place.iterdir() if path.is_file()}
    assert {"embeddings_file.h5", "reduced_embeddings_file.h5", "proteins.parquet", "molecules.h5"} <= files
    assert (place / "vectors" / "proteins.fasta.h5").is_file()


@pytest.mark.usefixtures("place")
def test_visual(monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom, in one namespace."""
    render = visual.render
    drawn: list[tuple[str, str]] = []

    def note(docs: Any, style: str = "neighbours", **settings: Any) -> None:
        drawn.append((style, render(docs, style, **settings) or ""))

    monkeypatch.setattr(visual, "render", note)
    found: dict[str, Any] = {}
    for example in read_page(DOCS / "visual.md", ["python"]):
        example.evaluate()
        found = example.namespace
    styles = ["neighbours", "neighbours", "map", "map", "similarity", "drift", "layers"]
    assert [style for style, _ in drawn] == styles
    assert all(f'data-style="{style}"' in html for style, html in drawn)
    assert Path("banks.html").read_text("utf-8") == render(found["docs"], page=True)


@pytest.mark.needs("starlette")
def test_serve(capsys: pytest.CaptureFixture[str]) -> None:
    """What the page shows in Python, and with curl, against a server."""
    from spacy_elmo.server.served_model import serve_elmo
    from spacy_elmo.splitter import make_splitter
    from tests.server.running import run_server

    elmo = spacy_elmo.load("en_sm")
    [code] = read_blocks(DOCS / "serve.md", "python")
    [_, request] = read_blocks(DOCS / "serve.md", "bash")
    with run_server(serve_elmo(elmo, source="en_sm", nlp=make_splitter("en"))) as served:
        exec(code.replace("http://127.0.0.1:8000", served.url), {})
        tokens = ["I", "love", "NLP", ".", "So", "do", "you", "."]
        assert capsys.readouterr().out == "".join(f"{token} 256\n" for token in tokens)
        [_, _, kind, _, body, address] = shlex.split(request)
        name, _, value = kind.partition(": ")
        answer = requests.post(
            address.replace("http://127.0.0.1:8000", served.url), data=body, headers={name: value}, timeout=60
        )
        [sentence] = answer.json()["sentences"]
        [expected] = elmo.embed([["I", "love", "NLP"]])
        assert [*sentence["layers"]] == elmo.layer_names
        np.testing.assert_array_equal(np.float32(sentence["layers"]["elmo"]), expected.elmo)


def test_cosines() -> None:
    """Above 0 for most pairs of words, and around 0 after the step that the page shows."""
    [code] = [block for block in read_blocks(DOCS / "troubleshooting.md", "python") if "centred" in block]
    found: dict[str, Any] = {}
    exec(code.replace("text.txt", (ROOT / "assets" / "gettysburg.txt").as_posix()), found)
    words = np.array([word.lower() for sentence in found["sentences"] for word in sentence])
    others = words[:, None] != words

    def compare(rows: Any) -> Any:
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return (unit @ unit.T)[others]

    assert (compare(found["rows"]) > 0).mean() > 0.9
    assert compare(found["rows"]).mean() > 0.1
    assert abs(compare(found["centred"]).mean()) < 0.03


def test_options_of_pictures() -> None:
    """The table has every option of every style, and no other."""
    text = (DOCS / "visual.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (`\w+`.*?|all but `layers`) \|", text, re.M)
    kinds = (NeighbourOptions, SimilarityOptions, MapOptions, DriftOptions)
    every = {kind.style for kind in kinds}
    shown = {
        (option, style)
        for option, styles in rows
        for style in (every if styles.startswith("all") else re.findall(r"`(\w+)`", styles))
    }
    assert shown == {(option, kind.style) for kind in kinds for option in kind.model_fields}
