"""spacy-elmo.BiLSTMEncoder.v1: what it computes, how it learns, and how it is saved."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.ml.models.tok2vec import BiLSTMEncoder
from thinc.api import Adam, Model, fix_random_seed, set_dropout_rate

from spacy_elmo.models.bilstm import build_bilstm_encoder_v1
from spacy_elmo.models.torch_shim import TorchShim
from tests.components import Arrays
from tests.pipeline.training import LISTENER, initialize, pipeline, tags, train

EncoderModel = Model[Arrays, Arrays]


def make_encoder(**settings: Any) -> EncoderModel:
    fix_random_seed(0)
    model = build_bilstm_encoder_v1(**{"width": 6, "input_width": 5, **settings})
    model.initialize()
    return cast(EncoderModel, model)


def get_shim(model: EncoderModel) -> TorchShim:
    shim = model.shims[0]
    assert isinstance(shim, TorchShim)
    return shim


def docs(*lengths: int, width: int = 5, seed: int = 0) -> Arrays:
    numbers = np.random.default_rng(seed)
    return [numbers.normal(size=(length, width)).astype("f") for length in lengths]


def reference(model: EncoderModel, array: np.ndarray) -> np.ndarray:
    """One sequence through each direction of each layer by itself."""
    outputs: torch.Tensor = torch.tensor(array)
    lstms: Any = get_shim(model).module.layers
    for layer in lstms:
        halves = []
        for suffix, backward in (("", False), ("_reverse", True)):
            lstm = torch.nn.LSTM(layer.input_size, layer.hidden_size)
            lstm.load_state_dict({name: getattr(layer, name + suffix) for name in lstm.state_dict()})
            inputs = outputs.flip(0) if backward else outputs
            half = lstm(inputs)[0].detach()
            halves.append(half.flip(0) if backward else half)
        outputs = torch.cat(halves, dim=1)
    return np.asarray(outputs)


@settings(deadline=None, max_examples=30)
@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=6), depth=st.integers(1, 3))
def test_reference(lengths: list[int], depth: int) -> None:
    model, inputs = make_encoder(depth=depth), docs(*lengths)
    outputs = model.predict(inputs)
    assert [output.shape for output in outputs] == [(length, 6) for length in lengths]
    for output, array in zip(outputs, inputs):
        if len(array):
            np.testing.assert_allclose(output, reference(model, array), atol=1e-6)
    in_training, _ = model.begin_update(inputs)
    for output, expected in zip(in_training, outputs):
        np.testing.assert_allclose(output, expected, atol=1e-6)


def test_gradients() -> None:
    """Against finite differences, of the inputs and of every kind of parameter."""
    model, inputs = make_encoder(depth=2), docs(3, 0, 1)
    module = get_shim(model).module.double()
    inputs = [array.astype("d") for array in inputs]
    factors = docs(3, 0, 1, width=6, seed=1)

    def value(arrays: Arrays) -> float:
        flat = torch.tensor(np.concatenate(arrays))
        with torch.no_grad():
            outputs = module.eval()(flat, [3, 1], dropout=0.0)
        return float((outputs * torch.tensor(np.concatenate(factors))).sum())

    _, backprop = model.begin_update(inputs)
    found = backprop([np.asarray(factor, dtype="d") for factor in factors])
    assert [gradient.shape for gradient in found] == [array.shape for array in inputs]
    step = 1e-6
    for at, row, column in ((0, 0, 0), (0, 2, 4), (2, 0, 1)):
        moved = [array.copy() for array in inputs]
        moved[at][row, column] += step
        assert (value(moved) - value(inputs)) / step == pytest.approx(float(found[at][row, column]), abs=1e-5)
    for name, parameter in module.named_parameters():
        before = value(inputs)
        with torch.no_grad():
            parameter.view(-1)[1] += step
        moved_by = (value(inputs) - before) / step
        with torch.no_grad():
            parameter.view(-1)[1] -= step
        assert parameter.grad is not None
        assert moved_by == pytest.approx(float(parameter.grad.view(-1)[1]), abs=1e-5), name


@pytest.mark.parametrize("lengths", [(), (0,), (0, 0)])
def test_nothing_to_read(lengths: Any) -> None:
    model = make_encoder()
    outputs, backprop = model.begin_update(docs(*lengths))
    assert [output.shape for output in outputs] == [(0, 6)] * len(lengths)
    assert [gradient.shape for gradient in backprop(outputs)] == [(0, 5)] * len(lengths)
    assert not get_shim(model).has_gradient


@pytest.mark.parametrize(("own", "expected"), [(None, 0.5), (0.0, 0.0), (0.25, 0.25)])
def test_dropout(own: Any, expected: float) -> None:
    model, inputs = make_encoder(width=64, dropout=own), docs(50)
    set_dropout_rate(model, 0.5)
    (output,), _ = model.begin_update(inputs)
    assert (output == 0).mean() == pytest.approx(expected, abs=0.04)
    (predicted,) = model.predict(inputs)
    assert (predicted != 0).all()
    kept = output != 0
    np.testing.assert_allclose(output[kept] * (1 - expected), predicted[kept], atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 5}, "EL124.*must be even.*got 5"),
        ({"width": 0}, "'width' must be a number from 1 up; got 0"),
        ({"depth": 0}, "'depth' must be a number from 1 up; got 0"),
        ({"input_width": -1}, "'input_width' must be a number from 1 up; got -1"),
        ({"dropout": 1.0}, "'dropout' must be a number from 0 to less than 1; got 1.0"),
        ({"dropout": "0.5"}, "'dropout' must be a number from 0 to less than 1; got '0.5'"),
        ({"width": "6"}, "'width' must be a number from 1 up; got '6'"),
    ],
)
def test_bad_settings(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_encoder(**settings)


@pytest.mark.parametrize("lengths", [(3,), (3, 3), (4, 2), (0, 3)])
@pytest.mark.parametrize("width", [4, 7])
def test_inputs_of_another_width(lengths: Any, width: int) -> None:
    """torch does not look at them where all Docs are of one length: it reads beyond their end."""
    model, inputs = make_encoder(), docs(*lengths, width=width)
    message = rf"EL126.*has {width} columns.*config says 5.*`input_width` to {width}"
    for use in (model.predict, model.begin_update, lambda arrays: model.initialize(X=arrays)):
        with pytest.raises(ValueError, match=message):
            use(inputs)


def test_other_numbers_than_float32() -> None:
    model, inputs = make_encoder(), docs(3, 1)
    expected = model.predict(inputs)
    outputs, backprop = model.begin_update([array.astype("d") for array in inputs])
    np.testing.assert_array_equal(np.concatenate(outputs), np.concatenate(expected))
    assert [gradient.shape for gradient in backprop([each.astype("d") for each in outputs])] == [(3, 5), (1, 5)]


def test_arrays_that_cannot_be_written_to() -> None:
    """As those of Docs that were bytes."""
    model, inputs = make_encoder(), docs(3, 1)
    for array in inputs:
        array.flags.writeable = False
    outputs, backprop = model.begin_update(inputs)
    for output in outputs:
        output.flags.writeable = False
    backprop(outputs)
    np.testing.assert_array_equal(np.concatenate(inputs), np.concatenate(docs(3, 1)))


def test_batches_may_overlap() -> None:
    """Gradients of several batches, in any order, are those of one after the other."""
    found = []
    for late in (False, True):
        model, batches = make_encoder(), [docs(3, 2), docs(5, seed=1)]
        waiting = []
        for batch in batches:
            outputs, backprop = model.begin_update(batch)
            if late:
                waiting.append((outputs, backprop))
            else:
                backprop(outputs)
        for outputs, backprop in reversed(waiting):
            backprop(outputs)
        parameters = get_shim(model).module.named_parameters()
        found.append({name: p.grad.numpy() for name, p in parameters if p.grad is not None})
    assert len(found[0]) == len(found[1]) > 0
    for name, gradient in found[0].items():
        np.testing.assert_allclose(found[1][name], gradient, atol=1e-6, err_msg=name)


def test_initialised_again() -> None:
    model, inputs = make_encoder(), docs(3)
    before = model.predict(inputs)[0]
    model.initialize()
    assert np.abs(model.predict(inputs)[0] - before).max() > 1e-2


@pytest.mark.parametrize("settings", [{"width": 8}, {"depth": 2}, {"input_width": 4}])
def test_saved_with_other_sizes(settings: Any) -> None:
    data = make_encoder(**settings).shims[0].to_bytes()
    with pytest.raises(ValueError, match=r"EL127.*layers\.\d.*in the saved layer"):
        make_encoder().shims[0].from_bytes(data)


WORKERS = """
import spacy, torch

