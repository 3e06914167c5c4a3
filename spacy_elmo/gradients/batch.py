"""A training batch on the CPU, forward and backward, in independent parts: directions, halves of the word types.

Threads that share every operation wait for each other thousands of times a batch, and for a long time if other
programs keep the processors busy; these wait five times. The parts do not depend on the number of threads, and
their results are summed in a fixed order: one thread and two give the same numbers, bit for bit. With more, torch
divides the operations of a part, and may sum in another order.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from ..bilm.bilm import BiLM
from ..bilm.lstm import LSTMState
from ..bilm.packing import Packing
from ..inference.base import N_BOUNDARIES, Sentence
from ..inference.sentences import find_token_rows, find_word_types
from ..runtime.isolation import computation
from ..runtime.memory import Workspace
from ..runtime.parts import Dropout, Parts, join, split_shares
from .encoder import encode
from .lstm import run_layer


class GradientSums:
    """Gradients of parameters, summed over the parts of a batch.

    by_parameter (dict[Tensor, Tensor]): The sum of each parameter that has a gradient.
    """

    def __init__(self) -> None:
        self.by_parameter: dict[Tensor, Tensor] = {}

    @torch.no_grad()
    def add(self, parameters: Sequence[Tensor], parts: Sequence[Sequence[Tensor | None]]) -> None:
        """Add the gradients that each part has computed. Threads may do so for different parameters.

        parameters (Sequence[Tensor]): The parameters.
        parts (Sequence[Sequence[Tensor | None]]): Of each part, the gradient of each parameter; None: none.
        """
        for part in parts:
            for parameter, gradient in zip(parameters, part, strict=True):
                if gradient is None:
                    continue
                if parameter in self.by_parameter:
                    self.by_parameter[parameter] += gradient
                else:
                    self.by_parameter[parameter] = gradient.contiguous()


class TrainingPass:
    """One batch through a biLM. What `backprop` needs is kept if gradients are recorded.

    bilm (BiLM): On the CPU.
    sentences (Sequence[Sentence]): The batch; it may be empty.
    n_layers (int): LSTM layers to compute, from 0 up.
    start (LSTMState | None): Where sentences start, hidden (2, L, n_sentences, P); None: zeros.
    parts (Parts): Run the parts.
    boundaries (bool): Whether the layers have rows for boundary tokens.
    layers (list[Tensor]): word_emb (n_tokens, P), lstm_outputs1, ... (n_tokens, 2P), detached.
    state (LSTMState): The state of each sentence after its last step, hidden (2, n_layers, n_sentences, P).
    """

    def __init__(
        self,
        bilm: BiLM,
        sentences: Sequence[Sentence],
        *,
        n_layers: int,
        start: LSTMState | None,
        parts: Parts,
        boundaries: bool = False,
    ):
        self._bilm = bilm
        self._n_layers = n_layers
        self._gradients = torch.is_grad_enabled()
        self._parts = parts
        self._stacks = bilm.forward_stack, bilm.backward_stack
        self._dropout = bilm.forward_stack.dropout if bilm.training else 0.0
        # Drawn here: the directions may begin in any order.
        self._seeds: list[int] = torch.randint(2**63 - 1, (2,)).tolist() if self._dropout else [0, 0]
        types, numbers = find_word_types(sentences, before=[bilm.alphabet.opening], after=[bilm.alphabet.closing])
        lengths = [len(sentence) + N_BOUNDARIES for sentence in sentences]
        self._numbers = torch.from_numpy(numbers)
        shown = np.arange(len(numbers)) if boundaries else find_token_rows(lengths)
        self._shown = torch.from_numpy(shown)
        self._packing = Packing(lengths)
        state = bilm.zero_state(len(lengths)) if start is None else start
        self._start = LSTMState(*(part.to(bilm.char_encoder.embedding.weight) for part in state))
        self._shares = split_shares(len(types))
        self._halves = parts.map(lambda share: self._encode_half(types[share]), self._shares)
        self._words = join(self._halves, self._shares)
        self._words.requires_grad_(any(half.requires_grad for half in self._halves))
        n_shown, width = len(self._shown), self._words.size(1)
        self.layers = [self._words.new_empty(n_shown, width * (1 if k == 0 else 2)) for k in range(1 + n_layers)]
        self._columns = [slice(k * width, (k + 1) * width) for k in range(2)]
        directions = parts.map(self._run_direction, range(2))
        self._outputs = [outputs for outputs, _ in directions]
        finals = LSTMState(*(torch.stack(found) for found in zip(*(final for _, final in directions))))
        self.state = finals.rows(self._packing.unsort)

    @computation(gradients=True)
    def backprop(self, gradients: Sequence[Tensor | None], sums: GradientSums) -> None:
        """Compute the gradients of the parameters. To be called once at most.

        gradients (Sequence[Tensor | None]): Of each of `layers`; None: no gradient.
        sums (GradientSums): They are added here.
        """
        halves, parameters = range(len(self._shares)), _trainable_parameters(self._bilm.char_encoder)
        d_words = self._parts.map(lambda k: self._backprop_direction(k, sums, *gradients), range(2))
        present = [d for d in d_words if d is not None]
        if present and parameters:
            found = self._parts.map(lambda k: self._backprop_half(k, present, parameters), halves)
            shares = split_shares(len(parameters))
            self._parts.map(lambda share: sums.add(parameters[share], [part[share] for part in found]), shares)
        # The caller may keep this object for longer than the results are needed.
        self._halves, self._outputs = [], []

    def _encode_half(self, types: list[str]) -> Tensor:
        bilm, weight = self._bilm, self._bilm.char_encoder.embedding.weight
        if not types:
            return weight.new_empty(0, bilm.options.lstm.projection_dim)
        ids = bilm.alphabet.ids(types)
        with torch.set_grad_enabled(self._gradients):
            return encode(
                bilm.char_encoder,
                torch.from_numpy(ids.characters),
                dtype=weight.dtype,
                # Not shared: several batches may be between their forward and backward passes.
                workspace=Workspace(),
                step=1,
                word_ids=None if ids.words is None else torch.from_numpy(ids.words),
                padding=bilm.alphabet.padding,
            )

    def _run_direction(self, k: int) -> tuple[list[Tensor], LSTMState]:
        """Run a direction; return the outputs (n_tokens, P) of each layer, for `_backprop_direction`, and the
        final states, hidden (n_layers, n_sentences, P), of sentences sorted by falling length."""
        backward = k == 1
        stack = self._stacks[k]
        start = LSTMState(*(part[k] for part in self._start)).rows(self._packing.order)
        dropout = Dropout(self._dropout, self._seeds[k])
        places = self._packing.unpack(torch.arange(len(self._numbers)), backward=backward)[self._shown]
        outputs: list[Tensor] = []
        # Also without layers: tensors that can be stacked.
        finals = [LSTMState(*(part[:0] for part in start))]
        with torch.set_grad_enabled(self._gradients):
            rows = F.embedding(self._packing.pack(self._numbers, backward=backward), self._words)
            for number, layer in enumerate(stack.layers[: self._n_layers]):
                rows = dropout(rows)
                state = LSTMState(start.hidden[number], start.cell[number])
                output, final = run_layer(layer, rows, self._packing.batch_sizes, state)
                finals.append(LSTMState(*(part.unsqueeze(0) for part in final)))
                rows = rows + output if number > 0 and stack.use_skip_connections else output
                outputs.append(rows.index_select(0, places))
        # Each direction writes word_emb of every second token.
        self.layers[0][k::2] = self._words.detach()[self._numbers[self._shown[k::2]]]
        for layer_outputs, output in zip(self.layers[1:], outputs):
            layer_outputs[:, self._columns[k]] = output.detach()
        kept = outputs if self._gradients else []
        return kept, LSTMState(*(torch.cat(parts) for parts in zip(*finals)))

    def _backprop_direction(
        self, k: int, sums: GradientSums, d_word_emb: Tensor | None, *d_layers: Tensor | None
    ) -> Tensor | None:
        """Compute the gradients of a direction's parameters, and return that of the words, (n_types, P)."""
        pairs = [
            (output, d[:, self._columns[k]])
            for output, d in zip(self._outputs[k], d_layers, strict=True)
            if d is not None and output.requires_grad
        ]
        parameters = _trainable_parameters(self._stacks[k])
        words = [self._words] if self._words.requires_grad else []
        d_words: Tensor | None = None
        if pairs:
            outputs, d_outputs = zip(*pairs)
            found = torch.autograd.grad(outputs, [*parameters, *words], d_outputs, allow_unused=True)
            sums.add(parameters, [found[: len(parameters)]])
            d_words = found[-1] if words else None
        if d_word_emb is not None and words:
            d_words = torch.zeros_like(self._words) if d_words is None else d_words
            d_words.index_add_(0, self._numbers[self._shown[k::2]], d_word_emb[k::2].to(d_words))
        return d_words

    def _backprop_half(
        self, k: int, d_words: Sequence[Tensor], parameters: Sequence[Tensor]
    ) -> Sequence[Tensor | None]:
        """Compute the encoder's gradients by a half of the word types, given both directions' gradients of all."""
        own = [d[self._shares[k]] for d in d_words]
        return torch.autograd.grad(self._halves[k], parameters, sum(own[1:], start=own[0]), allow_unused=True)


def _trainable_parameters(module: nn.Module) -> list[Tensor]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
