"""The torch module of the embedder, and the shim by which Thinc trains, moves and saves it."""

import warnings
from collections.abc import Callable, Iterator
from typing import cast

import torch
from spacy.tokens import Doc
from thinc.api import Model, Optimizer, get_torch_default_device
from torch import nn

from ..bilm.alphabet import make_alphabet
from ..elmo import Elmo, Settings, check_device
from ..errors import ElmoError, Errors, ReasonError, Warnings
from ..errors.warn import OnceWarner
from ..gradients.selection import select_parameters
from ..gradients.trainable import TrainableEngine
from ..layer_cache.cache import LayerCache
from ..runtime.forks import ForkLock
from ..weights.arrays import Weights
from ..weights.source import Source, is_local, read_weights, show_source
from .output import ElmoOutput
from .settings import TrainingSettings
from .tokens import SpanGetter, TokenMapper
from .torch_shim import TorchShim, are_finite

ElmoModelT = Model[list[Doc], ElmoOutput]


def get_module(model: ElmoModelT) -> "EmbedderModule":
    """Get the torch module of a model. It is found by position: copies of a Thinc model lose references.

    model (ElmoModelT): Made by `models.elmo.elmo_model`, or a copy.
    RETURNS (EmbedderModule): The module of its shim.
    """
    return cast(EmbedderModule, model.shims[0]._model)


