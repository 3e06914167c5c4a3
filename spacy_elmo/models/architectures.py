"""The architecture of the embedder's model. Those of other components' layers are in `listener` and `tok2vec`."""

from typing import cast

from ..inference.settings import InitialState, PrecisionName, Settings
from .elmo import ElmoModelT, elmo_model
from .settings import TrainingSettings
from .tok2vec import make_replaceable
from .tokens import SpanGetter, sent_spans


def build_elmo_v1(
    precision: str = "fp32",
    initial_state: str = "zero",
    max_batch_tokens: int | None = None,
    get_spans: SpanGetter | None = None,
    device: str | None = None,
    n_threads: int | None = None,
) -> ElmoModelT:
    """Build the embedder's model, registered as spacy-elmo.Elmo.v1. The component reads the weights.

    precision (str): "fp32"; "bf16" or "int8", on a GPU "tf32" or "bf16", which are faster and less exact; or
        "fp64" for checks. Gradients of a biLM that is not frozen are float32, with "fp64" float64; Thinc's
        optimizers use float32.
    initial_state (str): See `Settings`.
    max_batch_tokens (int | None): Tokens that run through the LSTMs together; memory grows with it. null: chosen
        for the device.
    get_spans (Callable | None): Takes Docs, and returns for each a list of Spans to embed as sentences. null:
        spacy-elmo.sent_spans.v1.
    device (str | None): "cuda", "cuda:1" or "cpu": the device of PyTorch, whatever Thinc uses; it need not exist
        before weights are read. null: where Thinc is, so the GPU after `spacy.require_gpu()`.
    n_threads (int | None): Threads that work at a time, on the CPU, in each process. null: as many as there are
        processors for this process. A number is taken as it is given.
    RETURNS (Model[list[Doc], ElmoOutput]): A model without weights.
    RAISES (ElmoError): If a value is not allowed.
    """
    # Configs may have any text here; `Settings` checks it.
    settings = Settings(
        precision=cast(PrecisionName, precision),
        initial_state=cast(InitialState, initial_state),
        max_batch_tokens=max_batch_tokens,
        n_threads=n_threads,
    )
    model = elmo_model(settings=settings, get_spans=get_spans or sent_spans, device=device)
    # The component replaces these settings by those of its config.
    return make_replaceable(model, TrainingSettings())
