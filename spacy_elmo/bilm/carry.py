"""Carried state: what AllenNLP and bilm-tf keep from one batch to the next."""

import torch

from .lstm import LSTMState


class CarriedState:
    """A state for each row number of a batch, zero until the row is first used.

    Row k of a batch goes on from row k of the last batch that had one. A smaller batch uses and updates its
    first rows only; a larger one adds rows of zeros (AllenNLP, encoder_base.py).
    """

    def __init__(self) -> None:
        self._state: LSTMState | None = None

    def reset(self) -> None:
        """Forget everything: the next batch starts from zeros."""
        self._state = None

    def take(self, zeros: LSTMState) -> LSTMState:
        """Where a batch starts from. zeros: the zero state of the batch, which gives its number of rows."""
        if self._state is None:
            return zeros
        pairs = ((kept.to(zero), zero) for kept, zero in zip(self._state, zeros))
        return LSTMState(
            *(_cat(kept[..., : zero.size(-2), :], zero[..., kept.size(-2) :, :]) for kept, zero in pairs)
        )

    def put(self, state: LSTMState) -> None:
        """Keep the final state of a batch, for its rows."""
        if self._state is not None:
            pairs = ((new, kept.to(new)) for new, kept in zip(state, self._state))
            state = LSTMState(*(_cat(new, kept[..., new.size(-2) :, :]) for new, kept in pairs))
        self._state = state


def _cat(first: torch.Tensor, rest: torch.Tensor) -> torch.Tensor:
    return torch.cat([first, rest], dim=-2)
