"""Elmo: the public surface without spaCy."""

import gc
import itertools
import json
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import spacy
import torch

import spacy_elmo
from spacy_elmo.bilm.layers import LayerName, layer_names
from spacy_elmo.bilm.scalar_mix import ScalarMix
from spacy_elmo.elmo import Elmo, Settings
from spacy_elmo.inference.factory import PRECISIONS
from spacy_elmo.inference.settings import PrecisionName
from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.weights.source import read_weights
from tests import reference
from tests.data import read_case, shared_path, worst
from tests.platforms import linux_memory

ALL: list[LayerName] = ["word_emb", "lstm_outputs1", "lstm_outputs2", "elmo"]


def record(seen: list[Any], function: Callable[..., Any], what: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with what each call is about put on a list."""

    def run(*arguments: Any, **options: Any) -> Any:
        seen.append(what(*arguments, **options))
        return function(*arguments, **options)

    return run


@pytest.fixture(scope="module")
def expected(tiny: Path, tiny_options: dict[str, Any], sentences: list[list[str]]) -> list[np.ndarray]:
    arrays = reference.read_hdf5(tiny / "weights.hdf5")
    return [reference.layers(sentence, tiny_options, arrays) for sentence in sentences]


def test_equal_to_the_formulas(elmo: Elmo, sentences: list[list[str]], expected: list[np.ndarray]) -> None:
    got = [output.stack() for output in elmo.embed(sentences)]
    assert worst(got, expected) <= 1e-5
    assert all(array.dtype == np.float32 for array in got)


def test_the_formulas_equal_allennlp(parity: Path) -> None:
    """What other tests hold the package against is right itself."""
    folder = parity / "bilm" / "base"
    options = json.loads((folder / "options.json").read_text("utf-8"))
    arrays = reference.read_hdf5(folder / "weights.hdf5")
    case = read_case(folder)
    got = [reference.layers(sentence, options, arrays) for sentence in case.sentences[:12]]
    assert worst(got, case.expected) <= 1e-5


def test_arrays(elmo: Elmo) -> None:
    outputs = elmo.embed([["I", "love", "NLP"], ["Hello"]])
    assert [output.names for output in outputs] == [ALL, ALL]
    assert outputs[0].word_emb.shape == (3, 8)
    assert outputs[0].elmo.shape == (3, 16)
    assert outputs[1].stack().shape == (3, 1, 16)
    for _, array in outputs[0].items():
        assert array.base is None
        assert array.flags.c_contiguous
        assert array.dtype == np.float32


def test_mix_without_trained_weights(elmo: Elmo) -> None:
    output = elmo.embed([["I", "love", "NLP"]])[0]
    np.testing.assert_allclose(output.elmo, output.stack().mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("empty", [[], [[]], [[], ["a"], []], (), iter([[]])])
def test_nothing_to_embed(elmo: Elmo, empty: Any) -> None:
    sentences = list(empty)
    outputs = elmo.embed(sentences)
    assert len(outputs) == len(sentences)
    for sentence, output in zip(sentences, outputs):
        assert output.word_emb.shape == (len(sentence), 8)
        assert output.stack().shape == (3, len(sentence), 16)


@pytest.mark.parametrize("layer", ALL)
def test_only_what_is_asked_for_is_computed(elmo: Elmo, monkeypatch: pytest.MonkeyPatch, layer: LayerName) -> None:
    ran: list[int] = []
    engine: Any = elmo.engine
    stack = engine._stacks[0]
    elmo.embed([["c"]])
    for k, lstm in enumerate(stack.layers):
        monkeypatch.setattr(lstm, "run", record(ran, lstm.run, lambda *a, k=k: k))
    full = elmo.embed([["a", "b"]])[0]
    ran.clear()
    output = elmo.embed([["a", "b"]], layers=[layer])[0]
    assert output.names == [layer]
    np.testing.assert_array_equal(getattr(output, layer), getattr(full, layer))
    assert ran == {"word_emb": [], "lstm_outputs1": [0]}.get(layer, [0, 1])


def test_same_wherever_it_stands(parity: Path) -> None:
    """Alone, in a batch of 64, after 1,000 others: within 2e-5, and bit for bit in the same batch."""
    case = read_case(parity / "bilm" / "base")
    elmo = spacy_elmo.load(parity / "bilm" / "base")
    others = [case.sentences[i % 31] for i in range(63)]
    for i in (0, 4, 9, 16, 22):
        sentence = case.sentences[i]
        alone = elmo.embed([sentence])[0].stack()
        in_64 = elmo.embed([*others[:30], sentence, *others[30:]])[30].stack()
        after = elmo.embed([["word", str(k)] for k in range(1000)] + [sentence])[-1].stack()
        assert worst([alone, alone], [in_64, after]) <= 2e-5
        np.testing.assert_array_equal(alone, elmo.embed([sentence])[0].stack())
        np.testing.assert_array_equal(in_64, elmo.embed([*others[:30], sentence, *others[30:]])[30].stack())


@pytest.mark.parametrize("budget", [1, 7, 40, 100_000])
def test_budget_does_not_matter(
    tiny: Path, sentences: list[list[str]], expected: list[np.ndarray], budget: int
) -> None:
    got = spacy_elmo.load(tiny, max_batch_tokens=budget).embed(sentences)
    assert worst([output.stack() for output in got], expected) <= 1e-5


def test_budget_is_kept(tiny: Path, sentences: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    elmo = spacy_elmo.load(tiny, max_batch_tokens=50)
    sizes: list[list[int]] = []
    plan = elmo.engine.plan
    monkeypatch.setattr(elmo.engine, "plan", record(sizes, plan, lambda s, **_: [*map(len, s)]))
    elmo.embed(sentences * 4)
    assert all(sum(batch) + 2 * len(batch) <= 50 or len(batch) == 1 for batch in sizes)
    assert sum(len(batch) for batch in sizes) == 40


def test_a_stream_is_lazy(tiny: Path) -> None:
    """More sentences than fit in memory: an endless generator, results in order."""
    elmo = spacy_elmo.load(tiny, max_batch_tokens=20)
    read = itertools.count()

    def endless() -> Iterator[list[str]]:
        for i in read:
            yield ["word", str(i), "of", "many"][: 1 + i % 4]

    stream = elmo.stream(endless())
    assert next(read) == 0
    for i in range(1, 200):
        output = next(stream)
        assert output.word_emb.shape[0] == 1 + i % 4
        assert (
            worst([output.stack()], [elmo.embed([["word", str(i), "of", "many"][: 1 + i % 4]])[0].stack()]) <= 1e-5
        )
    assert next(read) < 300


def test_a_stream_of_empty_sentences_is_lazy(tiny: Path) -> None:
    read: list[int] = []

    def sentences() -> Iterator[list[str]]:
        for i in range(10_000):
            read.append(i)
            yield []

    stream = spacy_elmo.load(tiny, max_batch_tokens=20).stream(sentences())
    assert next(stream).elmo.shape == (0, 16)
    assert len(read) < 100


def test_no_layers_compute_nothing(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elmo.engine, "plan", lambda *a, **k: pytest.fail("ran"))
    assert [output.names for output in elmo.embed([["a"], []], layers=[])] == [[], []]


def test_a_generator_of_generators(elmo: Elmo) -> None:
    sentences: Any = (iter(["a", "b"][:k]) for k in range(3))
    outputs = elmo.embed(sentences)
    assert [output.word_emb.shape[0] for output in outputs] == [0, 1, 2]


def test_100_000_tokens_in_one_sentence(elmo: Elmo) -> None:
    words = [f"w{i % 977}" for i in range(100_000)]
    output = elmo.embed([words], layers=["word_emb", "lstm_outputs1"])[0]
    assert output.lstm_outputs1.shape == (100_000, 16)
    assert np.isfinite(output.lstm_outputs1).all()
    # An LSTM forgets: far from the ends, a long sentence is like a shorter one that starts earlier.
    around = elmo.embed([words[50_000:51_000]], layers=["lstm_outputs1"])[0].lstm_outputs1
    np.testing.assert_allclose(output.lstm_outputs1[50_490:50_510], around[490:510], atol=1e-4)


@linux_memory
def test_long_tokens_are_not_kept(tiny: Path) -> None:
    """Of 50 tokens of 1 MB, a table has the part that is read."""
    code = f"""
import resource, spacy, spacy_elmo
elmo = spacy_elmo.load({str(tiny)!r})
nlp = spacy.blank("en")
nlp.add_pipe("elmo_embedder", config={{"source": {str(tiny)!r}}})
def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() >> 20
def run(n):
    for k in range(n):
        text = chr(97 + k % 26) * 1_000_000 + str(k)
        elmo.embed([[text]])
        doc = spacy.tokens.Doc(spacy.vocab.Vocab(), words=[text])
        nlp.get_pipe("elmo_embedder")(doc)
run(3)
before = used()
run(50)
print(used() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 40


@linux_memory
def test_memory_of_a_long_sentence(parity: Path) -> None:
    """20,000 tokens at C 512 have 164 MB of gates a layer and direction; the peak must stay below that."""
    code = f"""
import resource, spacy_elmo
elmo = spacy_elmo.load({str(parity / "bilm" / "realistic")!r})
def peak(n):
    elmo.embed([["word"] * n], layers=["lstm_outputs1"])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
small = peak(2_000)
print(peak(20_000) - small)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert int(done.stdout) < 120


# Settings and wrong input


def test_fp64(tiny: Path, sentences: list[list[str]], expected: list[np.ndarray]) -> None:
    got = [output.stack() for output in spacy_elmo.load(tiny, precision="fp64").embed(sentences)]
    assert got[0].dtype == np.float64
    # The forget gate's 1 is added to a float32 bias when the file is read.
    assert worst(got, expected) <= 1e-6


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"precision": "fp8"}, r"EL030.*Unknown precision 'fp8'. Allowed: fp32, fp64, tf32, bf16, int8"),
        ({"initial_state": "hot"}, r"EL030.*Unknown initial_state 'hot'. Allowed: zero, warm, carry"),
        ({"max_batch_tokens": 0}, r"EL038.*'max_batch_tokens' must be a whole number from 1 up; got 0"),
        ({"max_batch_tokens": "9"}, r"EL038.*got '9'"),
        ({"max_batch_tokens": True}, r"EL038.*got True"),
        ({"n_threads": 0}, r"EL038.*'n_threads' must be a whole number from 1 up; got 0"),
        ({"n_threads": -1}, r"EL038.*got -1"),
        ({"n_threads": "2"}, r"EL038.*got '2'"),
        ({"n_threads": 1.5}, r"EL038.*got 1.5"),
        ({"n_threads": True}, r"EL038.*got True"),
        ({"device": "meta"}, r"EL040.*device = 'meta' is not supported on this machine"),
        (
            {"device": "tpu"},
            r"EL040.*device = 'tpu' is not supported on this machine: torch has no device of that name. Use",
        ),
        (
            {"device": None},
            r"EL040.*device = 'None' is not supported on this machine: torch has no device of that name. Use",
        ),
        ({"precision": ["fp32"]}, r"EL030.*Unknown precision \['fp32'\]"),
        ({"precision": np.array(["fp32", "fp64"])}, "EL030.*Unknown precision"),
        ({"device": "cuda:99"}, r"EL040.*device = 'cuda:99' is not supported on this machine"),
    ],
)
def test_settings_that_are_not_allowed(tiny: Path, settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        spacy_elmo.load(tiny, **settings)


def test_settings_fail_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="EL030"):
        spacy_elmo.load("nowhere", precision="fp8")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sentences", "match"),
    [
        ("I love NLP", r"EL240.*got 'I love NLP'. For text, give \[text.split\(\)\], or use Elmo.embed_texts"),
        ("MKVLA", r"EL240.*got 'MKVLA'.*residues of a sequence, \[list\(sequence\)\]"),
        (b"I love NLP", r"EL240.*got b'I love NLP' \(bytes\)"),
        (3, r"EL240.*got 3"),
        (None, r"EL240.*got None"),
        ({"a": ["b"]}, r"EL240.*\(dict\)"),
        # In no order.
        ({("a", "b"), ("c",)}, r"EL240.*\(set\)"),
        (np.array("a"), r"EL240.*\(ndarray\)"),
        (["I love NLP"], r"EL033.*sentence 0 is 'I love NLP'. For the words of a text, text.split\(\), or"),
        (["I", "love"], r"EL033.*sentence 0 is 'I'. A single sentence .*: \[tokens\]. For the words"),
        (["MKVLA"], r"EL033.*sentence 0 is 'MKVLA'. For the residues of a sequence, give list\(sequence\)"),
        (np.array(["I", "love"]), r"EL033.*sentence 0 is .*'I'"),
        ([["a"], None], r"EL033.*sentence 1 is None"),
        ([["a"], 3.5], r"EL033.*sentence 1 is 3.5"),
        ([{"a", "b"}], r"EL033.*\(set\)"),
        ([{"a": 1}], r"EL033.*\(dict\)"),
        ([["a"], ["b", 3]], r"EL034.*token 1 of sentence 1 is 3"),
        ([[b"a"]], r"EL034.*token 0 of sentence 0 is b'a' \(bytes\). Decode it"),
        ([["a", None]], r"EL034.*token 1 of sentence 0 is None. If it is padding, remove it"),
        ([spacy.blank("en")("I love")], r"EL034.*sentence 0 is I \(Token\).*token.text for token in doc"),
        ([[["a"]]], r"EL034.*is \['a'\] \(list\)\. The list is nested too deeply"),
        ([["a", 10**5000]], r"EL034.*token 1 of sentence 0 is"),
    ],
)
def test_sentences_that_are_no_tokens(elmo: Elmo, sentences: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        elmo.embed(sentences)


def test_a_layer_that_does_not_exist(elmo: Elmo) -> None:
    with pytest.raises(ValueError, match="EL031"):
        elmo.embed([["a"]], layers=["lstm_outputs3"])
    with pytest.raises(ValueError, match="EL030"):
        elmo.stream([["a"]], layers=["lstm"])  # type: ignore[list-item]


def test_numbers_of_numpy_are_whole_numbers(tiny: Path) -> None:
    elmo = spacy_elmo.load(tiny, max_batch_tokens=np.int64(5), n_threads=np.int64(2))
    assert elmo.embed([["a"]])[0].elmo.shape == (1, 16)


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_threads_stay_with_the_model(
    tiny: Path, precision: PrecisionName, monkeypatch: pytest.MonkeyPatch
) -> None:
    elmo = spacy_elmo.load(tiny, precision=precision, n_threads=3)
    assert elmo.settings.n_threads == elmo.engine.workers.n_threads == 3
    elmo.learn(elmo.trainable(dropout=0.0).bilm)
    assert elmo.engine.workers.n_threads == elmo.trainable(dropout=0.0)._parts._workers.n_threads == 3
    again = pickle.loads(pickle.dumps(elmo))
    assert again.settings.n_threads == again.engine.workers.n_threads == 3


def test_the_number_of_threads_changes_nothing(tiny: Path, sentences: list[list[str]]) -> None:
    for precision in ("fp32", "fp64"):
        one, two = (spacy_elmo.load(tiny, precision=precision, n_threads=n).embed(sentences) for n in (1, 2))
        for first, second in zip(one, two, strict=True):
            np.testing.assert_allclose(first.stack(), second.stack(), atol=2e-6)


# What a newcomer tries


def test_a_mix_of_another_model(elmo: Elmo) -> None:
    before = elmo.embed([["a", "b"]])[0].elmo
    for n_layers in (2, 4):
        with pytest.raises(ValueError, match=rf"EL241.*{n_layers} weights, but 3 layers.*ScalarMix\(n_layers=3\)"):
            elmo.mix = ScalarMix(n_layers=n_layers)
    with pytest.raises(ValueError, match=r"EL242.*got 'elmo'"):
        elmo.mix = "elmo"  # type: ignore[assignment]
    np.testing.assert_array_equal(elmo.embed([["a", "b"]])[0].elmo, before)
    # Put in its place by hand.
    elmo.mix.weights = torch.nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match="EL241"):
        elmo.embed([["a", "b"]])


def test_another_mix(elmo: Elmo) -> None:
    mix = ScalarMix(n_layers=3).double()
    with torch.no_grad():
        mix.weights.copy_(torch.tensor([0.0, 50.0, 0.0]))
        mix.gamma.fill_(2.0)
    elmo.mix = mix
    output = elmo.embed([["a", "b"]])[0]
    np.testing.assert_allclose(output.elmo, 2 * output.lstm_outputs1, atol=1e-6)
    assert output.elmo.dtype == np.float32
    assert "gamma=2" in repr(elmo.mix)


def test_width_of_a_layer_that_does_not_exist(elmo: Elmo) -> None:
    with pytest.raises(ValueError, match=r"EL031.*'nope' does not exist.*word_emb, .*, elmo"):
        elmo.width("nope")


def test_repr(tiny: Path) -> None:
    elmo = spacy_elmo.load(tiny, precision="fp64", initial_state="carry")
    assert repr(elmo) == (
        f"Elmo(source={str(tiny / 'weights.hdf5')!r}, n_layers=2, projection_dim=8, dim=24, precision='fp64', "
        "initial_state='carry', device='cpu')"
    )


def test_subclasses_of_str_are_read_as_their_text(elmo: Elmo) -> None:
    class Tag(str):
        def __str__(self) -> str:
            return "other"

    expected = elmo.embed([["a", "b"]])[0].elmo
    given: list[Any] = [
        np.array(["a", "b"]),
        [Tag("a"), Tag("b")],
        ("a", "b"),
        (c for c in "ab"),
        {"a": 1, "b": 2}.keys(),
    ]
    for sentence in given:
        np.testing.assert_array_equal(elmo.embed([sentence])[0].elmo, expected)
    np.testing.assert_array_equal(elmo.embed(np.array([["a", "b"]]))[0].elmo, expected)


@pytest.mark.parametrize(
    "sentence", [["", "a"], ["a", "", "b"], ["a", "[PAD]"], ["a", "<pad>"], np.array(["a", ""]), ("a", "")]
)
def test_padding_is_warned_of_once(elmo: Elmo, sentence: Any) -> None:
    with pytest.warns(UserWarning, match=r"WL046.*Sentence 1 has the token .*looks like padding"):
        outputs = elmo.embed([["a"], sentence, sentence])
    # It is embedded all the same.
    assert [len(output) for output in outputs] == [1, len(sentence), len(sentence)]
    elmo.embed([sentence])
    list(elmo.stream([sentence]))


def test_words_that_are_no_padding(elmo: Elmo) -> None:
    elmo.embed([["[PAD]", "is", "the", "padding"], [" "], ["PAD"], []])


def test_batches_of_a_call(tiny: Path, sentences: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    elmo = spacy_elmo.load(tiny)
    expected = elmo.embed(sentences)
    sizes: list[int] = []
    plan = elmo.engine.plan
    monkeypatch.setattr(elmo.engine, "plan", record(sizes, plan, lambda s, **_: len(s)))
    got = elmo.embed(sentences, max_batch_tokens=1)
    assert sizes == [1] * len(sentences)
    assert worst([one.stack() for one in got], [one.stack() for one in expected]) <= 1e-5
    with pytest.raises(ValueError, match="EL038"):
        elmo.embed(sentences, max_batch_tokens=0)


@pytest.mark.parametrize("initial_state", ["zero", "carry"])
def test_progress(
    tiny: Path, sentences: list[list[str]], capfd: pytest.CaptureFixture, initial_state: Any
) -> None:
    elmo, quiet = (spacy_elmo.load(tiny, initial_state=initial_state) for _ in range(2))
    shown = elmo.embed(sentences, progress=True)
    assert f"{len(sentences)}/{len(sentences)}" in capfd.readouterr().err
    assert worst([one.elmo for one in shown], [one.elmo for one in quiet.embed(sentences)]) == 0
    assert capfd.readouterr().err == ""
    elmo.embed((one for one in sentences), progress=True)
    assert f"{len(sentences)}/" in capfd.readouterr().err


def test_to_where_it_is(elmo: Elmo) -> None:
    engine = elmo.engine
    assert elmo.to("cpu") is elmo
    assert elmo.engine is engine
    with pytest.raises(ValueError, match="EL040"):
        elmo.to("cuda:99")
    assert elmo.engine is engine


@pytest.mark.gpu
def test_to_a_gpu_and_back(tiny: Path, sentences: list[list[str]]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    elmo = spacy_elmo.load(tiny)
    before = elmo.embed(sentences)
    there = elmo.to("cuda").embed(sentences)
    assert elmo.device.type == "cuda"
    back = elmo.to("cpu").embed(sentences)
    assert elmo.device.type == "cpu"
    assert worst([one.elmo for one in there], [one.elmo for one in before]) <= 1e-4
    assert worst([one.elmo for one in back], [one.elmo for one in before]) == 0


def test_names_for_type_checkers() -> None:
    assert get_args(spacy_elmo.PrecisionName) == tuple(PRECISIONS)
    assert get_args(spacy_elmo.InitialState) == ("zero", "warm", "carry")
    names = get_args(spacy_elmo.LayerName)
    assert list(names) == layer_names(len(names) - 2)
    hints = spacy_elmo.load.__annotations__
    assert (hints["precision"], hints["initial_state"]) == (spacy_elmo.PrecisionName, spacy_elmo.InitialState)
    assert spacy_elmo.Settings().precision == "fp32"


def test_a_model_is_freed_at_once(tiny: Path) -> None:
    """Not when Python next looks for circles: it may be gigabytes."""
    elmo = spacy_elmo.load(tiny)
    elmo.embed([["a"]])
    list(elmo.stream([["a"]]))
    gone = weakref.ref(elmo)
    gc.disable()
    try:
        del elmo
        assert gone() is None
    finally:
        gc.enable()


def test_weights_are_not_held_twice(tiny: Path) -> None:
    weights = read_weights(tiny)
    Elmo.from_weights(weights, device=torch.device("cpu"), settings=Settings())
    assert weights.arrays == {}


def test_facts(elmo: Elmo) -> None:
    assert elmo.n_layers == 2
    assert elmo.layer_names == ALL
    assert [elmo.width(name) for name in ALL] == [8, 16, 16, 16]
    assert elmo.device == torch.device("cpu")
    assert Settings().max_batch_tokens == elmo.settings.max_batch_tokens


@pytest.mark.gpu
def test_gpu(tiny: Path, sentences: list[list[str]]) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_gpu = spacy_elmo.load(tiny, device="cuda").embed(sentences)
    on_cpu = spacy_elmo.load(tiny).embed(sentences)
    assert worst([output.stack() for output in on_gpu], [output.stack() for output in on_cpu]) <= 1e-4


def test_real_text_in_one_call() -> None:
    """All of UD EWT's dev set: every sentence of a real treebank, in order."""
    path = shared_path("corpora/ud_ewt/en_ewt-ud-dev.conllu")
    elmo = spacy_elmo.load(shared_path("parity/allennlp_fixture/lm_weights.hdf5"))
    tokens = [sentence.tokens for sentence in Inputs(path).read()]
    outputs = elmo.embed(tokens)
    assert (len(outputs), sum(len(one) for one in tokens)) == (2001, 25147)
    assert [output.elmo.shape for output in outputs] == [(len(one), 32) for one in tokens]
    for i in range(0, 2001, 100):
        assert worst([outputs[i].stack()], [elmo.embed([tokens[i]])[0].stack()]) <= 2e-5


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_input_error_after_earlier_results(tiny: Path, monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    """Also where later batches are begun before earlier ones are finished, as on a GPU."""
    elmo = spacy_elmo.load(tiny, max_batch_tokens=6)
    monkeypatch.setattr(elmo.engine.delivery, "ahead", ahead)

    def broken() -> Iterator[list[str]]:
        for _ in range(6):
            yield ["a", "b"]
        raise OSError("the disk")

    stream = elmo.stream(broken())
    # All but the batch that was not full yet.
    assert [len(next(stream).elmo) for _ in range(5)] == [2] * 5
    with pytest.raises(OSError, match="the disk"):
        next(stream)
