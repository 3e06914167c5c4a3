"""ELMo as a module of torch, over any source.

    from spacy_elmo.torch import ElmoModule

`ElmoModule` takes tokenized sentences or their ids, and gives padded tensors: one for each of its trained mixes,
the layers, the mask and the lengths. Gradients reach the mixes and, where it is not frozen, the biLM.
"""

from .elmo_module import ElmoModule
from .encoder import Encoder
from .padding import ElmoOutputs

__all__ = ["ElmoModule", "ElmoOutputs", "Encoder"]
