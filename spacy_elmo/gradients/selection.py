"""Which parameters of a biLM are trained, by patterns of their names."""

import re
from collections.abc import Sequence

from torch import nn

from ..errors import ElmoError, Errors

# One or several regular expressions; a parameter is trained if one of them is found in its name.
Patterns = str | Sequence[str]
# Trains all parameters.
ALL_PARAMETERS = ".*"


def check_patterns(trainable: Patterns) -> list[str]:
    """Check the setting `trainable`.

    trainable (str | Sequence[str]): The regular expressions.
    RETURNS (list[str]): The same, as a list.
    RAISES (ElmoError): If one of them is not a regular expression.
    """
    patterns = [trainable] if isinstance(trainable, str) else list(trainable)
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            reason = f"it is not a valid regular expression: {error}"
            raise ElmoError(Errors.EL099.format(pattern=pattern, reason=reason)) from error
    return patterns


def select_parameters(bilm: nn.Module, trainable: Patterns) -> None:
    """Set which parameters of a biLM are trained.

    bilm (nn.Module): The biLM; `requires_grad` of its parameters is set.
    trainable (str | Sequence[str]): The regular expressions.
    RAISES (ElmoError): If one of them is found in no name, or there is none.
    """
    patterns = check_patterns(trainable)
    names = [name for name, _ in bilm.named_parameters()]
    for pattern in patterns or [""]:
        if not pattern or not any(re.search(pattern, name) for name in names):
            reason = f"it matches no parameter name: {', '.join(names[:3])}, ..., {names[-1]}"
            raise ElmoError(Errors.EL099.format(pattern=pattern, reason=reason))
    for name, parameter in bilm.named_parameters():
        parameter.requires_grad_(any(re.search(pattern, name) for pattern in patterns))
