"""`POST /api/embed`: text or tokens become layers."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ..bilm.layers import ALL, LayerChoice, LayerOutputs, resolve_layers
from ..errors import Errors
from .bounded_splitter import BoundedSplitter
from .layers_json import write_json, write_rows
from .limits import Limits
from .refusals import RequestError
from .request_body import check_amount, parse_fields, refuse_value
from .served_model import ServedModel

FIELDS = ("text", "tokens", "layers")
_TOKENS = "a list of sentences, each a list of strings; or one sentence, a list of strings"


class EmbeddingRequest(NamedTuple):
    """What a request asks for.

    sentences (list[list[str]]): The tokens of each sentence.
    layers (list[str]): The layers, lowest first.
    """

    sentences: list[list[str]]
    layers: list[str]


def answer_embedding(
    body: bytes, *, model: ServedModel, splitter: BoundedSplitter, limits: Limits
) -> Iterator[bytes]:
    """Compute the answer to a request.

    body (bytes): The body of the request.
    model (ServedModel): The model.
    splitter (BoundedSplitter): Splits text.
    limits (Limits): What a request may have.
    YIELDS (bytes): JSON, in pieces.
    RAISES (ElmoError): If the request is wrong.
    """
    sentences, layers = read_request(body, splitter, limits, n_layers=model.elmo.n_layers)
    outputs = model.elmo.embed(sentences, layers=layers)  # type: ignore[arg-type]
    yield b'{"model":' + write_json(model.name) + b',"sentences":['
    for number, (tokens, output) in enumerate(zip(sentences, outputs)):
        yield b"," if number else b""
        yield from _write_sentence(tokens, output)
    yield b"]}"


def read_request(body: bytes, splitter: BoundedSplitter, limits: Limits, *, n_layers: int) -> EmbeddingRequest:
    """Read a request.

    body (bytes): Its body.
    splitter (BoundedSplitter): Splits text.
    limits (Limits): What a request may have.
    n_layers (int): LSTM layers of the model.
    RETURNS (EmbeddingRequest): What it asks for.
    RAISES (ElmoError): If a field is wrong, or there are too many tokens.
    """
    fields = parse_fields(body, allowed=FIELDS)
    layers: LayerChoice = fields.get("layers", ALL)
    names = resolve_layers(layers, n_layers=n_layers)
    has_text, has_tokens = "text" in fields, "tokens" in fields
    if has_text == has_tokens:
        raise RequestError(Errors.EL344.format(got="both" if has_text else "none"))
    if has_text:
        split = splitter.split([check_text(fields["text"])])
        sentences = [sentence.tokens for line in split for sentence in line]
    else:
        sentences = _read_tokens(fields["tokens"])
    check_amount(len(sentences), "sentences", limits)
    check_amount(sum(map(len, sentences)), "tokens", limits)
    return EmbeddingRequest(sentences, names)


def check_text(text: object) -> str:
    """Check the field "text".

    text (object): Its value.
    RETURNS (str): The same.
    RAISES (RequestError): If it is no string that spaCy accepts.
    """
    if not isinstance(text, str):
        raise refuse_value("text", text, "a string")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        char = f"\\u{ord(text[error.start]):04x}"
        message = Errors.EL346.format(place=error.start, char=char)
        raise RequestError(message) from None
    return text


def _read_tokens(tokens: object) -> list[list[str]]:
    if not isinstance(tokens, list):
        raise refuse_value("tokens", tokens, _TOKENS)
    if tokens and isinstance(tokens[0], str):
        return [_check_sentence("tokens", tokens)]
    return [_check_sentence(f"tokens[{number}]", sentence) for number, sentence in enumerate(tokens)]


def _check_sentence(field: str, sentence: object) -> list[str]:
    if not isinstance(sentence, list):
        raise refuse_value(field, sentence, "a list of strings, as the other sentences are")
    for number, token in enumerate(sentence):
        if not isinstance(token, str):
            raise refuse_value(f"{field}[{number}]", token, "a string")
    return sentence


def _write_sentence(tokens: Sequence[str], output: LayerOutputs) -> Iterator[bytes]:
    yield b'{"tokens":' + write_json(tokens) + b',"layers":{'
    for number, (name, array) in enumerate(output.items()):
        yield (b"," if number else b"") + write_json(name) + b":["
        yield from write_rows(array)
        yield b"]"
    yield b"}}"
