from collections.abc import Sequence
from typing import Protocol

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc

from tests.data import TINY

BANKS = [
    "They sat on the bank of the river and watched the boats. She put her money in the bank every Friday.",
    "The flood had washed away the bank of the stream.",
    "He kept all his money in a bank in London.",
]


class Process(Protocol):
    def __call__(self, *texts: str) -> list[Doc]: ...


@pytest.fixture(scope="session")
def english() -> Language:
    """A pipeline with the bundled model."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("elmo_embedder")
    return nlp


@pytest.fixture(scope="session")
def small() -> Language:
    """A pipeline with the tests' own model, whose weights are random."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("elmo_embedder", config={"source": str(TINY)})
    return nlp


@pytest.fixture(scope="session")
def banks(english: Language) -> Sequence[Doc]:
    """Texts with two meanings of "bank"."""
    return [english(text) for text in BANKS]
