import ast
import copy
import inspect
import pickle
from typing import Any, get_args

import numpy as np
import pytest

from spacy_elmo.bilm.layers import (
    LayerName,
    LayerOutputs,
    check_layer_name,
    count_lstm_layers,
    expand_layers,
    layer_names,
    resolve_layers,
    stack_layers,
)

ALL = ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"]


def outputs(names: list[str]) -> LayerOutputs:
    shapes = {name: (3, 2 if name == "word_emb" else 4) for name in names}
    arrays = {name: np.full(shape, k, dtype=np.float32) for k, (name, shape) in enumerate(shapes.items())}
    return LayerOutputs(arrays, n_layers=2)


def test_names() -> None:
    assert layer_names(2) == ALL
    assert layer_names(1) == ["word_emb", "lstm_outputs1", "elmo"]


@pytest.mark.parametrize(
    ("layers", "depth", "computed"),
    [
        ([], 0, []),
        (["word_emb"], 0, ["word_emb"]),
        (["lstm_outputs1"], 1, ALL[:2]),
        (["lstm_outputs2"], 2, ALL[:3]),
        (["elmo"], 2, ALL),
    ],
)
def test_needed_layers(layers: list[str], depth: int, computed: list[str]) -> None:
    assert count_lstm_layers(layers, n_layers=2) == depth
    assert expand_layers(layers, n_layers=2) == computed


def test_resolve() -> None:
    assert resolve_layers("*", n_layers=2) == ALL
    assert resolve_layers(["elmo", "word_emb", "elmo"], n_layers=2) == ["word_emb", "elmo"]
    assert resolve_layers([], n_layers=2) == []


@pytest.mark.parametrize("bad", ["lstm_outputs0", "lstm_outputs", "ELMo", "top", 1, None, "lstm_outputs1 "])
def test_names_of_no_model(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"EL030.*Unknown layer .* Allowed: word_emb"):
        check_layer_name(bad)


def test_missing_layer() -> None:
    with pytest.raises(ValueError, match=r"EL031.*'lstm_outputs3' does not exist: this model has 2 LSTM layer"):
        resolve_layers(["lstm_outputs3"], n_layers=2)


@pytest.mark.parametrize("bad", ["elmo", 3, None, {"elmo"}, b"*", np.array(["elmo", "word_emb"])])
def test_layers_must_be_a_list(bad: Any) -> None:
    with pytest.raises(ValueError, match="EL039"):
        resolve_layers(bad, n_layers=2)


def test_attributes_and_rows() -> None:
    all_layers = outputs(ALL)
    assert all_layers.names == ALL
    assert all_layers.word_emb.shape == (3, 2)
    assert all_layers[1].elmo.shape == (4,)
    assert all_layers[0:2].lstm_outputs1.shape == (2, 4)
    assert "elmo: (3, 4)" in repr(all_layers)
    assert "lstm_outputs2" in dir(all_layers)


def test_a_layer_that_was_not_kept() -> None:
    with pytest.raises(AttributeError, match=r"EL035.*'elmo' was not kept. Kept: word_emb"):
        outputs(["word_emb"]).elmo  # noqa: B018
    assert not hasattr(outputs([]), "word_emb")
    for name in ("lstm_outputs3", "word_embedding"):
        with pytest.raises(AttributeError, match=rf"EL031.*'{name}' does not exist: this model has 2"):
            getattr(outputs(ALL), name)


def test_stack() -> None:
    stacked = outputs(ALL).stack()
    assert stacked.shape == (3, 3, 4)
    assert stacked.dtype == np.float32
    assert [stacked[k].min() for k in range(3)] == [stacked[k].max() for k in range(3)] == [0, 1, 2]
    assert outputs(ALL)[0].stack().shape == (3, 4)
    for missing in ALL[:3]:
        with pytest.raises(ValueError, match="EL036"):
            outputs([name for name in ALL if name != missing]).stack()


def test_stack_of_narrow_layers_alone() -> None:
    assert stack_layers([np.ones((3, 2))], width=4).shape == (1, 3, 4)


def test_copies_and_pickles() -> None:
    for copied in (copy.deepcopy(outputs(ALL)), pickle.loads(pickle.dumps(outputs(ALL)))):
        assert copied.names == ALL
        assert copied.n_layers == 2


def test_sentences_that_share_arrays() -> None:
    shared = {"word_emb": np.arange(12.0).reshape(6, 2), "elmo": np.arange(24.0).reshape(6, 4)}
    one = LayerOutputs(shared, n_layers=2, rows=(1, 4))
    assert one.names == list(shared)
    assert one.word_emb.tolist() == [[2, 3], [4, 5], [6, 7]]
    assert one[1].elmo.tolist() == [8, 9, 10, 11]
    assert [array.shape for _, array in one.items()] == [(3, 2), (3, 4)]
    assert repr(one) == "LayerOutputs(word_emb: (3, 2), elmo: (3, 4))"
    # What others have in the same arrays is not taken along.
    data = pickle.dumps(one)
    assert len(data) < len(pickle.dumps(shared))
    for copied in (pickle.loads(data), copy.copy(one), copy.deepcopy(one)):
        assert copied.elmo.tolist() == one.elmo.tolist()


