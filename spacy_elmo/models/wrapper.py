"""Elmo as a Thinc model: Docs in, layer outputs out. The weights may come later than the model."""

from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from spacy.attrs import IS_SPACE
from spacy.tokens import Doc, Span
from thinc.api import Model, PyTorchShim
from torch import nn

from ..bilm.layers import LayerOutputs
from ..elmo import Elmo, Settings
from ..errors import Errors
from ..weights.arrays import Weights
from .output import ElmoOutput
from .spans import SpanGetter

ElmoModelT = Model[List[Doc], ElmoOutput]


class ElmoHolder(nn.Module):
    """What the model's shim holds: an Elmo, or the place for one whose weights have not been read yet.

    Its parameters are Elmo's, once there is one. settings, get_spans: of the config, hence never saved.
    layers: names of the layers to compute, set by whoever uses the model.
    """

    def __init__(self, *, settings: Settings, get_spans: SpanGetter):
        super().__init__()
        self.settings = settings
        self.get_spans = get_spans
        self.layers: List[str] = []
        self.empty()

    def empty(self) -> None:
        """Go back to having no weights."""
        self.elmo: Optional[Elmo] = None
        self.bilm: Optional[nn.Module] = None
        self.mix: Optional[nn.Module] = None

    def fill(self, weights: Weights, *, device: torch.device) -> Elmo:
        """Build the Elmo. Its modules become submodules, so that optimisers and device moves reach them."""
        elmo = Elmo.from_weights(weights, device=device, settings=self.settings)
        self._adopt(elmo)
        return elmo

    def _adopt(self, elmo: Elmo) -> None:
        self.elmo = elmo
        self.bilm = elmo.engine.module
        self.mix = elmo.mix

    def __getstate__(self) -> Dict[str, Any]:
        # The submodules are Elmo's: they come back with it.
        return {**self.__dict__, "_modules": {}}

    def __setstate__(self, state: Dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.elmo is not None:
            self._adopt(self.elmo)
        else:
            self.empty()


def elmo_model(*, settings: Settings, get_spans: SpanGetter) -> ElmoModelT:
    """A Thinc model without weights. Its node tree is always the same: one node with one shim."""
    shim = PyTorchShim(
        ElmoHolder(settings=settings, get_spans=get_spans), serialize_model=to_bytes, deserialize_model=from_bytes
    )
    return Model("elmo", forward, shims=[shim])


def holder_of(model: ElmoModelT) -> ElmoHolder:
    """The model's holder. Found by position: copies of a Thinc model lose named references."""
    holder: ElmoHolder = model.shims[0]._model
    return holder


def device_of(model: ElmoModelT) -> torch.device:
    """Where the model's modules belong: the GPU if Thinc uses one, else the CPU."""
    shim = cast(PyTorchShim, model.shims[0])
    return cast(torch.device, shim.device)


def forward(model: ElmoModelT, docs: List[Doc], is_train: bool) -> Tuple[ElmoOutput, Callable[[Any], List[Doc]]]:
    """Embed the spans of the Docs. The biLM is frozen, so nothing flows back.

    RAISES: ValueError if the model has no weights yet, and as `embed_docs`.
    """
    holder = holder_of(model)
    if holder.elmo is None:
        raise ValueError(Errors.EL057)
    return embed_docs(holder.elmo, docs, holder.get_spans, holder.layers), lambda d_output: []


def embed_docs(elmo: Elmo, docs: Sequence[Doc], get_spans: SpanGetter, layers: Sequence[str]) -> ElmoOutput:
    """Layer outputs of the Docs' tokens. Whitespace tokens are hidden from the biLM, which never saw any.

    RAISES: ValueError if get_spans gives no list of spans for each Doc, or spans that overlap.
    """
    spans = [list(doc_spans) for doc_spans in get_spans(docs)]
    if len(spans) != len(docs):
        raise ValueError(Errors.EL056.format(got=len(spans), expected=len(docs)))
    rows = [_token_rows(doc, doc_spans) for doc, doc_spans in zip(docs, spans)]
    sentences = [[token.text for token in span if not token.is_space] for doc_spans in spans for span in doc_spans]
    outputs = iter(elmo.embed(sentences, layers=layers))
    return ElmoOutput([
        _place(elmo, len(doc), doc_rows, [next(outputs) for _ in doc_rows], layers)
        for doc, doc_rows in zip(docs, rows)
    ])  # fmt: skip


def _token_rows(doc: Doc, spans: Sequence[Span]) -> List[NDArray[np.int64]]:
    """Of each span, the Doc's rows that the biLM sees."""
    seen = np.flatnonzero(doc.to_array(IS_SPACE) == 0)
    rows = [seen[np.searchsorted(seen, span.start) : np.searchsorted(seen, span.end)] for span in spans]
    if len(rows) > 1:
        tokens, counts = np.unique(np.concatenate(rows), return_counts=True)
        if (counts > 1).any():
            token = int(tokens[counts > 1][0])
            raise ValueError(Errors.EL054.format(token=token, text=doc[token].text))
    return rows


def _place(
    elmo: Elmo,
    n_tokens: int,
    rows: Sequence[NDArray[np.int64]],
    outputs: List[LayerOutputs],
    layers: Sequence[str],
) -> LayerOutputs:
    """The outputs of a Doc's spans as one array a layer, a row for each token."""
    if len(rows) == 1 and len(rows[0]) == n_tokens:
        arrays = {name: array.astype(np.float32, copy=False) for name, array in outputs[0].items()}
        return LayerOutputs(arrays, n_layers=elmo.n_layers)
    arrays = {name: np.zeros((n_tokens, elmo.width(name)), dtype=np.float32) for name in layers}
    for span_rows, output in zip(rows, outputs):
        for name, array in output.items():
            arrays[name][span_rows] = array
    return LayerOutputs(arrays, n_layers=elmo.n_layers)


def to_bytes(holder: ElmoHolder) -> bytes:
    """The weights for Thinc's serialisation; nothing where there are none yet."""
    from ..weights import folder

    return folder.to_bytes(holder.elmo.options, holder.elmo.named_arrays()) if holder.elmo is not None else b""


def from_bytes(holder: ElmoHolder, data: bytes, device: torch.device) -> ElmoHolder:
    """The inverse of `to_bytes`, into a holder that keeps its own settings."""
    from ..weights import folder

    if data:
        holder.fill(folder.from_bytes(data, where="the saved pipeline"), device=device)
    else:
        holder.empty()
    return holder
