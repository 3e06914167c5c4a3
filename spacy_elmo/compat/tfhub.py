"""TF Hub's google/elmo in NumPy, without TensorFlow: `Module` as in TF1, `load` and `KerasLayer` as in TF2.

On purpose, a sentence has the same vectors every time; and results are arrays at once, without graph or session.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, cast

import numpy as np
import torch
from numpy.typing import NDArray

from ..elmo import Elmo
from ..elmo import load as load_elmo
from ..errors import ElmoError, Errors, Warnings, short_repr
from ..errors.warn import warn
from ..weights.source import Source

__all__ = ["EagerArray", "KerasLayer", "LoadedModel", "Module", "Signature", "load"]

DEFAULT, TOKENS = "default", "tokens"
SIGNATURES = (DEFAULT, TOKENS)
_INPUTS = ("tokens", "sequence_len")
# Iterable, but no list of texts.
_NO_LISTS = (str, bytes, Mapping, set, frozenset)


class EagerArray(np.ndarray):
    """An array that has `numpy()`, which code for TensorFlow 2 calls on every result."""

    def numpy(self) -> NDArray[Any]:
        """Get the same numbers as a plain array.

        RETURNS (NDArray): The array, without a copy.
        """
        return self.view(np.ndarray)


class Signature:
    """A function of the model, from texts or tokens to its outputs.

    elmo (Elmo): The model.
    name (str): "default", for texts, or "tokens".
    RAISES (ElmoError): If there is no such signature.
    """

    def __init__(self, elmo: Elmo, name: str = DEFAULT):
        if name not in SIGNATURES:
            raise ElmoError(Errors.EL887.format(name="signature", got=short_repr(name), allowed=_list(SIGNATURES)))
        self.elmo = elmo
        self.name = name

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs: the layers of the model, lowest first, then "default"."""
        return [*self.elmo.layer_names, DEFAULT]

    def __call__(self, *inputs: object, **named: object) -> dict[str, EagerArray]:
        """Compute all outputs.

        inputs (object): With "default", the texts, str or bytes in UTF-8: (batch,). A text is split at each space;
            any other whitespace is part of a token.
        named (object): With "tokens", `tokens`, (batch, max_length), and `sequence_len`, whole numbers (batch,):
            so many tokens of a row are read, and the others are ignored. Rows may differ in length. With
            "default", the texts under whatever name.
        RETURNS (dict[str, EagerArray]): word_emb (batch, max_length, P); lstm_outputs1, ..., one for each LSTM
            layer of the model, and elmo (batch, max_length, 2P); default (batch, 2P), the mean of elmo over the
            tokens of the sentence. float32, with zeros where there is no token. `max_length` is the number of
            tokens of the longest text or row.
        RAISES (ElmoError): If the inputs are something else.
        """
        sentences, width = self._read(inputs, named)
        names = self.elmo.layer_names
        found = self.elmo.embed(sentences, layers=names)
        arrays: dict[str, NDArray[np.float32]] = {}
        for name in names:
            array = np.zeros((len(sentences), width, self.elmo.width(name)), np.float32)
            for row, output in zip(array, found):
                row[: len(output)] = output[name]
            arrays[name] = array
        arrays[DEFAULT] = self._average([output.elmo for output in found])
        return {name: array.view(EagerArray) for name, array in arrays.items()}

    def average(self, *inputs: object, **named: object) -> EagerArray:
        """Compute the output "default" alone.

        inputs (object): See `__call__`.
        named (object): See `__call__`.
        RETURNS (EagerArray): (batch, 2P), float32.
        RAISES (ElmoError): As `__call__`.
        """
        sentences, _ = self._read(inputs, named)
        found = self.elmo.embed(sentences, layers=["elmo"])
        return self._average([output.elmo for output in found]).view(EagerArray)

    def _average(self, layers: list[NDArray[np.floating]]) -> NDArray[np.float32]:
        means = np.zeros((len(layers), self.elmo.width("elmo")), np.float32)
        for row, layer in zip(means, layers):
            if len(layer):
                # In float32, sums over many tokens would lose digits.
                row[:] = layer.mean(axis=0, dtype=np.float64)
        return means

    def _read(self, inputs: tuple[object, ...], named: Mapping[str, object]) -> tuple[list[list[str]], int]:
        """Read the inputs: the tokens of each sentence, and the number of columns of the outputs."""
        if len(inputs) == 1 and isinstance(inputs[0], Mapping) and not named:
            named, inputs = inputs[0], ()
        if self.name == DEFAULT:
            # Its name depends on the program that made the module: any is right.
            values = [*inputs, *named.values()]
            if len(values) != 1:
                _fail(DEFAULT, "the input", "one list of texts", f"{len(values)} inputs", "Give elmo(texts).")
            sentences = [_split(text) for text in _read_strings(values[0], "texts", signature=DEFAULT)]
            return sentences, max(map(len, sentences), default=0)
        if inputs or named.keys() != {*_INPUTS}:
            got = f"the names {_list(named)}" if named else short_repr(inputs)
            advice = "Give {'tokens': [['a', 'cat'], ['dogs', '']], 'sequence_len': [2, 1]}."
            _fail(TOKENS, "the inputs", f"named {_list(_INPUTS)}", got, advice)
        rows = _read_rows(named["tokens"])
        lengths = _read_lengths(named["sequence_len"], rows)
        return [row[:length] for row, length in zip(rows, lengths)], max(map(len, rows), default=0)


