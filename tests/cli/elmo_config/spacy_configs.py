"""Training configs as users of spaCy have them."""

import re

from confection import Config
from jinja2 import Template
from spacy import util
from spacy.cli.init_config import TEMPLATE_PATH

# Every component of spaCy that learns from vectors.
LEARNING = [
    "tagger", "morphologizer", "trainable_lemmatizer", "parser", "ner", "span_finder", "spancat",
    "spancat_singlelabel", "entity_linker", "textcat", "textcat_multilabel",
]  # fmt: skip

CURATED = """
[nlp]
lang = "en"
pipeline = ["transformer", "tagger", "ner"]

[components]

[components.transformer]
factory = "curated_transformer"
all_layer_outputs = true

[components.transformer.model]
@architectures = "spacy-curated-transformers.XlmrTransformer.v1"
vocab_size = 250002
hidden_width = 768

[components.transformer.model.with_spans]
@architectures = "spacy-curated-transformers.WithStridedSpans.v1"
stride = 96
window = 128

[components.tagger]
factory = "tagger"

[components.tagger.model]
@architectures = "spacy.Tagger.v2"
nO = null

[components.tagger.model.tok2vec]
@architectures = "spacy-curated-transformers.LastTransformerLayerListener.v1"
width = ${components.transformer.model.hidden_width}
upstream = "transformer"
grad_factor = 0.5

[components.tagger.model.tok2vec.pooling]
@layers = "reduce_mean.v1"

[components.ner]
factory = "ner"

[components.ner.model]
@architectures = "spacy.TransitionBasedParser.v2"
state_type = "ner"
extra_state_tokens = false
hidden_width = ${components.transformer.model.with_spans.stride}
maxout_pieces = 2
use_upper = false
nO = null

[components.ner.model.tok2vec]
@architectures = "spacy-curated-transformers.ScalarWeightingListener.v1"
width = 768

[components.ner.model.tok2vec.pooling]
@layers = "reduce_mean.v1"

[initialize]

[initialize.components]

[initialize.components.transformer]

[initialize.components.transformer.encoder_loader]
@model_loaders = "spacy-curated-transformers.HFTransformerEncoderLoader.v1"
name = "xlm-roberta-base"

[initialize.components.tagger]
labels = [".", "CD", "JJ", "NNS", "PRP", "VBD"]
"""


def parse(text: str) -> Config:
    """A config with spaCy's defaults, not interpolated."""
    config = Config().from_str(text, interpolate=False)
    return Config(util.get_lang_class(config["nlp"]["lang"]).default_config).merge(config)


def transformer_recipe(components: list[str], *, optimize: str = "efficiency") -> Config:
    """What `spacy init config --gpu` writes where spacy-transformers is installed, before it is filled in."""
    text = Template(TEMPLATE_PATH.read_text("utf-8")).render(
        lang="en",
        components=components,
        optimize=optimize,
        hardware="gpu",
        transformer_data={optimize: {"name": "roberta-base", "size_factor": 3}},
        word_vectors=None,
        has_letters=True,
    )
    return parse(re.sub(r"\n\n\n+", "\n\n", text))


def pipeline_config(*components: str, extra: str = "", pipeline: str = "") -> Config:
    """A config of these components, each by a text of its part: `name: key = value; ...`, or a name alone, which
    stands for its factory. extra: more sections."""
    names = [component.partition(":")[0] for component in components]
    parts = []
    for component in components:
        name, _, body = component.partition(":")
        lines = [line.strip() for line in body.split(";") if line.strip()] or [f'factory = "{name}"']
        parts.append(f"[components.{name}]\n" + "\n".join(lines))
    listed = pipeline or str(names).replace("'", '"')
    return parse(f'[nlp]\nlang = "en"\npipeline = {listed}\n[components]\n' + "\n".join([*parts, extra]))
