"""The architectures that configs name. Those that stand in other components are in `listener` and `tok2vec`."""

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
    """The model of the embedder, registered as spacy-elmo.Elmo.v1. The component gives it its weights.

    precision (str): "fp32"; "bf16" or "int8", on a GPU "tf32" or "bf16", faster and less exact; or "fp64" to check
        with. A biLM that is not frozen has its gradients in float32, with "fp64" in float64; Thinc's optimizers
        step in float32.
    initial_state (str): "zero", "warm" or "carry".
    max_batch_tokens (int | None): tokens that run through the LSTMs together; memory grows with it. null: as
        many as suit the device.
    get_spans (Callable | None): Docs -> for each a list of Spans to embed as sentences. null: those of
        spacy-elmo.sent_spans.v1.
    device (str | None): null: where Thinc is, so the GPU after `spacy.require_gpu()`. "cuda", "cuda:1", "cpu":
        there, by PyTorch alone, whatever Thinc uses; it need not exist before weights are read.
    n_threads (int | None): threads that work at a time, on the CPU, in each process. null: as many as there are
        processors for this process. A number is taken as it is given.
    RETURNS (Model[list[Doc], ElmoOutput]): a model without weights.
    RAISES (ElmoError): for a value that is not allowed.
    """
    # Configs hold any text: `Settings` says what is allowed.
    settings = Settings(
        precision=cast(PrecisionName, precision),
        initial_state=cast(InitialState, initial_state),
        max_batch_tokens=max_batch_tokens,
        n_threads=n_threads,
    )
    model = elmo_model(settings=settings, get_spans=get_spans or sent_spans, device=device)
    # The component has more to say.
    return make_replaceable(model, TrainingSettings())