def make_outputs(names: list[str], n_tokens: int = 3) -> LayerOutputs:
    arrays = {
        name: np.arange(n_tokens * width, dtype=np.float32).reshape(n_tokens, width) + 100 * k
        for k, (name, width) in enumerate((name, 2 if name == "word_emb" else 4) for name in names)
    }
    return LayerOutputs(arrays, n_layers=2)


def test_layers_by_name() -> None:
    all_layers = make_outputs(ALL)
    for name in ALL:
        assert all_layers[name] is getattr(all_layers, name)
    assert ["elmo" in all_layers, "nope" in all_layers, 0 in all_layers] == [True, False, False]
    with pytest.raises(KeyError, match=r"EL031.*'nope' does not exist"):
        all_layers["nope"]
    with pytest.raises(KeyError, match=r"EL035.*'elmo' was not kept. Kept: word_emb"):
        make_outputs(["word_emb"])["elmo"]
    shared = LayerOutputs({"elmo": np.arange(12.0).reshape(6, 2)}, n_layers=2, rows=(1, 4))
    assert shared["elmo"].tolist() == [[2, 3], [4, 5], [6, 7]]


def test_tokens_are_counted() -> None:
    assert len(make_outputs(ALL)) == 3
    assert len(make_outputs(["elmo"], 0)) == len(make_outputs([])) == 0
    assert len(LayerOutputs({"elmo": np.zeros((6, 2))}, n_layers=2, rows=(1, 4))) == 3
    assert len(make_outputs(ALL)[1:]) == 2
    # Only None says that there are no layers.
    assert make_outputs(ALL, 0)
    assert make_outputs([])
    assert make_outputs(ALL)[0]
    with pytest.raises(TypeError, match=r"EL244.*a single token"):
        len(make_outputs(ALL)[0])


def test_iteration_ends() -> None:
    """Also where there are no arrays whose end could be met."""
    assert [token.elmo.tolist() for token in make_outputs(ALL)] == make_outputs(ALL).elmo.tolist()
    assert list(make_outputs([])) == []


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        (slice(None, None, -1), [2, 1, 0]),
        (slice(-2, None), [1, 2]),
        ([2, 0], [2, 0]),
        ([], []),
        ([True, False, True], [0, 2]),
        (np.array([False, True, False]), [1]),
        (np.array([1, 1]), [1, 1]),
        (np.int64(1), 1),
        (-1, 2),
    ],
)
def test_rows(key: Any, rows: Any) -> None:
    chosen = make_outputs(ALL)[key]
    for name in ALL:
        assert chosen[name].tolist() == make_outputs(ALL)[name][rows].tolist()


@pytest.mark.parametrize(
    "key", [(0, 1), None, ..., True, 1.5, {0}, b"elmo", np.zeros((3, 2), dtype=bool), ["elmo"], [[0], 1]]
)
def test_wrong_rows(key: Any) -> None:
    with pytest.raises(TypeError, match=r"EL243.*whole number, a slice"):
        make_outputs(ALL)[key]


def test_rows_that_do_not_exist() -> None:
    for key in (3, -4, [0, 3], [True]):
        with pytest.raises(IndexError):
            make_outputs(ALL)[key]
    for column in (0, slice(1)):
        with pytest.raises(TypeError, match="EL244"):
            make_outputs(ALL)[1][column]


def test_as_an_array() -> None:
    np.testing.assert_array_equal(np.asarray(make_outputs(ALL)), make_outputs(ALL).stack())
    one = make_outputs(["elmo"])
    assert np.asarray(one) is one.elmo
    assert np.array(one) is not one.elmo
    assert np.asarray(one, dtype=np.float64).tolist() == one.elmo.tolist()
    with pytest.raises(ValueError, match="EL036"):
        np.asarray(make_outputs(["word_emb", "elmo"]))


def test_mean() -> None:
    assert make_outputs(ALL).mean("word_emb").tolist() == [2, 3]
    assert make_outputs(ALL).mean().tolist() == [304, 305, 306, 307]
    assert make_outputs(ALL).mean().dtype == np.float32
    with_spaces = LayerOutputs({"elmo": np.array([[1.0, 2], [0, 0], [3, 0]])}, n_layers=2)
    assert with_spaces.mean().tolist() == [2, 1]
    assert with_spaces[0].mean().tolist() == [1, 2]
    assert make_outputs(ALL, 0).mean("lstm_outputs1").tolist() == [0, 0, 0, 0]
    with pytest.raises(KeyError, match="EL031"):
        make_outputs(ALL).mean("nope")  # type: ignore[arg-type]


def test_type_checkers_know_the_layers() -> None:
    """Each as an attribute; and nothing that would let any other name pass."""
    tree = ast.parse(inspect.getsource(LayerOutputs))
    body = tree.body[0].body  # type: ignore[attr-defined]
    typed, hidden = [node for node in body if isinstance(node, ast.If)]
    assert ast.unparse(typed.test) == "TYPE_CHECKING"
    assert [ast.unparse(node).split(":")[0] for node in typed.body] == list(get_args(LayerName))
    assert ast.unparse(hidden.test) == "not TYPE_CHECKING"
    assert [node.name for node in hidden.body if isinstance(node, ast.FunctionDef)] == ["__getattr__"]
    assert "__getattr__" not in [node.name for node in body if isinstance(node, ast.FunctionDef)]
