"""How a biLM is trained, or that it is not."""

import re
from dataclasses import dataclass

from torch import nn

from ..errors import ElmoError, Errors, check_number
from ..layer_cache.settings import CacheSettings, check_cache
from ..weights.source import Source


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What a component's config says about its biLM.

    source (Source | None): Where weights are read that have not been read yet; None: nowhere.
    frozen (bool): The biLM learns nothing.
    trainable (str | list[str]): Regular expressions; a parameter learns if one of them is found in its name.
    learn_rate_factor (float): The biLM's learning rate is the optimizer's times this.
    warmup_steps (int): Over so many steps the biLM's learning rate grows to that.
    dropout (float): Share of the inputs of each LSTM layer that is zeroed in training.
    cache (CacheSettings | None): Where layers are kept on disk while the biLM is frozen; None: nowhere.
    RAISES (ElmoError): For a value that is not allowed.
    """

    source: Source | None = None
    frozen: bool = True
    trainable: str | list[str] = ".*"
    learn_rate_factor: float = 0.3
    warmup_steps: int = 200
    dropout: float = 0.0
    cache: CacheSettings | None = None

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ElmoError(
                    Errors.EL099.format(pattern=pattern, reason=f"it is not a valid regular expression: {error}")
                ) from error
        check_number("dropout", self.dropout, low=0, high=1, below=True)
        check_number("learn_rate_factor", self.learn_rate_factor, low=0)
        check_number("warmup_steps", self.warmup_steps, low=0)
        check_cache(self.cache)
        if self.cache is not None and not self.frozen:
            raise ElmoError(Errors.EL052)

    @property
    def patterns(self) -> list[str]:
        """The regular expressions, as a list."""
        return [self.trainable] if isinstance(self.trainable, str) else self.trainable

    def rate(self, n_steps: int) -> float:
        """Compute the factor of the learning rate.

        n_steps (int): Steps that were taken.
        RETURNS (float): The factor in the next one.
        """
        return self.learn_rate_factor * min(1.0, (n_steps + 1) / max(1, self.warmup_steps))

    def select(self, bilm: nn.Module) -> None:
        """Let the parameters that `trainable` names learn, and no others.

        bilm (nn.Module): The biLM; `requires_grad` of its parameters is set.
        RAISES (ElmoError): If a pattern is found in no name, or there is none.
        """
        names = [name for name, _ in bilm.named_parameters()]
        for pattern in self.patterns or [""]:
            if not pattern or not any(re.search(pattern, name) for name in names):
                reason = f"it matches no parameter name: {', '.join(names[:3])}, ..., {names[-1]}"
                raise ElmoError(Errors.EL099.format(pattern=pattern, reason=reason))
        for name, parameter in bilm.named_parameters():
            parameter.requires_grad_(any(re.search(pattern, name) for pattern in self.patterns))
