"""Flair's `ELMoEmbeddings`, which needs AllenNLP 0.9 there, over any model of this package.

On purpose, a sentence has the same vectors every time. Flair models that are saved with it hold its weights.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..bilm.layers import LayerName, LayerOutputs
from ..elmo import Elmo, load
from ..errors import ElmoError, ElmoImportError, Errors, short_repr
from ..inference.settings import Settings
from ..weights.formats import folder
from ..weights.source import Source

try:
    import flair
    from flair.data import Sentence
    from flair.embeddings.base import TokenEmbeddings, register_embeddings
except ModuleNotFoundError as error:
    if error.name != "flair":
        raise
    raise ElmoImportError(Errors.EL889.format(package="flair")) from error

__all__ = ["ELMoEmbeddings"]

MODES = ("all", "top", "average")


class StoredElmo(NamedTuple):
    """A model in a pickle. To read it, this module is imported, which registers the class for Flair.

    data (bytes): As `weights.formats.folder.to_bytes` gives.
    source (str): The file that it was read from, for messages.
    """

    data: bytes
    source: str


# Flair has a class of the same name, which other versions of it may register.
@register_embeddings("spacy_elmo.ELMoEmbeddings")
class ELMoEmbeddings(TokenEmbeddings):
    """Vectors of tokens, for Flair. The model runs on `flair.device`, and is not trained.

    model (Source): Any source of `spacy_elmo.load`. Flair's own names ("original", "small", "medium", "large",
        "5.5B", "pt", "portuguese", "pubmed") are among them.
    options_file (Source | None): With `weight_file`, the files to load; `model` is then only part of `name`.
    weight_file (Source | None): See `options_file`.
    embedding_mode (str): What is a token's vector: "all", all layers side by side, the one below the LSTM twice;
        "top", the topmost LSTM layer; "average", the mean of all layers.
    RAISES (ElmoError): If `embedding_mode` is something else, or one of the files is not given; and as
        `spacy_elmo.load`, with its other errors.
    """

    def __init__(
        self,
        model: Source = "original",
        options_file: Source | None = None,
        weight_file: Source | None = None,
        embedding_mode: str = "all",
    ):
        if embedding_mode not in MODES:
            allowed = ", ".join(map(repr, MODES))
            got = short_repr(embedding_mode)
            raise ElmoError(Errors.EL887.format(name="embedding_mode", got=got, allowed=allowed))
        # With one file alone, `load` says what lacks.
        files: list[Any] = [file for file in (options_file, weight_file) if file is not None]
        elmo = load(files or model, device=flair.device)
        self._fill(elmo, model=str(model), embedding_mode=embedding_mode, name=f"elmo-{model}-{embedding_mode}")

    def _fill(self, elmo: Elmo, *, model: str, embedding_mode: str, name: str) -> None:
        super().__init__()
        self.elmo = elmo
        self.model = model
        self.embedding_mode = embedding_mode
        self.name = name
        # Flair keeps the vectors from epoch to epoch.
        self.static_embeddings = True

    @property
    def embedding_length(self) -> int:
        """The width of a token's vector."""
        return self.elmo.width("elmo") * (self.elmo.n_layers + 1 if self.embedding_mode == "all" else 1)

    def _add_embeddings_internal(self, sentences: list[Sentence]) -> list[Sentence]:
        # Flair's users set the device at any time.
        self.elmo.to(flair.device)
        *layers, top, _ = self.elmo.layer_names
        wanted: list[LayerName] = [top] if self.embedding_mode == "top" else [*layers, top]
        texts = [[token.text for token in sentence] for sentence in sentences]
        for sentence, output in zip(sentences, self.elmo.embed(texts, layers=wanted)):
            for token, vector in zip(sentence, torch.tensor(self._combine(output), device=flair.device)):
                token.set_embedding(self.name, vector)
        return sentences

    def _combine(self, output: LayerOutputs) -> NDArray[np.floating]:
        """Make the vectors of a sentence, (n_tokens, embedding_length)."""
        layers = output.stack() if self.embedding_mode != "top" else np.asarray(output)
        if self.embedding_mode == "all":
            return np.concatenate([*layers], axis=1)
        return layers.mean(axis=0) if self.embedding_mode == "average" else layers

    def to_params(self) -> dict[str, Any]:
        """Get what Flair saves of the embeddings in a model.

        RETURNS (dict[str, Any]): The settings, and the weights.
        """
        return {
            "model": self.model,
            "embedding_mode": self.embedding_mode,
            "name": self.name,
            "elmo": _store(self.elmo),
        }

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> "ELMoEmbeddings":
        """Make the embeddings of a saved model of Flair, on `flair.device`.

        params (dict[str, Any]): What `to_params` gave.
        RETURNS (ELMoEmbeddings): The embeddings.
        """
        made = cls.__new__(cls)
        settings = {name: params[name] for name in ("model", "embedding_mode", "name")}
        made._fill(_restore(params["elmo"]), **settings)
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "elmo": _store(self.elmo)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "elmo": _restore(state["elmo"])})

    def extra_repr(self) -> str:
        """Describe the embeddings in the representation of a module of torch.

        RETURNS (str): Their name.
        """
        return f"model={self.name}"

    def __str__(self) -> str:
        return str(self.name)


def _store(elmo: Elmo) -> StoredElmo:
    """Store a model for a pickle: an Elmo's own names its device, which the next machine may lack."""
    return StoredElmo(folder.to_bytes(elmo.options, elmo.named_arrays()), elmo.source)


def _restore(stored: StoredElmo) -> Elmo:
    weights = folder.from_bytes(stored.data, where=stored.source)
    return Elmo.from_weights(weights, device=flair.device, settings=Settings())