def main():
    torch.set_num_threads(2)
    nlp = spacy.blank("en")
    encode = {"@architectures": "spacy-elmo.BiLSTMEncoder.v1", "width": 256}
    embed = {"@architectures": "spacy.MultiHashEmbed.v2", "width": 256, "attrs": ["NORM"], "rows": [100],
             "include_static_vectors": False}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    nlp.add_pipe("tagger", config={"model": {"tok2vec": tok2vec}}).add_label("A")
    nlp.get_pipe("tagger").add_label("B")
    nlp.initialize()
    texts = ["a few words of text " * 20] * 20
    one = [[token.tag_ for token in doc] for doc in nlp.pipe(texts)]
    two = [[token.tag_ for token in doc] for doc in nlp.pipe(texts, n_process=2, batch_size=5)]
    print(one == two)

if __name__ == "__main__":
    main()
"""


def test_threads_of_forked_processes(tmp_path: Path) -> None:
    (tmp_path / "workers.py").write_text(WORKERS)
    command = [sys.executable, str(tmp_path / "workers.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["True"], done.stderr


def test_averages_are_used_and_taken_back() -> None:
    model, inputs = make_encoder(), docs(4, 2)
    sgd = Adam(0.1, L2=0.0, use_averages=True)
    before = model.predict(inputs)
    for _ in range(3):
        outputs, backprop = model.begin_update(inputs)
        backprop(outputs)
        model.finish_update(sgd)
    after = model.predict(inputs)
    with model.use_params(sgd.averages):
        averaged = model.predict(inputs)
        data = model.to_bytes()
    np.testing.assert_array_equal(np.concatenate(model.predict(inputs)), np.concatenate(after))
    apart = [np.abs(np.concatenate(one) - np.concatenate(averaged)).max() for one in (before, after)]
    assert min(apart) > 1e-3
    saved = make_encoder().from_bytes(data)
    np.testing.assert_array_equal(np.concatenate(saved.predict(inputs)), np.concatenate(averaged))


def test_spacys_own_encoder() -> None:
    """What README says of it. Should this fail, spaCy or Thinc has mended it, and README is to be changed."""
    fix_random_seed(0)
    model = cast(EncoderModel, BiLSTMEncoder(width=6, depth=1, dropout=0.0))
    inputs = docs(3, 9, width=6)
    model.initialize(X=inputs)
    (alone,), (beside, _) = model.predict(inputs[:1]), model.predict(inputs)
    assert np.abs(alone - beside).max() > 0.01
    sgd = Adam(0.1, L2=0.0, use_averages=True)
    for _ in range(3):
        outputs, backprop = model.begin_update(inputs)
        backprop(outputs)
        model.finish_update(sgd)
    after = model.predict(inputs)[0]
    with model.use_params(sgd.averages):
        np.testing.assert_array_equal(model.predict(inputs)[0], after)


def test_saved_bytes_run_no_code(tmp_path: Path) -> None:
    class Code:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    shim = get_shim(make_encoder())
    state = spacy.util.srsly.msgpack_loads(shim.to_bytes())
    state["state"] = pickle.dumps(Code(), protocol=2)
    with pytest.raises(pickle.UnpicklingError):
        shim.from_bytes(spacy.util.srsly.msgpack_dumps(state))
    assert not (tmp_path / "ran").exists()


def test_copies_learn_for_themselves() -> None:
    model = make_encoder()
    copy = model.copy()
    assert copy.shims[0].id != model.shims[0].id
    sgd, inputs = Adam(0.1), docs(3)
    outputs, backprop = copy.begin_update(inputs)
    backprop(outputs)
    copy.finish_update(sgd)
    assert not np.array_equal(copy.predict(inputs)[0], model.predict(inputs)[0])


def test_tagger_learns_and_is_saved(tmp_path: Path) -> None:
    block = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {**LISTENER, "width": 16},
        "encode": {"@architectures": "spacy-elmo.BiLSTMEncoder.v1", "width": 16},
    }
    nlp = pipeline("tagger", listener=block)
    initialize(nlp)
    sgd = Adam(0.01)
    losses = [train(nlp, sgd, steps=20)["tagger"] for _ in range(4)]
    assert losses[-1] < losses[0] / 4
    nlp.to_disk(tmp_path)
    assert tags(spacy.load(tmp_path)) == tags(nlp)
    assert tags(pickle.loads(pickle.dumps(nlp))) == tags(nlp)
