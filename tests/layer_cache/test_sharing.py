"""Processes, threads and copies that share files."""

import copy
import gc
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spacy_elmo.elmo import Elmo
from spacy_elmo.layer_cache.cache import LayerCache
from spacy_elmo.layer_cache.settings import CacheSettings
from tests.layer_cache.caches import Calls, assert_equal, data_file, embed_cached, worst


def test_second_cache_reads(
    elmo: Elmo,
    settings: CacheSettings,
    sentences: list[list[str]],
    computed: Calls,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = LayerCache(settings, elmo=elmo), LayerCache(settings, elmo=elmo)
    embed_cached(one, sentences[:3])
    embed_cached(two, sentences[:4])
    assert computed == [sentences[:3], sentences[3:4]]
    embed_cached(one, sentences[:4])
    embed_cached(two, sentences)
    # What the first has added since is seen; what is missing is the second's own affair.
    assert computed[2:] == [sentences[3:4], sentences[4:]]
    assert caplog.text.count("writes the layer cache") == 1
    two.close()
    embed_cached(one, sentences)
    assert computed[4:] == [sentences[4:]]
    one.close()


PROCESS = """
import sys, spacy_elmo
from spacy_elmo.layer_cache.cache import LayerCache
from spacy_elmo.layer_cache.settings import CacheSettings
tiny, folder, text = sys.argv[1:]
sentences = [line.split() for line in open(text, encoding="utf-8")]
cache = LayerCache(CacheSettings(folder=folder, dtype="float32"), elmo=spacy_elmo.load(tiny))
cache.embed_flat(sentences[:3])
print("ready", flush=True)
sys.stdin.readline()
for sentence in sentences * 100_000:
    cache.embed_flat([sentence, [sentence[0], str(id(sentence)), *sentence]])
    print("more", flush=True)
"""


def start(tiny: Path, settings: CacheSettings, text: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROCESS, str(tiny), settings.folder, str(text)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_two_processes(
    tiny: Path,
    elmo: Elmo,
    settings: CacheSettings,
    text: Path,
    sentences: list[list[str]],
    computed: Calls,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While another process writes, this one reads. When that process is killed, its sentences are still there,
    and another process may write."""
    process = start(tiny, settings, text)
    try:
        expected = elmo.embed(sentences)
        computed.clear()
        reader = LayerCache(settings, elmo=elmo)
        assert worst(embed_cached(reader, sentences), expected) <= 1e-5
        assert computed == [sentences[3:]]
        assert "writes the layer cache" in caplog.text
        print("go", file=process.stdin, flush=True)
        assert process.stdout is not None
        for _ in sentences:
            process.stdout.readline()
        computed.clear()
        assert worst(embed_cached(reader, sentences), expected) <= 1e-5
        assert computed == []
        time.sleep(0.05)
    finally:
        end(process)
    last = LayerCache(settings, elmo=elmo)
    assert worst(embed_cached(last, [*sentences, ["something", "new"]])[:-1], expected) <= 1e-5
    assert computed == [[["something", "new"]]]
    assert caplog.text.count("writes the layer cache") == 1
    embed_cached(last, [["something", "new"]])
    assert len(computed) == 1
    last.close()


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda layer_cache: pickle.loads(pickle.dumps(layer_cache))]
)
def test_copy_reads(
    layer_cache: LayerCache, sentences: list[list[str]], duplicate: Callable[[LayerCache], LayerCache]
) -> None:
    first = embed_cached(layer_cache, sentences[:4])
    layer_cache.report()
    twin = duplicate(layer_cache)
    assert twin.settings == layer_cache.settings
    layer_cache.close()
    size = data_file(layer_cache.settings).stat().st_size
    for _ in range(2):
        assert_equal(embed_cached(twin, sentences)[:4], first)
    assert data_file(layer_cache.settings).stat().st_size == size
    twin.close()


def test_copy_keeps_its_elmo(layer_cache: LayerCache, elmo: Elmo) -> None:
    both = pickle.loads(pickle.dumps({"elmo": elmo, "cache": layer_cache}))
    assert both["cache"]._elmo is both["elmo"]
    assert len(pickle.dumps([elmo, layer_cache])) < len(pickle.dumps(elmo)) + 1000
    assert copy.copy(layer_cache)._elmo is elmo


def test_reads_after_close(
    layer_cache: LayerCache, sentences: list[list[str]], computed: Calls, settings: CacheSettings, elmo: Elmo
) -> None:
    first = embed_cached(layer_cache, sentences[:4])
    layer_cache.close()
    second = LayerCache(settings, elmo=elmo)
    embed_cached(second, sentences[4:6])
    computed.clear()
    assert_equal(embed_cached(layer_cache, sentences[:6])[:4], first)
    assert computed == []
    embed_cached(layer_cache, sentences)
    embed_cached(layer_cache, sentences)
    assert computed == [sentences[6:]] * 2
    second.close()
    layer_cache.close()


def test_threads(layer_cache: LayerCache, sentences: list[list[str]], computed: Calls) -> None:
    expected = [output.stack() for output in embed_cached(layer_cache, sentences[:1])]
    results: list[float] = []

    def ask(seed: int) -> None:
        for i in np.random.default_rng(seed).permutation(len(sentences)).tolist():
            embed_cached(layer_cache, [sentences[i]])
        got = embed_cached(layer_cache, sentences[:1])[0].stack()
        results.append(float(np.abs(got - expected[0]).max()))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0.0] * 4
    assert sorted(str(sentence) for call in computed for sentence in call) == sorted(map(str, sentences))
    layer_cache.close()


def test_no_open_files(layer_cache: LayerCache, sentences: list[list[str]]) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc here")
    for _ in range(3):
        embed_cached(layer_cache, sentences)
    opened = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    suffixes = [
        Path(path).suffix for path in opened if path.startswith(os.path.realpath(layer_cache.settings.folder))
    ]
    # A map has a descriptor of its own.
    assert sorted(suffixes) in ([".lock"], [".layers", ".lock"])
    layer_cache.close()
    opened = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert not any(path.startswith(os.path.realpath(layer_cache.settings.folder)) for path in opened)


def test_without_close(
    elmo: Elmo, settings: CacheSettings, sentences: list[list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """Without `close`, there is a report, and the lock is released."""
    caplog.set_level(logging.INFO, "spacy.elmo")
    layer_cache = LayerCache(settings, elmo=elmo)
    embed_cached(layer_cache, sentences)
    report = layer_cache.report()
    caplog.clear()
    del layer_cache
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == [f"Layer cache: {report}"]
    again = LayerCache(settings, elmo=elmo)
    embed_cached(again, [["something", "new"]])
    assert again.report().startswith(f"{len(sentences) + 1} sentences")
    again.close()
    assert "writes the layer cache" not in caplog.text


def test_report_at_exit(tiny: Path, settings: CacheSettings) -> None:
    code = f"""
import logging, spacy_elmo
from spacy_elmo.layer_cache.cache import LayerCache
from spacy_elmo.layer_cache.settings import CacheSettings
logging.basicConfig(level="INFO")
cache = LayerCache(CacheSettings(folder={settings.folder!r}), elmo=spacy_elmo.load({str(tiny)!r}))
cache.embed_flat([["a", "b"]])
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert "1 sentences, 2 tokens" in done.stderr.splitlines()[-1]
