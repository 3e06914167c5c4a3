"""TF Hub's google/elmo in NumPy, without TensorFlow: `Module` as in TF1, `load` and `KerasLayer` as in TF2.

On purpose, a sentence has the same vectors every time; results are arrays at once, without graph or session; and
rows after the end of a sentence are zeros, so divide by the number of tokens for a mean, or take "default".
"""

from .modules import KerasLayer, LoadedModel, Module, load
from .signatures import EagerArray, Signature

__all__ = ["EagerArray", "KerasLayer", "LoadedModel", "Module", "Signature", "load"]
