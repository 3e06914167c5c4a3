"""The models that can be named, and where their authors publish them."""

from pathlib import Path
from typing import Dict, List, NamedTuple

# Name of the model that comes with the package.
BUNDLED = "en_sm"
BUNDLED_FOLDER = Path(__file__).parent.parent.parent / "data" / BUNDLED

_ALLENNLP = "https://allennlp.s3.amazonaws.com/models/elmo"


class Entry(NamedTuple):
    """Addresses of the two files of a published model."""

    options: str
    weights: str


def _pair(path: str) -> Entry:
    return Entry(f"{_ALLENNLP}/{path}_options.json", f"{_ALLENNLP}/{path}_weights.hdf5")


CATALOGUE: Dict[str, Entry] = {
    "original": _pair("2x4096_512_2048cnn_2xhighway/elmo_2x4096_512_2048cnn_2xhighway"),
    "original_5.5B": _pair("2x4096_512_2048cnn_2xhighway_5.5B/elmo_2x4096_512_2048cnn_2xhighway_5.5B"),
    "small": _pair("2x1024_128_2048cnn_1xhighway/elmo_2x1024_128_2048cnn_1xhighway"),
    "medium": _pair("2x2048_256_2048cnn_1xhighway/elmo_2x2048_256_2048cnn_1xhighway"),
    "pt": _pair("contributed/pt/elmo_pt"),
    "pubmed": _pair("contributed/pubmed/elmo_2x4096_512_2048cnn_2xhighway_PubMed_only"),
}


def names() -> List[str]:
    """Every name that a source can have."""
    return [BUNDLED, *CATALOGUE]
