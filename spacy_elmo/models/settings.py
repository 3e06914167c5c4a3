"""The settings of a component that concern its biLM: source, training, cache."""

from dataclasses import dataclass

from ..errors import ElmoError, Errors, check_number
from ..gradients.selection import ALL_PARAMETERS, check_patterns
from ..layer_cache.settings import CacheSettings, check_cache
from ..weights.source import Source


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """What a component's config says about its biLM.

    source (Source | None): The model, as for `spacy_elmo.load`. Its weights are read once: on first use, by
        `nlp.initialize`, or when the pipeline is saved. None: the weights come with the component.
    frozen (bool): The biLM is not trained.
    trainable (str | list[str]): Where the biLM is not frozen: regular expressions; a parameter is trained if one
        of them is found in its name.
    learn_rate_factor (float): Factor of the optimizer's learning rate for the biLM.
    warmup_steps (int): Steps over which the biLM's learning rate grows to its full value.
    dropout (float): Share of the inputs of each LSTM layer that is set to zero in training, if the biLM is not
        frozen.
    cache (CacheSettings | None): Where layers are kept on disk while the biLM is frozen; None: nowhere.
    RAISES (ElmoError): If a value is not allowed.
    """

    source: Source | None = None
    frozen: bool = True
    trainable: str | list[str] = ALL_PARAMETERS
    learn_rate_factor: float = 0.3
    warmup_steps: int = 200
    dropout: float = 0.0
    cache: CacheSettings | None = None

    def __post_init__(self) -> None:
        check_patterns(self.trainable)
        check_number("dropout", self.dropout, low=0, high=1, below=True)
        check_number("learn_rate_factor", self.learn_rate_factor, low=0)
        check_number("warmup_steps", self.warmup_steps, low=0)
        check_cache(self.cache)
        if self.cache is not None and not self.frozen:
            raise ElmoError(Errors.EL052)

    @property
    def patterns(self) -> list[str]:
        """The regular expressions, as a list."""
        return check_patterns(self.trainable)

    def rate(self, n_steps: int) -> float:
        """Compute the factor of the learning rate.

        n_steps (int): The number of steps so far.
        RETURNS (float): The factor in the next step.
        """
        return self.learn_rate_factor * min(1.0, (n_steps + 1) / max(1, self.warmup_steps))
