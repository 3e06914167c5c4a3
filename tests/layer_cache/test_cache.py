import json
import logging
import os
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spacy_elmo
from spacy_elmo.bilm.layers import LayerOutputs
from spacy_elmo.elmo import Elmo
from spacy_elmo.inputs.reader import Inputs
from spacy_elmo.layer_cache.cache import LayerCache, format_size
from spacy_elmo.layer_cache.settings import CacheSettings
from tests.data import Measured, shared_path
from tests.layer_cache.caches import LAYERS, Calls, assert_equal, data_file, embed_cached, other, worst


def test_bit_for_bit(layer_cache: LayerCache, elmo: Elmo, sentences: list[list[str]]) -> None:
    expected = elmo.embed(sentences)
    assert_equal(embed_cached(layer_cache, sentences), expected)
    assert_equal(embed_cached(layer_cache, sentences), expected)
    again = LayerCache(layer_cache.settings, elmo=elmo)
    assert_equal(embed_cached(again, sentences[::-1]), expected[::-1])


def test_second_time(
    layer_cache: LayerCache, computed: Calls, elmo: Elmo, settings: CacheSettings, sentences: list[list[str]]
) -> None:
    first = embed_cached(layer_cache, sentences)
    assert computed == [sentences]
    assert_equal(embed_cached(layer_cache, sentences), first)
    assert_equal(embed_cached(layer_cache, sentences[3:]), first[3:])
    layer_cache.close()
    assert_equal(embed_cached(LayerCache(settings, elmo=elmo), sentences), first)
    assert len(computed) == 1


def test_missing_sentences(layer_cache: LayerCache, computed: Calls, sentences: list[list[str]]) -> None:
    embed_cached(layer_cache, [sentences[1], [], sentences[4]])
    computed.clear()
    asked = [sentences[0], sentences[1], [], sentences[2], sentences[0], sentences[4], sentences[2]]
    outputs = embed_cached(layer_cache, asked)
    assert computed == [[sentences[0], sentences[2]]]
    assert [len(output.word_emb) for output in outputs] == [len(sentence) for sentence in asked]
    np.testing.assert_array_equal(outputs[0].stack(), outputs[4].stack())
    assert worst(outputs, [embed_cached(layer_cache, [sentence])[0] for sentence in asked]) == 0


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_arrays(elmo: Elmo, settings: CacheSettings, dtype: str) -> None:
    layer_cache = LayerCache(other(settings, dtype=dtype), elmo=elmo)
    asked = [["I", "love", "NLP"], [], ["Hello"]]
    for _ in range(2):
        outputs = embed_cached(layer_cache, asked)
        assert [output.names for output in outputs] == [LAYERS] * 3
        assert outputs[0].stack().shape == (3, 3, 16)
        assert outputs[1].word_emb.shape == (0, 8)
        flat = layer_cache.embed_flat(asked)
        assert {name: array.shape for name, array in flat.items()} == {
            "word_emb": (4, 8),
            "lstm_outputs1": (4, 16),
            "lstm_outputs2": (4, 16),
        }
        for layer, array in flat.items():
            assert array.base is None
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, np.concatenate([getattr(output, layer) for output in outputs]))
    layer_cache.close()


def test_nothing_to_embed(layer_cache: LayerCache, computed: Calls) -> None:
    assert embed_cached(layer_cache, []) == []
    assert embed_cached(layer_cache, [[], []])[1].stack().shape == (3, 0, 16)
    assert layer_cache.embed_flat([])["lstm_outputs1"].shape == (0, 16)
    assert computed == []
    assert data_file(layer_cache.settings).stat().st_size == 0


def test_float16_rounds_at_first_use(elmo: Elmo, settings: CacheSettings, sentences: list[list[str]]) -> None:
    layer_cache = LayerCache(other(settings, dtype="float16"), elmo=elmo)
    exact = elmo.embed(sentences)
    first = embed_cached(layer_cache, sentences)
    assert_equal(embed_cached(layer_cache, sentences), first)
    for one, rounded in zip(exact, first):
        for layer, array in rounded.items():
            limit = np.maximum(np.abs(getattr(one, layer)) * 2.0**-11, 2.0**-25)
            assert (np.abs(array - getattr(one, layer)) <= limit).all()
    assert worst(exact, first) > 0
    layer_cache.close()
    assert data_file(settings).stat().st_size == sum(map(len, sentences)) * 40 * 2


