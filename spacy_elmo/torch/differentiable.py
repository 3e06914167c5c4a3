"""The biLM as a function that autograd can differentiate, with the project's own backward passes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from ..bilm.lstm import LSTMState
from ..gradients.trainable import Backprop, TrainableEngine, TrainingBatch


@dataclass(frozen=True, kw_only=True)
class Run:
    """A batch to run, once or again.

    engine (TrainableEngine): Runs it. Its parameters have the memory of the module's, or their numbers.
    sentences (Sequence[Sequence[str]]): The batch.
    start (LSTMState | None): See `TrainableEngine.begin_update`.
    boundaries (bool): See `TrainableEngine.begin_update`.
    n_layers (int): LSTM layers to compute.
    """

    engine: TrainableEngine
    sentences: Sequence[Sequence[str]]
    start: LSTMState | None
    boundaries: bool
    n_layers: int

    def __call__(self) -> TrainingBatch:
        """Run the batch.

        RETURNS (TrainingBatch): Its layers.
        """
        return self.engine.begin_update(
            self.sentences, n_layers=self.n_layers, start=self.start, boundaries=self.boundaries
        )


def compute_layers(run: Run, parameters: Mapping[str, Tensor]) -> tuple[list[Tensor], LSTMState | None]:
    """Compute the layers of a batch, with gradients.

    run (Run): The batch.
    parameters (Mapping[str, Tensor]): The parameters that get the gradients, by the names of the engine's.
    RETURNS (tuple[list[Tensor], LSTMState | None]): word_emb (n_rows, P), lstm_outputs1, ... (n_rows, 2P), in the
        dtype of the parameters; and the final states, detached, hidden (2, L, n_sentences, P).
    """
    own = [run.engine.bilm.get_parameter(name) for name in parameters]
    states: list[LSTMState | None] = []
    layers: tuple[Tensor, ...] = _Layers.apply(run, own, states, *parameters.values())
    return list(layers), states[0]


class _Context(FunctionCtx):
    run: Run
    own: Sequence[Tensor]
    backprop: Backprop | None
    saved_tensors: tuple[Tensor, ...]
    needs_input_grad: tuple[bool, ...]


class _Layers(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context, run: Run, own: Sequence[Tensor], states: list[LSTMState | None], *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        batch = run()
        states.append(batch.state)
        # Not the batch: its layers are the outputs, and outputs that own themselves would never be freed.
        ctx.run, ctx.own, ctx.backprop = run, own, batch.backprop
        ctx.save_for_backward(*parameters)
        ctx.set_materialize_grads(False)
        return tuple(layer.to(parameters[0].dtype) for layer in batch.layers)

    @staticmethod
    @once_differentiable
    def backward(ctx: _Context, *d_layers: Tensor | None) -> tuple[Tensor | None, ...]:
        # Torch fails here if a parameter was changed in place since the forward pass.
        parameters = ctx.saved_tensors
        # With retain_graph, the batch runs again for the second pass.
        backprop = ctx.backprop or ctx.run().backprop
        ctx.backprop = None
        found = backprop(d_layers)
        needed = ctx.needs_input_grad[3:]
        return None, None, None, *map(_convert, parameters, (found.get(one) for one in ctx.own), needed)


def _convert(parameter: Tensor, gradient: Tensor | None, is_needed: bool) -> Tensor | None:
    # None, not zeros, if the loss does not depend on it: optimizers then leave it alone.
    return gradient.to(parameter.dtype) if is_needed and gradient is not None else None
