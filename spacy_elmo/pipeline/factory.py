"""The factory of the component `elmo_embedder`, and its default config."""

from typing import TYPE_CHECKING

from spacy.language import Language
from thinc.api import Config, Model

from ..layer_cache.settings import CacheSettings
from .extensions import are_extensions_free, install_extensions
from .pipeline_ref import TENSOR

if TYPE_CHECKING:
    from .embedder import ElmoEmbedder

DEFAULT_CONFIG = """
[elmo_embedder]
source = "en_sm"
pooling_layer = "elmo"
layers = "*"
frozen = true
trainable = ".*"
learn_rate_factor = 0.3
warmup_steps = 200
dropout = 0.0
cache = null
set_tensor = null
vectors = false
layers_on_gpu = false

[elmo_embedder.model]
@architectures = "spacy-elmo.Elmo.v1"
precision = "fp32"
initial_state = "zero"
max_batch_tokens = null
n_threads = null
device = null

[elmo_embedder.model.get_spans]
@misc = "spacy-elmo.sent_spans.v1"
"""


@Language.factory(
    "elmo_embedder",
    assigns=["doc._.elmo", "span._.elmo", "token._.elmo", TENSOR],
    default_config=Config().from_str(DEFAULT_CONFIG)["elmo_embedder"],
)
def make_elmo_embedder(
    nlp: Language,
    name: str,
    model: Model,
    source: str | list[str],
    pooling_layer: str,
    layers: str | list[str],
    frozen: bool,
    trainable: str | list[str],
    learn_rate_factor: float,
    warmup_steps: int,
    dropout: float,
    cache: CacheSettings | None,
    set_tensor: bool | None,
    vectors: bool,
    layers_on_gpu: bool,
) -> "ElmoEmbedder":
    """Make the component `elmo_embedder`, which computes the layers of each Doc and writes them to it.

    nlp (Language): The pipeline.
    name (str): The name of the component.
    model (Model): A model as `spacy-elmo.Elmo.v1` makes it.
    source (str | list[str]): See `TrainingSettings`.
    pooling_layer (str): See `ElmoEmbedder`.
    layers (str | list[str]): See `ElmoEmbedder`.
    frozen (bool): See `TrainingSettings`.
    trainable (str | list[str]): See `TrainingSettings`.
    learn_rate_factor (float): See `TrainingSettings`.
    warmup_steps (int): See `TrainingSettings`.
    dropout (float): See `TrainingSettings`.
    cache (CacheSettings | None): See `TrainingSettings`.
    set_tensor (bool | None): See `ElmoEmbedder`.
    vectors (bool): See `ElmoEmbedder`.
    layers_on_gpu (bool): See `ElmoEmbedder`.
    RETURNS (ElmoEmbedder): The component, attached to the pipeline.
    RAISES (ElmoError): If a setting is not allowed.
    """
    # Imported here, because spaCy imports this module for every pipeline once the package is installed.
    from ..models.settings import TrainingSettings
    from .embedder import ElmoEmbedder

    embedder = ElmoEmbedder(
        nlp.vocab,
        model,
        name=name,
        training=TrainingSettings(
            source=source,
            frozen=frozen,
            trainable=trainable,
            learn_rate_factor=learn_rate_factor,
            warmup_steps=warmup_steps,
            dropout=dropout,
            cache=cache,
        ),
        pooling_layer=pooling_layer,
        layers=layers,
        set_tensor=set_tensor,
        vectors=vectors,
        layers_on_gpu=layers_on_gpu,
    )
    embedder.attach(nlp)
    return embedder


# Docs that are read from disk show their layers once any pipeline was made.
if are_extensions_free():
    install_extensions()
