import re
import socket
import sys
import threading
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
import spacy
from spacy.language import Language
from spacy.tokens import Doc

import spacy_elmo
from spacy_elmo import visual
from spacy_elmo.errors import ElmoError
from spacy_elmo.pipeline.mixes import LearnedMix, find_mixes
from tests.html_checks import check_html
from tests.visual.html_tree import find_all, parse, read_cells, text_of, texts_of

OUTSIDE = re.compile(r"(?:src|href|action)\s*=|url\(|@import|https?://", re.IGNORECASE)


@pytest.fixture
def pages(banks: Sequence[Doc], english: Language) -> dict[str, str]:
    """A page of each style."""
    texts = {"similarity": banks[1:]}
    pages = {
        style: visual.render(texts.get(style, banks), style, page=True, jupyter=False)
        for style in visual.STYLES
        if style != "layers"
    }
    pages["map of a word"] = visual.render(banks, "map", page=True, options={"word": "bank"})
    pages["layers"] = visual.render(english, "layers", page=True)
    return {style: page or "" for style, page in pages.items()}


@pytest.mark.needs("html5lib")
def test_pages_are_valid(pages: dict[str, str]) -> None:
    assert {*visual.STYLES} < {*pages}
    check_html(*pages.values())


def test_pages_need_nothing_else(pages: dict[str, str]) -> None:
    for page in pages.values():
        # The name space of SVG is not needed in HTML.
        assert not OUTSIDE.search(page)


@pytest.mark.needs("html5lib")
def test_a_fragment(small: Language) -> None:
    html = visual.render(small("one two"))
    assert html is not None
    assert html.startswith("<style>")
    assert "<html" not in html
    assert len(find_all(parse(html), "elmo-figure")) == 1
    assert html == visual.render(small("one two")), "nothing random"


def test_in_a_notebook(small: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    module: Any = types.ModuleType("IPython.display")
    module.HTML, module.display = str, shown.append
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    doc = small("one two")
    expected = visual.render(doc, jupyter=False)
    assert visual.render(doc, jupyter=True) is None
    monkeypatch.setattr("spacy_elmo.visual.rendering.is_in_jupyter", lambda: True)
    assert visual.render(doc) is None
    assert shown == [expected, expected]
    assert visual.render(doc, jupyter=False) == expected


def test_without_a_notebook(small: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.display", None)
    with pytest.raises(ImportError, match=r"\[EL316\] jupyter = True .*leave `jupyter` out"):
        visual.render(small("one two"), jupyter=True)


@pytest.mark.needs("html5lib")
def test_mixes_of_pipelines_and_models(small: Language, tiny: Path) -> None:
    elmo = spacy_elmo.load(tiny)
    elmo.more_mixes.append(elmo.mix)
    [mix] = find_mixes(small)

    def names(given: object) -> list[str]:
        tree = parse(visual.render(given, "layers"))
        assert all(row == ["33.3 %"] * 3 + ["1.00"] for row in read_cells(tree))
        return [text_of(head) for body in tree.iter("tbody") for head in body.iter("th")]

    assert names(small) == ["shared (elmo)"]
    assert names([small, small]) == ["shared (elmo)"] * 2
    assert names({"a": small, "b": elmo}) == ["a/shared (elmo)", "b 1", "b 2"]
    assert names(elmo) == ["elmo 1", "elmo 2"]
    assert names([mix]) == ["shared (elmo)"]


@pytest.mark.parametrize("given", [None, [], {}, "folder", spacy.blank("en"), [7]])
def test_no_mixes(given: object) -> None:
    with pytest.raises(ElmoError, match=r"\[EL339\] .*Give a pipeline with an elmo_embedder"):
        visual.render(given, "layers")


def test_save(small: Language, tmp_path: Path) -> None:
    doc, path = small("one two"), tmp_path / "picture.html"
    visual.save(doc, path, "drift", options={"measure": "cosine"})
    page = path.read_text("utf-8")
    assert page == visual.render(doc, "drift", page=True, options={"measure": "cosine"})
    with pytest.raises(ElmoError, match="EL331"):
        visual.save(doc, path, options={"no": 1})
    assert path.read_text("utf-8") == page
    visual.save(doc, str(path))
    assert path.read_text("utf-8") == visual.render(doc, page=True)
    assert [one.name for one in tmp_path.iterdir()] == ["picture.html"]


def test_where_nothing_can_be_saved(small: Language, tmp_path: Path) -> None:
    doc = small("one two")
    with pytest.raises(ElmoError, match=r"\[EL314\].*ends in '\.png'.*\.html"):
        visual.save(doc, tmp_path / "picture.png")
    with pytest.raises(FileNotFoundError, match="EL064"):
        visual.save(doc, tmp_path / "absent" / "picture.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OSError, match=r"folder\.html"):
        visual.save(doc, tmp_path / "folder.html")


def test_serve(small: Language, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser asks for the page, and the user then presses Ctrl-C."""
    doc = small("one two")
    answers: list[requests.Response] = []
    from wsgiref.simple_server import WSGIServer

    def serve_and_stop(self: WSGIServer) -> None:
        def ask() -> None:
            for path in ("/", "/favicon.ico"):
                answers.append(requests.get(f"http://127.0.0.1:{self.server_port}{path}", timeout=30))

        asking = threading.Thread(target=ask)
        asking.start()
        for _ in range(2):
            self.handle_request()
        asking.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(WSGIServer, "serve_forever", serve_and_stop)
    visual.serve(doc, "drift", port=0)
    page, icon = answers
    assert page.text == visual.render(doc, "drift", page=True)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert icon.status_code == 404
    out, err = capsys.readouterr()
    assert re.fullmatch(r"Serving the style 'drift' at http://127\.0\.0\.1:\d+, until Ctrl-C\n", out)
    assert err == ""


def test_serve_at_a_port_in_use(small: Language) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            OSError, match=rf"\[EL315\] Port {port} of 127\.0\.0\.1 cannot be used \(.*Choose anoth"
        ):
            visual.serve(small("one"), port=port)
    with pytest.raises(OSError, match="EL315"):
        visual.serve(small("one"), port=70_000)


def test_titles(small: Language) -> None:
    page = visual.render(small("one two"), "map", page=True)
    assert page is not None
    assert "<title>ELMo: map</title>" in page


def test_a_mix_that_was_trained() -> None:
    html = visual.render([LearnedMix("ner", [0.1, 0.7, 0.2], 1.5)], "layers")
    assert texts_of(parse(html), "elmo-gamma") == ["1.50"]
