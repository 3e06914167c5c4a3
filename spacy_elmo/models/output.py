"""What flows between the embedder's Thinc nodes."""

from dataclasses import dataclass
from typing import List

from ..bilm.layers import LayerOutputs


@dataclass(frozen=True)
class ElmoOutput:
    """docs: one LayerOutputs per Doc, in order; arrays are (len(doc), width), float32, numpy, each owning its
    memory. Whitespace tokens, and tokens outside all spans, have rows of zeros."""

    docs: List[LayerOutputs]
