"""The content of each style: what a reader finds in it, against the vectors."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from spacy.language import Language
from spacy.tokens import Doc

from spacy_elmo.errors import ElmoError
from spacy_elmo.pipeline.mixes import LearnedMix
from spacy_elmo.visual import render
from spacy_elmo.visual.figures import STYLES, draw_figure, draw_mixes
from spacy_elmo.visual.geometry import cosines, measure_relations, measure_turn
from spacy_elmo.visual.passages import read_passages
from tests.visual.html_tree import find_all, parse, read_cells, read_data, text_of, texts_of

pytestmark = pytest.mark.needs("html5lib")

LAYERS = ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"]
HOSTILE = "<script>alert('x')</script>\"&amp;\x00\x1b[31m\ufffe\ufdd0"


def draw(docs: Any, style: str, **options: Any) -> Any:
    return parse(draw_figure(read_passages(docs), style, options))


def neighbours(tree: Any, row: int, layer: str) -> list[tuple[int, float]]:
    """What the script is given of a token."""
    data = read_data(tree)
    found = data["layers"][layer]
    places = range(row * found["k"], (row + 1) * found["k"])
    return [(found["rows"][k], found["cosines"][k] / data["scale"]) for k in places if found["rows"][k] >= 0]


def test_neighbours(banks: Sequence[Doc]) -> None:
    tree = draw(banks, "neighbours")
    tokens = texts_of(tree, "elmo-token")
    assert tokens == [token.text for doc in banks for token in doc]
    river, money, stream, london = [row for row, token in enumerate(tokens) if token == "bank"]
    for one, other in ((river, stream), (stream, river), (money, london), (london, money)):
        ranked = [row for row, _ in neighbours(tree, one, "lstm_outputs1")]
        assert ranked[0] == other
    # The chosen token is listed without the script, too.
    assert texts_of(tree, "elmo-chosen") == ["Nearest to They sat on the bank of the river and watched the boats."]
    [chosen] = [one for one in find_all(tree, "elmo-token") if one.get("aria-pressed") == "true"]
    assert (text_of(chosen), chosen.get("data-token")) == ("bank", str(river))
    [first, *_] = find_all(tree, "elmo-neighbour")
    assert [text_of(mark) for mark in first.iter("mark")] == ["bank"]
    assert text_of(first).split(" ", 1)[1] == "The flood had washed away the bank of the stream."
    assert [one.get("tabindex") for one in find_all(tree, "elmo-token")].count(None) == 1


def test_neighbours_are_nearest(banks: Sequence[Doc]) -> None:
    tree = draw(banks, "neighbours", k=3, same_sentence=True)
    for layer in LAYERS:
        array = np.concatenate([doc._.elmo[layer] for doc in banks])
        every = cosines(array, array)
        np.fill_diagonal(every, -2)
        for row in range(len(array)):
            found = neighbours(tree, row, layer)
            assert [value for _, value in found] == pytest.approx(np.sort(every[row])[::-1][:3], abs=0.0051)
            assert [every[row, other] for other, _ in found] == pytest.approx([v for _, v in found], abs=0.0051)


def test_neighbours_of_other_sentences(banks: Sequence[Doc]) -> None:
    tree = draw(banks[:1], "neighbours", k=50)
    sentences = [sentence for sentence, span in enumerate(banks[0].sents) for _ in span]
    for row, sentence in enumerate(sentences):
        found = [other for other, _ in neighbours(tree, row, "elmo")]
        assert {sentences[other] for other in found} == {1 - sentence}
    # There is no other: neighbours are of the same one.
    assert neighbours(draw(banks[1], "neighbours"), 0, "elmo")
    assert not neighbours(draw(banks[1], "neighbours", same_sentence=False), 0, "elmo")


def test_token_and_layer(banks: Sequence[Doc]) -> None:
    tree = draw(banks, "neighbours", token=3, layer="elmo")
    assert [one.get("value") for one in tree.iter("option") if one.get("selected") is not None] == ["elmo"]
    assert [
        one.get("data-token") for one in find_all(tree, "elmo-token") if one.get("aria-pressed") == "true"
    ] == ["3"]
    shown = [f"{value:.2f}" for _, value in neighbours(tree, 3, "elmo")]
    assert texts_of(tree, "elmo-number") == shown


def test_numbers_of_numpy(banks: Sequence[Doc]) -> None:
    one = draw(banks, "neighbours", token=np.int64(3), k=np.int32(2))
    assert texts_of(one, "elmo-chosen") == texts_of(draw(banks, "neighbours", token=3, k=2), "elmo-chosen")
    assert texts_of(draw(banks, "map", word="bank", labels=[0, 1, 0]), "elmo-legend") == [" 0 1"]


def test_similarity(english: Language) -> None:
    one, two = english("The vote was postponed."), english("They delayed the vote")
    tree = draw([one, two], "similarity")
    tables = find_all(tree, "elmo-heat")
    assert len(tables) == len(LAYERS)
    for layer, panel in zip(LAYERS, find_all(tree, "elmo-panel")):
        assert panel.get("data-layer") == layer
        assert (panel.get("hidden") is None) == (layer == "lstm_outputs1")
        cells = read_cells(panel)
        shown = [[float(cell.replace("−", "-")) for cell in row if cell] for row in cells]
        np.testing.assert_allclose(shown, cosines(one._.elmo[layer], two._.elmo[layer]), atol=0.0051)
        heads = [text_of(head) for head in panel.iter("th")]
        assert heads == [token.text for token in two] + [token.text for token in one]
        best = find_all(panel, "elmo-best")
        assert [float(text_of(cell).replace("−", "-")) for cell in best] == [max(row) for row in shown]


def test_similarity_of_a_text_with_itself(english: Language) -> None:
    doc = english("The vote was postponed.")
    panel = find_all(draw(doc, "similarity", layer="word_emb"), "elmo-panel")[0]
    cells = read_cells(panel)
    assert [cells[row][row] for row in range(5)] == ["1.00"] * 5
    assert "1.00" not in texts_of(panel, "elmo-best")


def test_colours_repeat_the_numbers(english: Language) -> None:
    tree = draw([english("A red rose"), english("Second chapter of war")], "similarity")
    for cell in find_all(tree, "elmo-cell"):
        value, kind = float(text_of(cell).replace("−", "-")), cell.get("class", "")
        if value < 0:
            assert "elmo-negative" in kind
        elif "elmo-negative" not in kind:
            [step] = re.findall(r"elmo-h(\d+)", kind)
            assert abs(int(step) / 20 - value) < 0.031


def test_map(banks: Sequence[Doc]) -> None:
    tree = draw(banks, "map", word="BANK")
    assert texts_of(tree, "elmo-title")[0].startswith("4 uses of “BANK”")
    uses = list(find_all(tree, "elmo-uses")[0].iter("li"))
    assert [" ".join(text_of(use).split()) for use in uses] == [
        sentence.text for doc in banks for sentence in doc.sents if "bank" in sentence.text
    ]
    for layer, panel in zip(LAYERS, find_all(tree, "elmo-panel")):
        points = find_all(panel, "elmo-point")
        titles = [text_of(point) for point in points]
        assert titles[0] == "They sat on the [bank] of the river and watched the boats."
        places = np.array([re.findall(r"[-\d.]+", point.get("transform", "")) for point in points], float)
        vectors = np.concatenate(
            [doc._.elmo[layer][[token.text == "bank" for token in doc]] for doc in banks]
        )  # fmt: skip
        if layer == "word_emb":
            assert np.ptp(places, axis=0).max() == 0
            continue
        # Distances along the axes are those of the principal components, all by one factor.
        centred = vectors - vectors.mean(axis=0)
        left, values, _ = np.linalg.svd(centred, full_matrices=False)
        expected = np.linalg.norm((left * values)[:, None, :2] - (left * values)[None, :, :2], axis=2)
        found = np.linalg.norm(places[:, None] - places[None], axis=2)
        factor = found[expected > 0] / expected[expected > 0]
        assert np.ptp(factor) / factor.mean() < 0.02
    assert texts_of(tree, "elmo-names")[1] == "1234"


def test_map_of_all_tokens(banks: Sequence[Doc]) -> None:
    tree = draw(banks, "map", max_tokens=20)
    assert len(find_all(find_all(tree, "elmo-panel")[0], "elmo-point")) == 20
    n_tokens = sum(map(len, banks))
    assert texts_of(tree, "elmo-note") == [
        f"{n_tokens - 20} of {n_tokens} tokens are left out. Give fewer texts, or raise max_tokens."
    ]


def test_labels_of_a_map(banks: Sequence[Doc]) -> None:
    tree = draw(banks, "map", word="bank", labels=["both", "water", "money"])
    assert texts_of(tree, "elmo-legend") == [" both water money"]
    html = draw_figure(read_passages(banks, groups="is_title"), "map", {"labels": "is_title"})
    assert texts_of(parse(html), "elmo-legend") == [" True False"]
    marks = {path.get("d") for path in find_all(tree, "elmo-legend")[0].iter("path")}
    colours = {path.get("class") for path in find_all(tree, "elmo-legend")[0].iter("path")}
    assert len(marks) == len(colours) == 3


def test_many_groups(small: Language) -> None:
    docs = [small(f"word {k}") for k in range(40)]
    tree = draw(docs, "map", word="word")
    names = [text_of(one).strip() for one in find_all(tree, "elmo-legend")[0].iter("li")]
    assert names == [*map(str, range(1, 24)), "others"]
    marks = {(path.get("d"), path.get("class")) for path in find_all(tree, "elmo-legend")[0].iter("path")}
    assert len(marks) == 24


def test_drift(banks: Sequence[Doc]) -> None:
    for measure, function in (("relations", measure_relations), ("cosine", measure_turn)):
        tree = draw(banks, "drift", measure=measure)
        assert texts_of(tree, "elmo-word") == [token.text for doc in banks for token in doc]
        shown = np.array([float(text.replace("−", "-")) for text in texts_of(tree, "elmo-cell")]).reshape(-1, 2)
        arrays = [np.concatenate([doc._.elmo[layer] for doc in banks]) for layer in LAYERS[:3]]
        for column, (one, two) in enumerate(pairwise(arrays)):
            np.testing.assert_allclose(shown[:, column], function(one, two), atol=0.0051)


def test_drift_of_a_single_word(small: Language) -> None:
    assert texts_of(draw(small("word"), "drift"), "elmo-cell") == ["–", "–"]


def test_mixes() -> None:
    mixes = [LearnedMix("tagger", [0.2, 0.5, 0.3], 1.25), LearnedMix("<b>", [0.75, 0.25], 1.0)]
    tree = parse(draw_mixes(mixes))
    assert read_cells(tree) == [["20.0 %", "50.0 %", "30.0 %", "1.25"], ["75.0 %", "25.0 %", "–", "1.00"]]
    heads = [text_of(head) for head in tree.iter("th")]
    assert heads == ["word_emb", "lstm_outputs1", "lstm_outputs2", "gamma", "tagger", "<b>"]
    with pytest.raises(ElmoError, match=r"\[EL331\] The style 'layers' has no option 'layer'\. Options: none"):
        draw_mixes(mixes, {"layer": "elmo"})


@pytest.mark.parametrize("style", [style for style in STYLES if style != "layers"])
def test_hostile_text(small: Language, style: str) -> None:
    """Tokens, titles and labels stay text, and the page can be written as UTF-8."""
    words = [HOSTILE, "</style>", "</script><img src=x onerror=alert(1)>", "‮rtl", "a" * 5_000, "​", "'\"`=>"]
    docs = [small.get_pipe("elmo_embedder")(Doc(small.vocab, words=words)) for _ in range(2)]
    docs[0].user_data["title"] = HOSTILE
    html = draw_figure(read_passages(docs), style)
    html.encode("utf-8")
    tree = parse(html)
    assert not [one for one in tree.iter() if one.tag in ("img", "b", "style")]
    assert [one.get("type") for one in tree.iter("script")] in ([], ["application/json"])
    assert "alert('x')" in "".join(tree.itertext())
    assert "a" * 61 not in html


@pytest.mark.parametrize("style", [style for style in STYLES if style != "layers"])
def test_no_tokens(small: Language, style: str) -> None:
    for docs in ([small("")], [small("  "), small("")]):
        assert texts_of(draw(docs, style), "elmo-empty")


@pytest.mark.parametrize("style", ["neighbours", "similarity", "drift"])
def test_what_is_left_out(small: Language, style: str) -> None:
    docs = [small("one two three. four five six"), small("seven eight nine")]
    tree = draw(docs, style, max_tokens=4)
    text = "".join(tree.itertext())
    expected = {"similarity": "3 of 7 tokens"}.get(style, "6 of 10 tokens")
    assert f"{expected} are left out. Give fewer or shorter texts, or raise max_tokens." in text
    assert "nine" not in text or style == "similarity"
    assert "left out" not in "".join(draw(docs, style, max_tokens=10).itertext())


def test_direction(small: Language) -> None:
    doc = small("قال الرجل مرحبا")
    assert {one.get("dir") for one in find_all(draw(doc, "similarity"), "elmo-heat")} == {"rtl"}
    assert {one.get("dir") for one in find_all(draw(doc, "drift"), "elmo-flow")} == {"rtl"}
    assert {one.get("dir") for one in find_all(draw(doc, "neighbours"), "elmo-sentence")} == {"auto"}


def test_some_layers(tiny: Any) -> None:
    import spacy

    nlp = spacy.blank("en")
    config = {"source": str(tiny), "pooling_layer": "word_emb", "layers": ["word_emb"]}
    nlp.add_pipe("elmo_embedder", config=config)
    doc = nlp("two words")
    tree = draw(doc, "neighbours")
    assert not list(tree.iter("select"))
    assert texts_of(tree, "elmo-switch") == ["Layer word_emb"]
    with pytest.raises(ElmoError, match=r"\[EL330\].* layer 'elmo', but: word_emb\."):
        draw(doc, "neighbours", layer="elmo")
    with pytest.raises(ElmoError, match=r"\[EL335\].* at least two .*have: word_emb\. Use `layers = '\*'`"):
        draw(doc, "drift")


@pytest.mark.parametrize(
    ("style", "options", "message"),
    [
        (
            "neighbours",
            {"layers": "elmo"},
            r"\[EL331\].* 'neighbours' has no option 'layers'\. Options: max_tokens, layer",
        ),
        ("neighbours", {"token": 99}, r"\[EL333\] token = 99, but the texts have \d+ tokens"),
        ("neighbours", {"token": -1}, r"\[EL332\] token = -1"),
        ("neighbours", {"k": 0}, r"\[EL332\] k = 0"),
        ("neighbours", {"k": "many"}, r"\[EL332\] k = 'many'"),
        ("neighbours", {"layer": 1}, r"\[EL332\] layer = 1"),
        ("neighbours", {"max_tokens": True}, r"\[EL332\] max_tokens = True"),
        ("neighbours", {"layer": "lstm_outputs9"}, r"\[EL330\].*'lstm_outputs9'"),
        ("neighbours", ["elmo"], r"\[EL331\].*no option \['elmo'\]"),
        ("similarity", {"layer": "top"}, r"\[EL330\].*'top'"),
        ("map", {"word": "absent"}, r"\[EL336\] 'absent' is not among the \d+ tokens"),
        ("map", {"word": ["x", "y"]}, r"\[EL336\] 'x, y' is not among.*or leave `word` out"),
        ("map", {"word": 5}, r"\[EL332\] word = 5"),
        ("map", {"labels": ["one"]}, r"\[EL337\] Number of labels: 1; number of texts: 2\."),
        ("drift", {"measure": "euclid"}, r"\[EL332\] measure = 'euclid'.*relations"),
        (
            "entities",
            None,
            r"\[EL030\] Unknown style 'entities'\. Allowed: neighbours, similarity, map, layers, dr",
        ),
        (None, None, r"\[EL030\] Unknown style None"),
    ],
)
def test_wrong_options(small: Language, style: Any, options: Any, message: str) -> None:
    with pytest.raises(ElmoError, match=message):
        render([small("one two"), small("three")], style, options=options)


def test_three_texts_to_compare(small: Language) -> None:
    with pytest.raises(ElmoError, match=r"\[EL334\] .*two texts, or one with itself; 3 were given"):
        render([small("a"), small("b"), small("c")], "similarity")
