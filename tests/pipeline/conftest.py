from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language

Make = Callable[..., Language]


@pytest.fixture
def make(tiny: Path) -> Make:
    """A blank pipeline with the embedder on the tiny model; keywords go into the component's config."""

    def make_nlp(**config: Any) -> Language:
        nlp = spacy.blank("en")
        nlp.add_pipe("elmo_embedder", config={"source": str(tiny), **config})
        return nlp

    return make_nlp


@pytest.fixture
def nlp(make: Make) -> Language:
    return make()
