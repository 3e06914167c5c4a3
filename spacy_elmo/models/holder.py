"""What the model's shim holds: an Elmo, or the place for one, and the biLM in training."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from ..bilm.alphabet import alphabet_of
from ..elmo import Elmo, Settings, check_device
from ..errors import ElmoError, Errors, ReasonError, Warnings
from ..errors.once import OnceWarner
from ..gradients.trainable import TrainableEngine
from ..layer_cache.cache import LayerCache
from ..runtime.forks import ForkLock
from ..weights.arrays import Weights
from ..weights.source import Source, read_weights
from .settings import TrainingSettings
from .tokens import Placer, SpanGetter


class ElmoHolder(nn.Module):
    """An Elmo, or the place for one whose weights have not been read yet.

    Its parameters are the mix's, and the biLM's where it is trained or runs as a module.

    settings, get_spans, device, training_settings: of the config, hence never saved. device: None: where Thinc is.
    layers: names of the layers to compute, set by whoever uses the model.
    RAISES (ElmoError): If device is the name of none.
    """

    def __init__(self, *, settings: Settings, get_spans: SpanGetter, device: str | None = None):
        super().__init__()
        self.settings = settings
        self.place = Placer(get_spans)
        self.device = None if device is None else _named(device)
        self.training_settings = TrainingSettings()
        self.layers: list[str] = []
        # Whoever uses the model first, in whichever thread, makes it ready for all.
        self._lock = ForkLock()
        self._warn = OnceWarner()
        self.empty()

    def empty(self) -> None:
        """Go back to having no weights."""
        self._elmo: Elmo | None = None
        self.mix: nn.Module | None = None
        self.bilm: nn.Module | None = None
        self._trainable: TrainableEngine | None = None
        self._has_learnt = False
        self._cache: LayerCache | None = None
        self._start: dict[str, torch.Tensor] = {}
        self._n_steps = 0

    @property
    def has_weights(self) -> bool:
        return self._elmo is not None

    @property
    def elmo(self) -> Elmo | None:
        """The model, with all that the biLM has learnt; None if there are no weights yet."""
        if self._has_learnt:
            with self._lock:
                if self._elmo is not None and self._has_learnt and self._trainable is not None:
                    self._elmo.learn(self._trainable.bilm)
                    self._has_learnt = False
        return self._elmo

    def fill(self, weights: Weights, *, device: torch.device) -> Elmo:
        """Build the Elmo. Its modules become submodules, so that optimizers reach them.

        device: where it is, if the config does not say.
        RAISES (ElmoError): If the device cannot be used here, or not in this precision.
        """
        checked = device if self.device is None else check_device(self.device)
        elmo = Elmo.from_weights(weights, device=checked, settings=self.settings)
        self.empty()
        self._adopt(elmo)
        return elmo

    def move(self, device: torch.device) -> None:
        """Go where Thinc is now, unless the config says where to be."""
        elmo = self.elmo
        if elmo is not None and self.device is None and elmo.device != device:
            # The form that an engine gives the weights is of its device.
            weights = Weights(
                options=elmo.options, arrays=elmo.named_arrays(), source=elmo.source, format="memory"
            )
            start, n_steps = self._start, self._n_steps
            self.fill(weights, device=device)
            self._start, self._n_steps = start, n_steps

    def ready(self, device: torch.device) -> Elmo:
        """The model, whose weights are read now if they have not been: what it is, not what its biLM has learnt
        since, which `elmo` brings in.

        RAISES (ElmoError): If nobody said where from.
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
            return self.fill(read_weights(source), device=device)

    def trainable(self, elmo: Elmo) -> TrainableEngine:
        """The biLM with gradients: from the first time on, it is what learns.

        RAISES (ElmoError): As `Elmo.trainable` and `TrainingSettings.choose`.
        """
        if self._trainable is None:
            engine = elmo.trainable(dropout=self.training_settings.dropout)
            self.training_settings.choose(engine.bilm)
            self._trainable, self.bilm = engine, engine.bilm
        return self._trainable

    def cache(self, elmo: Elmo) -> LayerCache | None:
        """Layers on disk, if the config asks for that.

        RAISES (ElmoError): As `LayerCache`.
        """
        settings = self.training_settings.cache
        if settings is not None and self._cache is None:
            self._cache = LayerCache(settings, elmo=elmo)
        return self._cache

    def learning(self) -> Iterator[tuple[str, nn.Parameter, float]]:
        """(name, parameter, factor of the learning rate) of each that learns."""
        rate = self.training_settings.rate(self._n_steps)
        for name, parameter in self.named_parameters():
            of_bilm = name.startswith("bilm.")
            if parameter.requires_grad and not (of_bilm and self._trainable is None):
                yield name, parameter, rate if of_bilm else 1.0

    def has_learnt(self) -> None:
        """To be called when parameters were changed."""
        self._has_learnt = self._trainable is not None

    def count_step(self) -> None:
        """To be called when a step was taken."""
        if self._trainable is not None:
            self._n_steps += 1

    def skip_step(self) -> None:
        """Drop gradients that are not finite: a step would spoil every parameter."""
        for _, parameter, _ in self.learning():
            parameter.grad = None
        if self._elmo is not None:
            self._warn(Warnings.WL030.format(source=self._elmo.source))

    def remember(self) -> None:
        """To be called before parameters are changed: keep what they were at first, for `restart`."""
        for name, parameter, _ in self.learning():
            if name not in self._start:
                self._start[name] = parameter.detach().clone()

    def restart(self) -> None:
        """Take back all that was learnt since the weights were read, or loaded."""
        if self._elmo is None or not self._start:
            return
        if any(name.startswith("bilm.") for name in self._start):
            self.trainable(self._elmo)
        for name, parameter in self.named_parameters():
            if name in self._start:
                parameter.data = self._start[name].to(parameter.data).clone()
                parameter.grad = None
        self._n_steps = 0
        self.has_learnt()

    def _adopt(self, elmo: Elmo) -> None:
        self._elmo = elmo
        self.mix = elmo.mix
        self.bilm = elmo.engine.module
        self.place.read_as(alphabet_of(elmo.options))

    def __getstate__(self) -> dict[str, Any]:
        # The submodules are Elmo's, and come back with it. Optimizers know a parameter by its name.
        return {**self.__dict__, "_elmo": self.elmo, "_modules": {}, "_trainable": None, "_cache": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        elmo, start, n_steps = self._elmo, self._start, self._n_steps
        self.empty()
        if elmo is not None:
            self._adopt(elmo)
            self._start, self._n_steps = start, n_steps


def _named(device: str) -> torch.device:
    """RAISES (ElmoError): If no device has such a name. Whether it exists is of no matter yet."""
    try:
        if not isinstance(device, str):
            raise ReasonError(f"it is a {type(device).__name__}, not a str")
        return torch.device(device)
    except (RuntimeError, ReasonError) as error:
        raise ElmoError(Errors.EL040.format(device=device, reason=str(error).splitlines()[0])) from error
