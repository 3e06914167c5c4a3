"""ELMo for spaCy, and for Python without spaCy.

Without spaCy: `load` gives an `Elmo`, whose `embed`, `stream` and `save` take and give plain Python and NumPy;
`spacy_elmo.torch` has it as a module of torch, `spacy_elmo.compat` with the interfaces of other programs.

In a spaCy pipeline, these registered names can be used in a config; they need no import:

- factories: elmo_embedder
- architectures: spacy-elmo.Elmo.v1, spacy-elmo.ElmoTok2Vec.v1, spacy-elmo.ElmoListener.v1,
  spacy-elmo.BiLSTMEncoder.v1
- misc: spacy-elmo.sent_spans.v1, spacy-elmo.doc_spans.v1, spacy-elmo.layer_cache.v1
- batchers: spacy-elmo.entity_variants.v1
- callbacks: spacy-elmo.relink.v1

On the command line: `spacy-elmo --help`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bilm.layers import LayerName, LayerOutputs
    from .elmo import Elmo, load
    from .errors import ElmoError
    from .inference.settings import InitialState, PrecisionName, Settings
    from .pipeline.hooks import install_hooks
    from .texts import TextOutputs

__version__ = "0.1.0"
"""The version: MAJOR.MINOR.PATCH."""

__all__ = [
    "Elmo",
    "ElmoError",
    "InitialState",
    "LayerName",
    "LayerOutputs",
    "PrecisionName",
    "Settings",
    "TextOutputs",
    "__version__",
    "install_hooks",
    "load",
]

# Imported on first access: spaCy imports every installed plugin for every pipeline, also for those without ELMo.
_LAZY = {
    "Elmo": "spacy_elmo.elmo",
    "ElmoError": "spacy_elmo.errors",
    "InitialState": "spacy_elmo.inference.settings",
    "LayerName": "spacy_elmo.bilm.layers",
    "LayerOutputs": "spacy_elmo.bilm.layers",
    "PrecisionName": "spacy_elmo.inference.settings",
    "Settings": "spacy_elmo.inference.settings",
    "TextOutputs": "spacy_elmo.texts",
    "install_hooks": "spacy_elmo.pipeline.hooks",
    "load": "spacy_elmo.elmo",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'spacy_elmo' has no attribute '{name}'")
    from importlib import import_module

    # Stored as a global, so that later accesses do not come here.
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
