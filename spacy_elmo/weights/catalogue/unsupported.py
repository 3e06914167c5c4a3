"""Published models under the name of ELMo that cannot be read, and what to use instead."""

from typing import NamedTuple

from ...errors import ElmoError, Errors
from ..urls import safe_url
from .published import ALLENNLP, make_url_key


class _Model(NamedTuple):
    """A model that cannot be read.

    reason (str): What it is.
    instead (str): What to use.
    names (tuple[str, ...]): Its names.
    addresses (tuple[str, ...]): Starts of its addresses.
    """

    reason: str
    instead: str
    names: tuple[str, ...]
    addresses: tuple[str, ...]


_MODELS = [
    _Model(
        "AllenNLP's transformer ELMo has transformer layers, and no LSTMs",
        "use original, which was trained on the same text",
        ("transformer-elmo", "transformer-elmo-2019.01.10"),
        tuple(f"{base}transformer-elmo-2019.01.10" for base in ALLENNLP),
    ),
    _Model(
        "GluonNLP's files are MXNet's, with the weights of AllenNLP's models",
        "use small, medium, original or original_5.5B",
        ("gluonnlp",),
        (
            "https://apache-mxnet.s3-accelerate.dualstack.amazonaws.com/gluon/models/elmo_",
            "https://apache-mxnet.s3.amazonaws.com/gluon/models/elmo_",
        ),
    ),
    _Model(
        "Magnitude's files are SQLite databases, with the weights of AllenNLP's models",
        "use small, medium or original",
        ("magnitude",),
        ("http://magnitude.plasticity.ai/elmo/",),
    ),
    _Model(
        "Malaya's ELMo is a pickle of its own program",
        "use manylangs/id, which is Indonesian: no other ELMo for Malay is known",
        ("malaya", "elmo-128", "elmo-256"),
        ("https://s3-ap-southeast-1.amazonaws.com/huseinhouse-storage/v20/elmo/",),
    ),
    _Model(
        "PEvoLM is another network, which stands on SeqVec",
        "use seqvec",
        ("pevolm",),
        ("https://github.com/issararab/PEvoLM",),
    ),
    _Model(
        "benepar's model is a parser that asks for the files of AllenNLP's original ELMo",
        "use original",
        ("en_elmo_dev.95.21", "en_elmo_dev.95.21.pt", "benepar"),
        ("https://github.com/nikitakit/self-attentive-parser/releases/download/models/en_elmo_dev",),
    ),
]


def check_supported(name: str) -> None:
    """Check that a name or address is not that of a published model that cannot be read.

    name (str): What a user gave.
    RAISES (ElmoError): If it is, with what to use instead.
    """
    key = make_url_key(name)
    for model in _MODELS:
        is_address = key and any(key.startswith(make_url_key(address)) for address in model.addresses)
        if is_address or name.lower() in model.names:
            raise ElmoError(Errors.EL320.format(name=safe_url(name), reason=model.reason, instead=model.instead))