class EmbedderModule(nn.Module):
    """A torch module over an Elmo, whose weights may be read later, and over its biLM in training.

    Its parameters are those of the mix, and those of the biLM if that is trained or runs as a module. Settings are
    never saved with it.

    settings (Settings): How the biLM is run.
    get_spans (SpanGetter): Returns the spans of a Doc that are embedded as a sentence each.
    device (str | None): The device of torch; None: where Thinc is.
    RAISES (ElmoError): If there is no device of that name.
    """

    def __init__(self, *, settings: Settings, get_spans: SpanGetter, device: str | None = None):
        super().__init__()
        self.settings = settings
        self.map_tokens = TokenMapper(get_spans)
        self.training_settings = TrainingSettings()
        # Whether `to_bytes` reads weights that have not been read; not needed where the component has done so.
        self.reads_to_save = True
        self._device = None if device is None else _parse_device(device)
        # The first thread that uses the model reads the weights; others wait.
        self._lock = ForkLock()
        self._warn = OnceWarner()
        self.clear()

    def clear(self) -> None:
        """Remove the weights, and all that was made from them."""
        self._elmo: Elmo | None = None
        self.mix: nn.Module | None = None
        self.bilm: nn.Module | None = None
        self._trainable: TrainableEngine | None = None
        self._is_changed = False
        self._cache: LayerCache | None = None
        self._start: dict[str, torch.Tensor] = {}
        self._n_steps = 0

    @property
    def has_weights(self) -> bool:
        """Whether the weights have been read."""
        return self._elmo is not None

    @property
    def n_layers(self) -> int | None:
        """LSTM layers of the model; None before the weights are read."""
        return None if self._elmo is None else self._elmo.options.lstm.n_layers

    @property
    def device(self) -> torch.device:
        """The device of the config, if it names one; else where the weights are; else where Thinc is."""
        if self._device is not None:
            return self._device
        parameter = next(self.parameters(), None)
        return get_torch_default_device() if parameter is None else parameter.device

    def load(self) -> Elmo:
        """Get the model, to ask for its sizes and names; weights that have not been read are read now. `sync` also
        updates its engine by the training.

        RETURNS (Elmo): The model.
        RAISES (ElmoError): If there is no source.
        RAISES (FileNotFoundError, ElmoError, ImportError): As `spacy_elmo.load`.
        """
        if self._elmo is not None:
            return self._elmo
        with self._lock:
            if self._elmo is not None:
                return self._elmo
            source: Source | None = self.training_settings.source
            if source is None:
                raise ElmoError(Errors.EL057)
            return self.set_weights(read_weights(source))

    def sync(self) -> Elmo:
        """Get the model to embed with, or to save: its engine has the parameters as they are trained so far.

        RETURNS (Elmo): The model.
        RAISES (Exception): As `load`.
        """
        elmo = self.load()
        if self._is_changed:
            with self._lock:
                if self._is_changed and self._trainable is not None:
                    elmo.learn(self._trainable.bilm)
                    self._is_changed = False
        return elmo

    def set_weights(self, weights: Weights, *, device: torch.device | None = None) -> Elmo:
        """Build the Elmo. Its modules become submodules, so that optimizers reach their parameters.

        weights (Weights): The weights; their arrays are removed.
        device (torch.device | None): The device, if the config names none; None: see `device`.
        RETURNS (Elmo): The model.
        RAISES (ElmoError): If the device cannot be used here, or not in this precision.
        """
        there = check_device(self._device) if self._device is not None else device or self.device
        elmo = Elmo.from_weights(weights, device=there, settings=self.settings)
        self.clear()
        self._adopt(elmo)
        return elmo

    def move(self, device: torch.device) -> None:
        """Move to another device, unless the config names one.

        device (torch.device): The device where Thinc is now.
        """
        if self._elmo is not None and self._device is None and self._elmo.device != device:
            elmo = self.sync()
            # An engine lays out the weights for its device.
            weights = Weights(
                options=elmo.options, arrays=elmo.named_arrays(), source=elmo.source, format="memory"
            )
            start, n_steps = self._start, self._n_steps
            self.set_weights(weights, device=device)
            self._start, self._n_steps = start, n_steps

    def get_trainable(self) -> TrainableEngine:
        """Get the biLM with gradients. After the first call, the module's biLM is the one that is trained.

        RETURNS (TrainableEngine): The engine.
        RAISES (ElmoError): As `load`, `Elmo.trainable` and `select_parameters`.
        """
        if self._trainable is None:
            engine = self.load().trainable(dropout=self.training_settings.dropout)
            select_parameters(engine.bilm, self.training_settings.trainable)
            self._trainable, self.bilm = engine, engine.bilm
        return self._trainable

    def get_cache(self) -> LayerCache | None:
        """Get the layers on disk.

        RETURNS (LayerCache | None): None if the config has no cache.
        RAISES (ElmoError): As `LayerCache`.
        """
        settings = self.training_settings.cache
        if settings is not None and self._cache is None:
            self._cache = LayerCache(settings, elmo=self.load())
        return self._cache

    def trained_parameters(self) -> Iterator[tuple[str, nn.Parameter, float]]:
        """List the parameters that are trained.

        YIELDS (tuple[str, nn.Parameter, float]): Name, parameter and factor of the learning rate of each.
        """
        rate = self.training_settings.rate(self._n_steps)
        for name, parameter in self.named_parameters():
            is_bilm = name.startswith("bilm.")
            if parameter.requires_grad and not (is_bilm and self._trainable is None):
                yield name, parameter, rate if is_bilm else 1.0

    @property
    def has_gradient(self) -> bool:
        """Whether a parameter has a gradient."""
        return any(parameter.grad is not None for _, parameter, _ in self.trained_parameters())

    def drop_gradients(self) -> None:
        """Remove the gradients of all parameters that are trained."""
        for _, parameter, _ in self.trained_parameters():
            parameter.grad = None

    def mark_changed(self) -> None:
        """Note that parameters were changed; see `sync`."""
        self._is_changed = self._trainable is not None

    def step(self, update: Callable[[], None]) -> None:
        """Take an optimizer step. It is skipped if a gradient is not finite, which would spoil every parameter.

        update (Callable[[], None]): Changes the parameters.
        """
        gradients = [parameter.grad for _, parameter, _ in self.trained_parameters() if parameter.grad is not None]
        if not gradients:
            return
        if not are_finite(gradients, n_threads=self.settings.n_threads):
            self.drop_gradients()
            if self._elmo is not None:
                self._warn(Warnings.WL030.format(source=self._elmo.source))
            return
        for name, parameter, _ in self.trained_parameters():
            # Kept for `reset`.
            if name not in self._start:
                self._start[name] = parameter.detach().clone()
        update()
        if self._trainable is not None:
            self._n_steps += 1

    def reset(self) -> None:
        """Undo all training since the weights were read, or loaded."""
        if self._elmo is None or not self._start:
            return
        if any(name.startswith("bilm.") for name in self._start):
            self.get_trainable()
        for name, parameter in self.named_parameters():
            if name in self._start:
                parameter.data = self._start[name].to(parameter.data).clone()
                parameter.grad = None
        self._n_steps = 0
        self.mark_changed()

    def get_elmo_to_save(self, *, what: str = "A biLM", instead: Source | None = None) -> Elmo | None:
        """Get the model to save; weights that have not been read are read now, if that needs no network.

        what (str): What is saved, for messages.
        instead (Source | None): The source that `nlp.initialize` would read instead; it is not read here.
        RETURNS (Elmo | None): None, and a warning, if there are no weights to save.
        """
        source = self.training_settings.source
        if self.has_weights:
            return self.sync()
        if source is None:
            return None
        if instead is not None and instead != source:
            source, reason = instead, "nlp.initialize(), which reads them, was not called"
        else:
            try:
                if is_local(source):
                    return self.load()
                reason = "they would have to be downloaded first"
            except (OSError, ValueError, ImportError) as error:
                reason = f"they cannot be read ({error})"
        warnings.warn(Warnings.WL023.format(what=what, source=show_source(source), reason=reason), stacklevel=2)
        return None

    def _adopt(self, elmo: Elmo) -> None:
        self._elmo = elmo
        self.mix = elmo.mix
        self.bilm = elmo.engine.module
        self.map_tokens.set_alphabet(make_alphabet(elmo.options))

    def __getstate__(self) -> dict[str, object]:
        # The submodules belong to the Elmo, which restores them. Optimizers find parameters by name.
        elmo = self.sync() if self.has_weights else None
        return {**self.__dict__, "_elmo": elmo, "_modules": {}, "_trainable": None, "_cache": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        elmo, start, n_steps = self._elmo, self._start, self._n_steps
        self.clear()
        if elmo is not None:
            self._adopt(elmo)
            self._start, self._n_steps = start, n_steps


class ElmoShim(TorchShim):
    """A shim for the embedder's module: the biLM has a separate learning rate, and the Elmo is what is saved.

    module (EmbedderModule): The module.
    """

    def __init__(self, module: EmbedderModule):
        super().__init__(module, serialize_model=_to_bytes, deserialize_model=_from_bytes)

    @property
    def _embedder_module(self) -> EmbedderModule:
        return cast(EmbedderModule, self.module)

    @property
    def device(self) -> torch.device:
        return self._embedder_module.device

    def to_device(self, device_type: str, device_id: int) -> None:
        device = torch.device("cuda", device_id) if device_type == "gpu" else torch.device("cpu")
        self._embedder_module.move(device)

    def to_bytes(self) -> bytes:
        if self._embedder_module.reads_to_save:
            self._embedder_module.get_elmo_to_save()
        return cast(bytes, super().to_bytes())

    def finish_update(self, optimizer: Optimizer) -> None:
        update = super().finish_update
        self._embedder_module.step(lambda: update(optimizer))

    def trained_parameters(self) -> Iterator[tuple[str, nn.Parameter, float]]:
        return self._embedder_module.trained_parameters()

    def mark_changed(self) -> None:
        self._embedder_module.mark_changed()


def _to_bytes(module: EmbedderModule) -> bytes:
    """Save the weights for Thinc's serialisation; empty if they have not been read."""
    from ..weights.formats import folder

    if not module.has_weights:
        return b""
    elmo = module.sync()
    return folder.to_bytes(elmo.options, elmo.named_arrays())


def _from_bytes(module: EmbedderModule, data: bytes, device: torch.device) -> EmbedderModule:
    """Load what `_to_bytes` has saved, into a module that keeps its settings."""
    from ..weights.formats import folder

    if data:
        module.set_weights(folder.from_bytes(data, where="the saved pipeline"), device=device)
    else:
        module.clear()
    return module


def _parse_device(device: str) -> torch.device:
    """Parse the name of a device, which need not exist yet."""
    try:
        if not isinstance(device, str):
            raise ReasonError(f"it is a {type(device).__name__}, not a str")
        return torch.device(device)
    except (RuntimeError, ReasonError) as error:
        raise ElmoError(Errors.EL040.format(device=device, reason=str(error).splitlines()[0])) from error
