import numpy as np
import pandas as pd
import pytest

from tests.frames.cases import TEXTS


@pytest.fixture
def frame() -> pd.DataFrame:
    """A frame whose index and dtypes are easily lost."""
    return pd.DataFrame(
        {
            "n": pd.array([1, None, 3, 4], dtype="Int64"),
            "text": TEXTS,
            "kind": pd.Categorical(["a", "b", "a", "b"], categories=["b", "a"], ordered=True),
            "time": pd.date_range("2024-01-01", periods=4, tz="Europe/Berlin"),
            "yes": pd.array([True, None, False, True], dtype="boolean"),
            7: np.arange(4, dtype="int8"),
        },
        index=pd.Index(["x", "y", "x", "z"], name="id"),
    )
