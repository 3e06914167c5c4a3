"""TF Hub's google/elmo in NumPy, without TensorFlow: `Module` as in TF1, `load` and `KerasLayer` as in TF2.

On purpose, a sentence has the same vectors every time; and results are arrays at once, without graph or session.
"""

from .modules import KerasLayer, LoadedModel, Module, load
from .signatures import EagerArray, Signature

__all__ = ["EagerArray", "KerasLayer", "LoadedModel", "Module", "Signature", "load"]
