"""Gradients into a biLM, with memory bounded by a budget of tokens."""

from typing import Callable, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..bilm.bilm import BiLM
from ..bilm.lstm import LSTMState
from .base import N_MARKS, BatchOutputs, Sentence
from .batching import windows
from .plain import for_each, run_bilm
from .threads import after_fork

# Given the gradient of word_emb, lstm_outputs1, ..., each flat, None where there is none.
Backprop = Callable[[Sequence[Optional[Tensor]]], None]


class TrainableEngine:
    """A biLM whose parameters learn. Those with requires_grad false stay as they are.

    dropout: share of the inputs of each LSTM layer that is zeroed.
    initial_state: where every sentence starts from, hidden (2, L, P) and cell (2, L, C); None: zeros.
    max_batch_tokens: tokens, with two marks a sentence, whose intermediate results are held together. Of a larger
        batch, parts are computed a second time when their gradients come.
    """

    def __init__(self, *, bilm: BiLM, dropout: float, initial_state: Optional[LSTMState], max_batch_tokens: int):
        self.bilm = bilm
        self.initial_state = initial_state
        self.max_batch_tokens = max_batch_tokens
        for stack in (bilm.forward_stack, bilm.backward_stack):
            stack.dropout = dropout
        bilm.train()

    def begin_update(self, sentences: Sequence[Sentence], *, n_layers: int) -> Tuple[List[Tensor], Backprop]:
        """Layers of a batch, flat, and what adds to the gradients of the parameters, to be called once at most.

        RETURNS: word_emb (n_tokens, P), lstm_outputs1, ... (n_tokens, 2P), without their graph.
        """
        after_fork()
        parts = list(
            windows(sentences, size=lambda sentence: len(sentence) + N_MARKS, budget=self.max_batch_tokens)
        )
        # Without a sentence there are layers all the same, of no rows.
        results = [self._run(part, n_layers, again=len(parts) > 1) for part in parts or [[]]]
        layers = [torch.cat(tensors) for tensors in zip(*results)]

        def backprop(gradients: Sequence[Optional[Tensor]]) -> None:
            pairs = [(layer, d) for layer, d in zip(layers, gradients) if d is not None and layer.requires_grad]
            if pairs:
                torch.autograd.backward([layer for layer, _ in pairs], [d for _, d in pairs])

        return [layer.detach() for layer in layers], backprop

    def _run(self, sentences: Sequence[Sentence], n_layers: int, *, again: bool) -> Tuple[Tensor, ...]:
        def run() -> Tuple[Tensor, ...]:
            start = for_each(self.initial_state, len(sentences))
            outputs: BatchOutputs = run_bilm(self.bilm, sentences, n_layers=n_layers, start=start)
            return (outputs.word_emb, *outputs.lstm)

        if not again:
            return run()
        # Only training needs it, and it is slow to import.
        from torch.utils.checkpoint import checkpoint

        results: Tuple[Tensor, ...] = checkpoint(run, use_reentrant=False)
        return results
