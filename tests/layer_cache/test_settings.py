import copy
import pickle
from typing import Any

import numpy as np
import pytest

from spacy_elmo.layer_cache.settings import CacheSettings


def test_defaults() -> None:
    settings = CacheSettings(folder="here")
    assert (settings.dtype, settings.max_gb, settings.limit) == ("float16", 8.0, 8_000_000_000)
    assert pickle.loads(pickle.dumps(settings)) == copy.deepcopy(settings) == settings


@pytest.mark.parametrize("size", [1, 0.5, np.float32(0.5), 1e-9])
def test_sizes(size: Any) -> None:
    assert CacheSettings(folder="here", max_gb=size).limit == round(float(size) * 1e9)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"folder": ""}, r"EL106.*got ''"),
        ({"folder": None}, r"EL106.*got None"),
        ({"dtype": "bfloat16"}, r"EL030.*Unknown dtype of the layer cache 'bfloat16'. Allowed: float16, float32"),
        ({"max_gb": 0}, r"EL105.*above 0.*got 0"),
        ({"max_gb": -1.5}, r"EL105.*got -1.5"),
        ({"max_gb": float("nan")}, r"EL105.*got nan"),
        ({"max_gb": float("inf")}, r"EL105.*got inf"),
        ({"max_gb": True}, r"EL105.*got True"),
        ({"max_gb": "8"}, r"EL105.*got '8'"),
    ],
)
def test_invalid_values(change: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        CacheSettings(**{"folder": "here", **change})
