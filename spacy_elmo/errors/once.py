"""Warnings that are given once."""

import warnings
from dataclasses import dataclass, field


@dataclass
class OnceWarner:
    """Gives each warning only the first time, by its code: what is wrong with one batch is wrong with most."""

    _given: set[str] = field(default_factory=set)

    def has_given(self, message: str) -> bool:
        """Check whether a warning was given before.

        message (str): The warning, formatted or not.
        RETURNS (bool): Whether one with its code was given.
        """
        return message.partition("]")[0] in self._given

    def __call__(self, message: str) -> None:
        """Give the warning, unless one with its code was given before.

        message (str): A warning with its code, such as `Warnings.WL045`.
        """
        code = message.partition("]")[0]
        if code not in self._given:
            self._given.add(code)
            warnings.warn(message, stacklevel=3)
