"""The architectures that configs name. Those that stand in other components are in `listener` and `tok2vec`."""

from ..elmo import Settings
from .spans import SpanGetter
from .tok2vec import replaceable
from .wrapper import ElmoModelT, elmo_model


def build_elmo_v1(precision: str, initial_state: str, max_batch_tokens: int, get_spans: SpanGetter) -> ElmoModelT:
    """The model of the embedder, registered as spacy-elmo.Elmo.v1. The component gives it its weights.

    precision (str): "fp32"; "bf16" or "int8", faster and less exact; or "fp64" to check with. A biLM that is not
        frozen has its gradients in float32, with "fp64" in float64; Thinc's optimizers step in float32.
    initial_state (str): "zero", "warm" or "carry".
    max_batch_tokens (int): tokens that run through the LSTMs together; memory grows with it.
    get_spans (Callable): Docs -> for each a list of Spans to embed as sentences.
    RETURNS (Model[List[Doc], ElmoOutput]): a model without weights.
    RAISES (ValueError): for a value that is not allowed.
    """
    settings = Settings(precision=precision, initial_state=initial_state, max_batch_tokens=max_batch_tokens)
    return replaceable(elmo_model(settings=settings, get_spans=get_spans))