class Module:
    """A module as TF1 code uses it: `Module(spec)(texts, signature="default", as_dict=True)["elmo"]`.

    A call computes at once and gives arrays, where TensorFlow gives tensors for `session.run`. It runs on the GPU
    if torch has one.

    spec (Source): The address of google/elmo, version 2 or 3, or any other source of `spacy_elmo.load`.
    trainable (bool): With True, there is a warning: `spacy_elmo.torch.ElmoModule` has gradients.
    name (str): A name for the user's own purposes.
    tags (object): Not used: there is one graph for all purposes.
    RAISES (ElmoError): As `spacy_elmo.load`, with its other errors.
    """

    def __init__(self, spec: Source, trainable: bool = False, name: str = "module", tags: object = None):
        self.elmo = _load(spec, trainable=trainable)
        self.trainable = False
        self.name = name

    def __call__(
        self,
        inputs: object = None,
        _sentinel: None = None,
        signature: str | None = None,
        as_dict: bool | None = None,
    ) -> EagerArray | dict[str, EagerArray]:
        """Compute outputs; see `Signature`.

        inputs (object): Texts; for "tokens", a dict of `tokens` and `sequence_len`.
        signature (str | None): "default" or "tokens"; None: "default".
        as_dict (bool | None): Whether to give all outputs by their names.
        RETURNS (EagerArray | dict[str, EagerArray]): The outputs; without `as_dict`, the output "default" alone.
        RAISES (ElmoError): If the inputs do not suit the signature, or there is no such signature.
        """
        function = Signature(self.elmo, DEFAULT if signature is None else signature)
        return function(inputs) if as_dict else function.average(inputs)

    def get_signature_names(self) -> list[str]:
        """List the signatures.

        RETURNS (list[str]): Their names.
        """
        return list(SIGNATURES)


class LoadedModel:
    """What `load` gives: `signatures["default"]` and `signatures["tokens"]`.

    elmo (Elmo): The model.
    """

    def __init__(self, elmo: Elmo):
        self.elmo = elmo
        self.signatures: dict[str, Signature] = {name: Signature(elmo, name) for name in SIGNATURES}


def load(handle: Source, tags: object = None, options: object = None) -> LoadedModel:
    """Load a model as TF2 code uses it: `load(handle).signatures["default"](texts)["elmo"]`.

    handle (Source): As `spec` of `Module`.
    tags (object): Not used.
    options (object): Not used.
    RETURNS (LoadedModel): The model; it runs on the GPU if torch has one.
    RAISES (ElmoError): As `spacy_elmo.load`, with its other errors.
    """
    return LoadedModel(_load(handle))


class KerasLayer:
    """A function with the arguments of TF Hub's layer. It is no layer of Keras: it computes arrays from arrays,
    and cannot be part of a Keras model. Compute its outputs before, and give them to the model as input.

    handle (Source): As `spec` of `Module`.
    trainable (bool): With True, there is a warning: `spacy_elmo.torch.ElmoModule` has gradients.
    signature (str): "default" or "tokens".
    output_key (str | None): The output that a call gives; None: "default".
    signature_outputs_as_dict (bool | None): Whether a call gives all outputs by their names instead.
    input_shape (object): Not used; nor are other arguments that TF Hub's layer has.
    dtype (object): Not used.
    name (str): A name for the user's own purposes.
    RAISES (ElmoError): If there is no such signature or output; and as `spacy_elmo.load`, with its other errors.
    """

    def __init__(
        self,
        handle: Source,
        trainable: bool = False,
        *,
        signature: str = DEFAULT,
        output_key: str | None = None,
        signature_outputs_as_dict: bool | None = None,
        input_shape: object = None,
        dtype: object = None,
        name: str = "keras_layer",
        **_unused: object,
    ):
        self.name = name
        self._function = Signature(_load(handle, trainable=trainable), signature)
        self._key = DEFAULT if output_key is None else output_key
        self._as_dict = bool(signature_outputs_as_dict)
        allowed = self._function.outputs
        if self._key not in allowed:
            got = short_repr(self._key)
            raise ElmoError(Errors.EL887.format(name="output_key", got=got, allowed=_list(allowed)))

    def __call__(self, inputs: object) -> EagerArray | dict[str, EagerArray]:
        """Compute one output or all; see `Signature`.

        inputs (object): Texts; for "tokens", a dict of `tokens` and `sequence_len`.
        RETURNS (EagerArray | dict[str, EagerArray]): The output `output_key`, or all.
        RAISES (ElmoError): If the inputs do not suit the signature.
        """
        if self._key == DEFAULT and not self._as_dict:
            return self._function.average(inputs)
        outputs = self._function(inputs)
        return outputs if self._as_dict else outputs[self._key]


