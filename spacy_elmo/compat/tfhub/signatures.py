"""A signature of google/elmo: its outputs, as arrays."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...elmo import Elmo
from ...errors import ElmoError, Errors, short_repr
from .signature_inputs import DEFAULT, SIGNATURES, list_names, read_inputs


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
            raise ElmoError(
                Errors.EL887.format(name="signature", got=short_repr(name), allowed=list_names(SIGNATURES))
            )
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
        sentences, width = read_inputs(self.name, inputs, named)
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
        sentences, _ = read_inputs(self.name, inputs, named)
        found = self.elmo.embed(sentences, layers=["elmo"])
        return self._average([output.elmo for output in found]).view(EagerArray)

    def _average(self, layers: list[NDArray[np.floating]]) -> NDArray[np.float32]:
        means = np.zeros((len(layers), self.elmo.width("elmo")), np.float32)
        for row, layer in zip(means, layers):
            if len(layer):
                # In float32, sums over many tokens would lose digits.
                row[:] = layer.mean(axis=0, dtype=np.float64)
        return means
