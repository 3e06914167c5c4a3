import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from spacy.tokens import DocBin
from spacy.training.converters import conll_ner_to_docs, conllu_to_docs

from benchmarks import downstream
from scripts.corpora import TEXTS, Text, cleaned, read_text, write_texts
from tests.data import ROOT, shared_path

CLEAN = "Empire\tB-location\nState\tI-location\n\nNext\tO\n\nlast\tO\n\n"
# As the repository has it: separators of blanks, marks without width, no end.
RAW = "\ufeffEmpire\tB-location\nSta\u200bte\tI-location\n\t\nNext\tO\n\nlast\tO"


def make_text(content: str, name: str = "a.conll") -> Text:
    return Text(name, f"local-{name}", f"raw-{name}", hashlib.sha256(content.encode()).hexdigest())


def test_cleaning() -> None:
    assert cleaned(RAW) == CLEAN
    assert cleaned(CLEAN) == CLEAN
    assert cleaned(RAW.replace("\n", "\r\n")) == CLEAN


def test_local_copies_go_before_downloads(tmp_path: Path) -> None:
    text = make_text(CLEAN)
    (tmp_path / text.download).write_text(RAW, "utf-8")
    assert read_text(text, local=tmp_path / "none", downloads=tmp_path) == CLEAN
    (tmp_path / text.local).write_text("other\tO\n\n", "utf-8")
    with pytest.raises(SystemExit, match=f"local-a.conll is another text.*not {text.sha256}. Remove it"):
        read_text(text, local=tmp_path, downloads=tmp_path)


def test_a_treebank_is_taken_as_it_is(tmp_path: Path) -> None:
    text = make_text("1\t\u200b\n\t\n", "a.conllu")
    (tmp_path / text.local).write_text("1\t\u200b\n\t\n", "utf-8", newline="\n")
    assert read_text(text, local=tmp_path, downloads=tmp_path) == "1\t\u200b\n\t\n"


def test_nothing_is_written_if_one_is_wrong(tmp_path: Path) -> None:
    good, missing = make_text(CLEAN), make_text("more", "b.conll")
    (tmp_path / good.local).write_text(CLEAN, "utf-8")
    with pytest.raises(SystemExit, match=r"neither .*local-b\.conll nor .*raw-b\.conll.*spacy project assets"):
        write_texts([good, missing], local=tmp_path, downloads=tmp_path, output=tmp_path / "output")
    assert not (tmp_path / "output").exists()


def test_the_first_sentences(tmp_path: Path) -> None:
    text = make_text(CLEAN)
    (tmp_path / text.local).write_text(CLEAN, "utf-8")
    for number, expected in ((2, CLEAN[: CLEAN.index("last")]), (3, CLEAN), (9, CLEAN), (None, CLEAN)):
        write_texts([text], local=tmp_path, downloads=tmp_path, output=tmp_path / "output", sentences=number)
        assert (tmp_path / "output" / "a.conll").read_text("utf-8").rstrip() == expected.rstrip()


def test_the_corpora_here(tmp_path: Path) -> None:
    """Their sums are those in the script; cut, they are whole sentences."""
    corpora = shared_path("corpora")
    command = [sys.executable, "scripts/corpora.py", "--local", corpora, "--downloads", tmp_path / "none"]
    subprocess.run([*map(str, command), "--output", str(tmp_path), "--sentences", "5"], cwd=ROOT, check=True)
    assert {path.name for path in tmp_path.iterdir()} == {text.name for text in TEXTS}
    for name in ("ewt-train.conllu", "ewt-dev.conllu", "ewt-test.conllu"):
        assert len(list(conllu_to_docs((tmp_path / name).read_text("utf-8"), n_sents=1, no_print=True))) == 5


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_entities_as_spacy_converts_them(split: str) -> None:
    path = shared_path("corpora") / "wnut17" / f"{split}.conll"
    ours = list(downstream._entities(path))
    # A round trip, as `spacy convert` writes them.
    docs = conll_ner_to_docs(path.read_text("utf-8"), n_sents=1, no_print=True)
    spacys = list(DocBin().from_bytes(DocBin(docs=docs).to_bytes()).get_docs(ours[0].vocab))
    assert [doc.text for doc in spacys] == [doc.text for doc in ours]
    assert [[token.text for token in doc] for doc in spacys] == [[token.text for token in doc] for doc in ours]
    assert [[(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in spacys] == [
        [(ent.start, ent.end, ent.label_) for ent in doc.ents] for doc in ours
    ]
