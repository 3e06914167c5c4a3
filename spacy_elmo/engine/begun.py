"""Layers that are being computed while who asked for them does something else."""

from typing import Callable, Dict, List, Mapping, Sequence

import torch
from torch import Tensor

from ..bilm.layers import LayerOutputs


class Begun:
    """Layer outputs of sentences, on their way.

    outputs: gives those of each sentence, and waits for them if need be; to be called once.
    resident: layers that stay on the device, name -> (n_tokens, width), sentence after sentence.
    """

    def __init__(self, outputs: Callable[[], List[LayerOutputs]], resident: Mapping[str, Tensor]):
        self.outputs = outputs
        self.resident: Dict[str, Tensor] = dict(resident)

    @classmethod
    def at_once(cls, outputs: List[LayerOutputs]) -> "Begun":
        return cls(lambda: outputs, {})

    @classmethod
    def joined(cls, parts: Sequence["Begun"]) -> "Begun":
        """All parts as one."""
        if len(parts) == 1:
            return parts[0]
        names = dict.fromkeys(name for part in parts for name in part.resident)
        # A part without tokens has nothing to stay anywhere.
        found = {name: [part.resident[name] for part in parts if name in part.resident] for name in names}
        return cls(
            lambda: [output for part in parts for output in part.outputs()],
            {name: torch.cat(tensors) for name, tensors in found.items()},
        )
