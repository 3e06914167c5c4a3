"""How a biLM is trained, or that it is not."""

import re
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..errors import ElmoError, Errors, check_number
from ..layer_cache.settings import CacheSettings
from ..weights.source import Source


@dataclass(kw_only=True)
class TrainingSettings:
    """What a component's config says about its biLM.

    source: where weights are read that are not there yet; None: nowhere.
    frozen: the biLM learns nothing.
    trainable: regular expressions; a parameter learns if one of them is found in its name.
    learn_rate_factor: the biLM's learning rate is the optimizer's times this.
    warmup_steps: over so many steps the biLM's learning rate grows to that.
    dropout: share of the inputs of each LSTM layer that is zeroed in training.
    cache: where layers are kept on disk while the biLM is frozen; None: nowhere.
    RAISES (ElmoError): For a value that is not allowed.
    """

    source: Source | None = None
    frozen: bool = True
    trainable: list[str] = field(default_factory=lambda: [".*"])
    learn_rate_factor: float = 0.3
    warmup_steps: int = 200
    dropout: float = 0.0
    cache: CacheSettings | None = None

    def __post_init__(self) -> None:
        self._check()

    def update(self, **settings: Any) -> None:
        """Change settings in place: whoever holds them sees it.

        RAISES (ElmoError): As the class.
        """
        for name, value in settings.items():
            setattr(self, name, value)
        self._check()

    def _check(self) -> None:
        if isinstance(self.trainable, str):
            self.trainable = [self.trainable]
        for pattern in self.trainable:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ElmoError(
                    Errors.EL099.format(pattern=pattern, reason=f"it is not a valid regular expression: {error}")
                ) from error
        check_number("dropout", self.dropout, low=0, high=1, below=True)
        check_number("learn_rate_factor", self.learn_rate_factor, low=0)
        check_number("warmup_steps", self.warmup_steps, low=0)
        if self.cache is not None and not self.frozen:
            raise ElmoError(Errors.EL052)

    def rate(self, n_steps: int) -> float:
        """The factor of the learning rate in the step after so many."""
        return self.learn_rate_factor * min(1.0, (n_steps + 1) / max(1, self.warmup_steps))

    def choose(self, bilm: nn.Module) -> None:
        """Let the chosen parameters learn, and no others.

        RAISES (ElmoError): If a pattern is found in no name, or there is none.
        """
        names = [name for name, _ in bilm.named_parameters()]
        for pattern in self.trainable or [""]:
            if not pattern or not any(re.search(pattern, name) for name in names):
                reason = f"it matches no parameter name: {', '.join(names[:3])}, ..., {names[-1]}"
                raise ElmoError(Errors.EL099.format(pattern=pattern, reason=reason))
        for name, parameter in bilm.named_parameters():
            parameter.requires_grad_(any(re.search(pattern, name) for pattern in self.trainable))