def test_beyond_float16(
    tiny: Path, settings: CacheSettings, monkeypatch: pytest.MonkeyPatch, sentences: list[list[str]]
) -> None:
    elmo = spacy_elmo.load(tiny)
    embed = elmo.embed

    def large(asked: list[list[str]], **options: Any) -> list[LayerOutputs]:
        outputs = embed(asked, **options)
        for sentence, output in zip(asked, outputs):
            if sentence == sentences[1]:
                output.lstm_outputs2[2, 3] = 65520
            elif sentence == sentences[2]:
                output.lstm_outputs2[2, 3] = -65504
        return outputs

    monkeypatch.setattr(elmo, "embed", large)
    layer_cache = LayerCache(other(settings, dtype="float16"), elmo=elmo)
    for _ in range(2):
        outputs = embed_cached(layer_cache, sentences[:3])
        assert outputs[1].lstm_outputs2[2, 3] == 65520
        assert outputs[2].lstm_outputs2[2, 3] == -65504
        assert all(np.isfinite(output.stack()).all() for output in outputs)
    assert layer_cache.report().startswith("2 sentences,")
    layer_cache.close()


def test_fp64_becomes_float32(tiny: Path, settings: CacheSettings, sentences: list[list[str]]) -> None:
    elmo = spacy_elmo.load(tiny, precision="fp64")
    layer_cache = LayerCache(settings, elmo=elmo)
    expected = [output.stack().astype(np.float32) for output in elmo.embed(sentences)]
    for _ in range(2):
        for output, array in zip(embed_cached(layer_cache, sentences), expected):
            np.testing.assert_array_equal(output.stack(), array)
            assert output.word_emb.dtype == np.float32
    layer_cache.close()


def test_shared_folder(
    elmo: Elmo, tiny: Path, settings: CacheSettings, sentences: list[list[str]], computed: Calls
) -> None:
    twice = spacy_elmo.load(tiny, precision="fp64")
    caches = [
        LayerCache(settings, elmo=elmo),
        LayerCache(other(settings, dtype="float16"), elmo=elmo),
        LayerCache(settings, elmo=twice),
    ]
    for layer_cache in caches:
        embed_cached(layer_cache, sentences)
        layer_cache.close()
    assert len(list(Path(settings.folder).glob("*.layers"))) == 3
    # A mix that was trained makes no difference.
    with torch.no_grad():
        elmo.mix.gamma.mul_(3)
    computed.clear()
    embed_cached(LayerCache(settings, elmo=elmo), sentences)
    assert computed == []
    assert len(list(Path(settings.folder).glob("*.layers"))) == 3


def test_description(layer_cache: LayerCache, elmo: Elmo) -> None:
    embed_cached(layer_cache, [["a"]])
    about = json.loads(data_file(layer_cache.settings).with_suffix(".json").read_text("utf-8"))
    assert about["what"] == "layers of spacy_elmo"
    assert about["source"] == elmo.source
    assert about["columns"] == {"word_emb": 8, "lstm_outputs1": 16, "lstm_outputs2": 16}
    assert about["options"] == elmo.options.to_dict()
    layer_cache.close()


def test_carry(tiny: Path, settings: CacheSettings) -> None:
    with pytest.raises(ValueError, match=r"EL107.*'carry'.*Set initial_state = 'zero' or 'warm'"):
        LayerCache(settings, elmo=spacy_elmo.load(tiny, initial_state="carry"))


def test_created_at_first_use(layer_cache: LayerCache) -> None:
    layer_cache.close()
    assert not Path(layer_cache.settings.folder).exists()


def test_invalid_sentences(layer_cache: LayerCache) -> None:
    with pytest.raises(ValueError, match="EL033"):
        embed_cached(layer_cache, ["I love NLP"])  # type: ignore[list-item]


def test_report(
    layer_cache: LayerCache, sentences: list[list[str]], caplog: pytest.LogCaptureFixture, settings: CacheSettings
) -> None:
    caplog.set_level(logging.INFO, "spacy.elmo")
    folder = re.escape(settings.folder)
    assert layer_cache.report() == f"0 sentences, 0 tokens, 0 kB of 8 GB in {settings.folder}"
    embed_cached(layer_cache, [*sentences, [], sentences[0]])
    for _ in range(2):
        embed_cached(layer_cache, sentences)
    n, tokens = len(sentences), sum(map(len, sentences))
    share = int(1000 * 2 * n / (3 * n + 1)) / 10
    expected = (
        rf"{n} sentences, {tokens} tokens, [0-9.]+ kB of 8 GB in {folder}; {share} % of the sentences asked for "
        "were there"
    )
    assert re.fullmatch(expected, layer_cache.report())
    layer_cache.close()
    first, last = (record.getMessage() for record in caplog.records)
    assert first == f"Layer cache: 0 sentences, 0 tokens, 0 kB of 8 GB in {settings.folder}"
    assert re.fullmatch(f"Layer cache: {expected}", last)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 kB"), (1234, "1.23 kB"), (312_400_000, "312 MB"), (7_990_000_000, "7.99 GB"), (123e9, "123 GB")],
)
def test_sizes(size: int, text: str) -> None:
    assert format_size(size) == text


