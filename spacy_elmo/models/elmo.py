"""Elmo as a Thinc model: Docs in, layers out. It may be made before its weights are read."""

from collections.abc import Callable

from spacy.tokens import Doc
from thinc.api import Model

from ..inference.settings import Settings
from .module import ElmoModelT, ElmoShim, EmbedderModule, get_module
from .output import ElmoOutput, flatten
from .predict import Request, submit_docs
from .tokens import SpanGetter
from .update import begin_update


def elmo_model(*, settings: Settings, get_spans: SpanGetter, device: str | None = None) -> ElmoModelT:
    """Make a Thinc model without weights. Its node tree is always the same: one node with one shim.

    settings (Settings): How the biLM is run.
    get_spans (SpanGetter): Returns the spans of a Doc that are embedded as a sentence each.
    device (str | None): The device of torch; None: where Thinc is.
    RETURNS (ElmoModelT): The model.
    RAISES (ElmoError): If there is no device of that name.
    """
    return Model(
        "elmo", forward, shims=[ElmoShim(EmbedderModule(settings=settings, get_spans=get_spans, device=device))]
    )


def forward(
    model: ElmoModelT, docs: list[Doc], is_train: bool
) -> tuple[ElmoOutput, Callable[[ElmoOutput], list[Doc]]]:
    """Compute all layers of Docs.

    model (ElmoModelT): Made by `elmo_model`.
    docs (list[Doc]): The Docs.
    is_train (bool): Whether the backward pass trains the model.
    RETURNS (tuple[ElmoOutput, Callable]): The layers, and the backward pass, which takes their gradients as
        outputs.
    RAISES (ElmoError): As `EmbedderModule.load` and `TokenMapper`.
    """
    module = get_module(model)
    names = module.load().layer_names
    if not is_train:
        request = Request(layers=names)
        output = submit_docs(module.sync(), module.map_tokens(docs), request, model.ops).result()
        return output, lambda d_output: []
    layers = begin_update(module, docs, names, model.ops)

    def backprop(d_output: ElmoOutput) -> list[Doc]:
        if layers.backprop is not None and d_output.docs:
            layers.backprop(flatten(d_output.docs, names).arrays)
        return []

    return ElmoOutput(layers.docs(names)), backprop
