"""google/elmo as the programs for TF1, TF2 and Keras load and call it."""

import torch

from ...elmo import Elmo
from ...elmo import load as load_elmo
from ...errors import ElmoError, Errors, Warnings, short_repr
from ...errors.warn import warn
from ...weights.source import Source
from .signature_inputs import DEFAULT, SIGNATURES, list_names
from .signatures import EagerArray, Signature


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
            raise ElmoError(Errors.EL887.format(name="output_key", got=got, allowed=list_names(allowed)))

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
