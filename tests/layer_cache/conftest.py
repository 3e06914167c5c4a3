from pathlib import Path
from typing import Any

import pytest

from spacy_elmo.elmo import Elmo
from spacy_elmo.layer_cache.cache import LayerCache
from spacy_elmo.layer_cache.settings import CacheSettings
from tests.layer_cache.caches import Calls


@pytest.fixture
def settings(tmp_path: Path) -> CacheSettings:
    """A cache that keeps every bit."""
    return CacheSettings(folder=str(tmp_path / "cache"), dtype="float32")


@pytest.fixture
def layer_cache(elmo: Elmo, settings: CacheSettings) -> LayerCache:
    return LayerCache(settings, elmo=elmo)


@pytest.fixture
def computed(elmo: Elmo, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The sentences of each call that the biLM of `elmo` gets."""
    calls: Calls = []
    embed = elmo.embed

    def spy(sentences: Any, **options: Any) -> Any:
        calls.append([list(sentence) for sentence in sentences])
        return embed(sentences, **options)

    monkeypatch.setattr(elmo, "embed", spy)
    return calls
