"""The one place where named arrays become modules, and modules become named arrays."""

from typing import Dict, Mapping, NamedTuple, Optional

import numpy as np
import torch
from numpy.typing import NDArray

from .bilm import BiLM
from .lstm import LSTMState
from .options import Options
from .scalar_mix import ScalarMix

MIX_PREFIX = "scalar_mix."
STATE_PREFIX = "initial_state."


class Modules(NamedTuple):
    """What a source holds, ready to run. warm_state: hidden (2, L, P) and cell (2, L, C), or None."""

    bilm: BiLM
    mix: ScalarMix
    warm_state: Optional[LSTMState]


def build_modules(
    options: Options,
    arrays: Mapping[str, NDArray[np.floating]],
    *,
    device: Optional[torch.device] = None,
    dtype: torch.dtype = torch.float32,
) -> Modules:
    """Modules over the arrays. On the CPU, arrays that have the dtype already are used in place, not copied.

    arrays: by the names of `weights.arrays.encoder_shapes`, with those of the mix and the warm state where there
        are any; complete and of the right shapes.
    RETURNS: modules in evaluation mode. Without arrays for the mix, it weighs all layers alike, gamma 1.
    """
    tensors = {name: torch.from_numpy(array).to(device=device, dtype=dtype) for name, array in arrays.items()}
    with torch.device("meta"):
        bilm = BiLM(options=options)
    bilm.load_state_dict(
        {name: t for name, t in tensors.items() if not name.startswith((MIX_PREFIX, STATE_PREFIX))}, assign=True
    )
    mix = ScalarMix(n_layers=options.lstm.n_layers + 1).to(device=device, dtype=dtype)
    trained_mix = _section(tensors, MIX_PREFIX)
    if trained_mix:
        mix.load_state_dict(trained_mix)
    state = _section(tensors, STATE_PREFIX)
    return Modules(bilm.eval(), mix.eval(), LSTMState(**state) if state else None)


def named_arrays(modules: Modules) -> Dict[str, NDArray[np.floating]]:
    """The inverse of `build_modules`: contiguous arrays on the CPU, sharing memory where they can."""
    tensors = {**modules.bilm.state_dict()}
    tensors.update((MIX_PREFIX + name, tensor) for name, tensor in modules.mix.state_dict().items())
    if modules.warm_state is not None:
        tensors.update((STATE_PREFIX + name, tensor) for name, tensor in modules.warm_state._asdict().items())
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in tensors.items()}


def _section(tensors: Mapping[str, torch.Tensor], prefix: str) -> Dict[str, torch.Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