def _load(source: Source, *, trainable: bool = False) -> Elmo:
    if trainable:
        warn(Warnings.WL061, stacklevel=4)
    return load_elmo(source, device="cuda" if torch.cuda.is_available() else "cpu")


def _split(text: str) -> list[str]:
    return [token for token in text.split(" ") if token]


def _list(names: Iterable[object]) -> str:
    return ", ".join(repr(name) for name in names)


def _fail(signature: str, where: str, allowed: str, got: str, advice: str) -> NoReturn:
    raise ElmoError(Errors.EL886.format(signature=signature, where=where, allowed=allowed, got=got, advice=advice))


def _to_python(value: object) -> object:
    """Convert tensors of TensorFlow and arrays; anything else stays what it is."""
    if not isinstance(value, np.ndarray) and callable(numpy := getattr(value, "numpy", None)):
        value = numpy()
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _read_list(value: object, where: str, *, signature: str, allowed: str, advice: str) -> list[object]:
    found = _to_python(value)
    if not isinstance(found, Iterable) or isinstance(found, _NO_LISTS):
        _fail(signature, where, allowed, short_repr(found), advice)
    return list(found)


def _read_strings(value: object, where: str, *, signature: str) -> list[str]:
    is_text = signature == DEFAULT
    allowed = f"a list or one-dimensional array of {'texts' if is_text else 'tokens'}"
    advice = "Put a single text into a list: [text]." if is_text else "Give one list of tokens for each sentence."
    strings = _read_list(value, where, signature=signature, allowed=allowed, advice=advice)
    # Nearly always a list of str, where a check of each would take longer.
    if {*map(type, strings)} <= {str}:
        return cast(list[str], strings)
    return [_read_string(one, f"{where}[{i}]", signature=signature) for i, one in enumerate(strings)]


def _read_string(value: object, where: str, *, signature: str) -> str:
    found = _to_python(value)
    allowed = "a str, or bytes in UTF-8"
    if isinstance(found, bytes):
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError as error:
            advice = f"Decode it before, by its encoding ({error.reason} at byte {error.start})."
            _fail(signature, where, allowed, short_repr(found), advice)
    if not isinstance(found, str):
        _fail(signature, where, allowed, short_repr(found), "Give '' where there is none.")
    return found


def _read_rows(value: object) -> list[list[str]]:
    advice = "Give one list of tokens for each sentence: [['a', 'cat'], ['dogs', '']]."
    allowed = "a list of lists of tokens, or a two-dimensional array"
    rows = _read_list(value, "tokens", signature=TOKENS, allowed=allowed, advice=advice)
    return [_read_strings(row, f"tokens[{i}]", signature=TOKENS) for i, row in enumerate(rows)]


def _read_lengths(value: object, rows: Sequence[Sequence[str]]) -> list[int]:
    allowed = f"{len(rows)} whole numbers, one for each row of tokens"
    advice = "Give the number of tokens of each sentence, without padding."
    lengths = _read_list(value, "sequence_len", signature=TOKENS, allowed=allowed, advice=advice)
    lengths = [_to_python(length) for length in lengths]
    if len(lengths) != len(rows) or not {*map(type, lengths)} <= {int}:
        _fail(TOKENS, "sequence_len", allowed, short_repr(lengths), advice)
    for i, (length, row) in enumerate(zip(cast(list[int], lengths), rows)):
        if not 0 <= length <= len(row):
            allowed = f"from 0 to {len(row)}, the length of its row"
            _fail(TOKENS, f"sequence_len[{i}]", allowed, str(length), advice)
    return cast(list[int], lengths)
