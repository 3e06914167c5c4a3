"""spacy_elmo: ELMo for spaCy. `load` gives a model without spaCy; the pipeline component is "elmo_embedder"."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bilm.layers import LayerName, LayerOutputs
    from .elmo import Elmo, load
    from .errors import ElmoError
    from .inference.settings import InitialState, PrecisionName, Settings
    from .pipeline.hooks import install_hooks
    from .texts import TextOutputs

__version__ = "0.1.0"
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

# spaCy imports every installed plugin whenever a pipeline is made, so nothing heavy is imported here.
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


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'spacy_elmo' has no attribute '{name}'")
    from importlib import import_module

    # From now on, it is there.
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
