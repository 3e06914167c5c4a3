"""The bidirectional language model: one character encoder, an LSTM stack for each direction."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .alphabet import make_alphabet
from .char_encoder import CharEncoder
from .lstm import LSTMStack, LSTMState
from .options import Options
from .packing import Packing


class BiLMOutput(NamedTuple):
    """Outputs of the biLM.

    layers (list[Tensor]): lstm_outputs1, lstm_outputs2, ..., each (n_rows, 2P), the forward half first.
    state (LSTMState): The state after each sentence's last step, of the layers that were computed; hidden
        (2, n_layers, n_sentences, P).
    """

    layers: list[Tensor]
    state: LSTMState


class BiLM(nn.Module):
    """ELMo's language model (Peters et al. 2018), trainable, without a softmax.

    options (Options): Sizes and clips.
    """

    def __init__(self, *, options: Options):
        super().__init__()
        self.options = options
        self.alphabet = make_alphabet(options)
        self.char_encoder = CharEncoder(options=options)
        self.forward_stack = LSTMStack(options=options.lstm)
        self.backward_stack = LSTMStack(options=options.lstm)

    def forward(
        self,
        words: Tensor,
        lengths: Sequence[int],
        *,
        state: LSTMState | None = None,
        n_layers: int | None = None,
    ) -> BiLMOutput:
        """Run both directions over a batch of sentences.

        words (Tensor): (n_rows, P), word embeddings of all sentences one after the other, with boundary tokens.
        lengths (Sequence[int]): Rows of each sentence, at least 1.
        state (LSTMState | None): The initial state of each sentence, hidden (2, L, n_sentences, P) and cell
            (2, L, n_sentences, C); None: zeros.
        n_layers (int | None): The number of layers to compute, at least 1; None: all L.
        RETURNS (BiLMOutput): The layers and the final state.
        """
        packing = Packing(lengths, device=words.device)
        if n_layers is None:
            n_layers = self.options.lstm.n_layers
        if state is None:
            state = self.zero_state(len(lengths))
        state = state.rows(packing.order)
        halves, finals = [], []
        for direction, stack in enumerate((self.forward_stack, self.backward_stack)):
            backward = direction == 1
            outputs, final = stack(
                packing.pack(words, backward=backward),
                packing.batch_sizes,
                LSTMState(state.hidden[direction], state.cell[direction]),
                n_layers=n_layers,
            )
            halves.append([packing.unpack(output, backward=backward) for output in outputs])
            finals.append(final)
        return BiLMOutput(
            layers=[torch.cat(pair, dim=1) for pair in zip(*halves)],
            state=LSTMState(*(torch.stack(parts) for parts in zip(*finals))).rows(packing.unsort),
        )

    def zero_state(self, n_sentences: int) -> LSTMState:
        """Make an initial state of zeros.

        n_sentences (int): The number of sentences.
        RETURNS (LSTMState): hidden (2, L, n_sentences, P) and cell (2, L, n_sentences, C).
        """
        lstm, like = self.options.lstm, self.char_encoder.embedding.weight
        shape = (2, lstm.n_layers, n_sentences)
        return LSTMState(like.new_zeros(*shape, lstm.projection_dim), like.new_zeros(*shape, lstm.dim))
