"""A program over `spacy_elmo.torch`, `visual` and `compat`, read by type checkers alone; see embedding.py."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import assert_type

from spacy_elmo import Elmo, install_hooks, visual
from spacy_elmo.compat.allennlp import Elmo as AllenNLPElmo
from spacy_elmo.compat.allennlp import ElmoEmbedder, batch_to_ids
from spacy_elmo.compat.simple_elmo import ElmoModel
from spacy_elmo.torch import ElmoModule, ElmoOutputs


class Tagger(nn.Module):
    def __init__(self, n_tags: int, source: str | Elmo = "en_sm") -> None:
        super().__init__()
        self.elmo = ElmoModule(
            source, n_mixes=1, dropout=0.1, frozen=False, trainable=["layers.1"], precision="bf16"
        )
        self.head = nn.Linear(self.elmo.width, n_tags)
        assert_type(self.elmo.width, int)
        self.elmo.save("folder")

    def forward(self, sentences: list[list[str]]) -> Tensor:
        outputs = self.elmo.forward(sentences)
        assert_type(outputs, ElmoOutputs)
        assert_type(outputs.mixes, list[Tensor])
        assert_type(outputs.layers["lstm_outputs2"], Tensor)
        assert_type(outputs.mask, Tensor)
        assert_type(outputs.lengths, Tensor)
        assert_type(self.elmo.encode(sentences), Tensor)
        _ = outputs.masks  # type: ignore[attr-defined]
        self.elmo.forward("a sentence", boundaries=True)  # type: ignore[call-arg]
        scores: Tensor = self.head(outputs.mixes[0])
        return scores


def make_modules() -> list[ElmoModule]:
    ElmoModule("en_sm", precision="half")  # type: ignore[arg-type]
    ElmoModule("en_sm", mixes=3)  # type: ignore[call-arg]
    ElmoModule("en_sm", dropout="none")  # type: ignore[arg-type]
    return [ElmoModule(), ElmoModule("en_sm", initial_state="warm", keep_boundaries=True, max_batch_tokens=512)]


def draw(elmo: Elmo) -> str:
    docs = elmo.embed_texts(["by the bank of the river", "money in the bank"])
    html = visual.render(docs, "map", options={"word": "bank"}, jupyter=False)
    assert_type(html, str | None)
    visual.save(docs, "map.html", "map", options={"word": "bank"})
    visual.render(docs, options=["bank"])  # type: ignore[arg-type]
    visual.render(docs, style=3)  # type: ignore[arg-type]
    visual.display(docs)  # type: ignore[attr-defined]
    install_hooks(docs)  # type: ignore[arg-type]
    return html or ""


def embed_as_before(sentences: list[list[str]]) -> NDArray[np.floating]:
    module = AllenNLPElmo("options.json", "weights.hdf5", 2, dropout=0)
    ids = batch_to_ids(sentences)
    assert_type(ids, torch.Tensor)
    module(ids)["elmo_representations"]
    batch_to_ids(7)  # type: ignore[arg-type]
    embedder = ElmoEmbedder("options.json", "weights.hdf5")
    embedder.embed_sentence(sentences[0])
    embedder.embed(sentences)  # type: ignore[attr-defined]
    model = ElmoModel()
    assert_type(model.load("196.zip"), str)
    model.load("196.zip", batch_size=8)  # type: ignore[call-arg]
    return model.get_elmo_vectors(sentences, layers="average")
