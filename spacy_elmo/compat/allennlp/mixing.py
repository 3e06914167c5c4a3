"""AllenNLP's `ScalarMix`: the package's mix, with one parameter for each weight."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ...bilm.scalar_mix import check_layers, mix, normalize, widen
from ...errors import ElmoError, Errors


class ScalarMix(nn.Module):
    """gamma * sum_j softmax(w)_j h_j.

    mixture_size (int): The number of layers.
    do_layer_norm (bool): Normalize each layer over the whole batch first.
    initial_scalar_parameters (Sequence[float] | None): The weights before the softmax; None: zeros.
    trainable (bool): Whether weights and gamma are trained.
    RAISES (ElmoError): If there are more or fewer weights than layers.
    """

    def __init__(
        self,
        mixture_size: int,
        do_layer_norm: bool = False,
        initial_scalar_parameters: Sequence[float] | None = None,
        trainable: bool = True,
    ):
        super().__init__()
        weights = [0.0] * mixture_size if initial_scalar_parameters is None else list(initial_scalar_parameters)
        if len(weights) != mixture_size:
            raise ElmoError(Errors.EL891.format(got=len(weights), n_layers=mixture_size))
        self.mixture_size = mixture_size
        self.do_layer_norm = do_layer_norm
        self.scalar_parameters = nn.ParameterList(
            nn.Parameter(torch.tensor([weight], dtype=torch.float32), requires_grad=trainable)
            for weight in weights
        )
        self.gamma = nn.Parameter(torch.ones(1), requires_grad=trainable)

    def forward(self, tensors: Sequence[Tensor], mask: Tensor | None = None) -> Tensor:
        """Mix layers.

        tensors (Sequence[Tensor]): (..., width) each.
        mask (Tensor | None): (...), true for tokens; only used with do_layer_norm.
        RETURNS (Tensor): (..., width).
        RAISES (ElmoError): If there are more or fewer layers than weights, or their shapes do not match.
        """
        check_layers(tensors, n_weights=self.mixture_size)
        if self.do_layer_norm:
            width = max(tensor.size(-1) for tensor in tensors)
            tensors = [normalize(widen(tensor, width), mask) for tensor in tensors]
        return mix(torch.cat(list(self.scalar_parameters)), self.gamma.reshape(()), tensors)