def test_full_cache(
    elmo: Elmo,
    settings: CacheSettings,
    sentences: list[list[str]],
    computed: Calls,
    caplog: pytest.LogCaptureFixture,
) -> None:
    room = (len(sentences[0]) + len(sentences[1])) * 40 * 4 + 2 * 32
    layer_cache = LayerCache(other(settings, max_gb=room / 1e9), elmo=elmo)
    first = embed_cached(layer_cache, sentences[:2])
    embed_cached(layer_cache, sentences)
    assert caplog.text.count("The layer cache is full") == 1
    computed.clear()
    assert worst(embed_cached(layer_cache, sentences)[:2], first) == 0
    assert computed == [sentences[2:]]
    assert caplog.text.count("The layer cache is full") == 1
    layer_cache.close()
    path = data_file(settings)
    assert path.stat().st_size + path.with_suffix(".index").stat().st_size == room


def test_damaged_file(elmo: Elmo, settings: CacheSettings, sentences: list[list[str]], computed: Calls) -> None:
    layer_cache = LayerCache(settings, elmo=elmo)
    expected = embed_cached(layer_cache, sentences)
    layer_cache.close()
    path = data_file(settings)
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    content[-1] ^= 1
    path.write_bytes(content)
    again = LayerCache(settings, elmo=elmo)
    computed.clear()
    with pytest.warns(UserWarning, match=r"WL012.*damaged.*computed again") as caught:
        assert worst(embed_cached(again, sentences), expected) <= 1e-5
    assert len(caught) == 1
    assert computed == [[sentences[0], sentences[-1]]]
    embed_cached(again, sentences)
    again.close()
    embed_cached(LayerCache(settings, elmo=elmo), sentences)
    assert len(computed) == 1


def test_truncated_in_use(
    layer_cache: LayerCache, settings: CacheSettings, sentences: list[list[str]], elmo: Elmo
) -> None:
    expected = embed_cached(layer_cache, sentences)
    embed_cached(layer_cache, sentences)
    os.truncate(data_file(settings), 100)
    with pytest.warns(UserWarning, match="WL01[12]") as caught:
        assert_equal(embed_cached(layer_cache, sentences), expected)
    assert sorted(str(one.message)[1:6] for one in caught) == ["WL011", "WL012"]
    assert_equal(embed_cached(layer_cache, sentences), expected)
    layer_cache.close()
    again = LayerCache(settings, elmo=elmo)
    assert_equal(embed_cached(again, sentences), expected)
    again.close()


def test_unwritable_folder(
    elmo: Elmo, settings: CacheSettings, tmp_path: Path, sentences: list[list[str]]
) -> None:
    (tmp_path / "file").write_text("in the way")
    layer_cache = LayerCache(other(settings, folder=str(tmp_path / "file")), elmo=elmo)
    with pytest.warns(UserWarning, match="WL010") as caught:
        first = embed_cached(layer_cache, sentences)
    assert len(caught) == 1
    assert_equal(embed_cached(layer_cache, sentences), first)
    assert layer_cache.report().endswith("0.0 % of the sentences asked for were there")
    layer_cache.close()


def test_real_training_set(settings: CacheSettings, computed: Calls, measured: Measured) -> None:
    """The dev set of UD EWT in batches, the second time in another order."""
    path = shared_path("corpora/ud_ewt/en_ewt-ud-dev.conllu")
    elmo = spacy_elmo.load(shared_path("parity/allennlp_fixture/lm_weights.hdf5"))
    layer_cache = LayerCache(other(settings, dtype="float16"), elmo=elmo)
    tokens = [sentence.tokens for sentence in Inputs(path).read()]
    first: dict[tuple[str, ...], np.ndarray] = {}
    for i in range(0, len(tokens), 50):
        for sentence, output in zip(tokens[i : i + 50], embed_cached(layer_cache, tokens[i : i + 50])):
            first.setdefault(tuple(sentence), output.stack())
    order = np.random.default_rng(0).permutation(len(tokens)).tolist()
    begin = time.perf_counter()
    for i in range(0, len(tokens), 50):
        layer_cache.embed_flat([tokens[k] for k in order[i : i + 50]])
    took = time.perf_counter() - begin
    measured(f"layer cache: {sum(map(len, tokens)) / took:,.0f} tokens/s of 3 layers, P 16")
    for sentence in tokens[::97]:
        np.testing.assert_array_equal(embed_cached(layer_cache, [sentence])[0].stack(), first[tuple(sentence)])
    layer_cache.close()
