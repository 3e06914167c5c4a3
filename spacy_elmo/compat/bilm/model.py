"""bilm-tf's model: from the ids of a batch to its layers, at once.

On purpose, a sentence has the same vectors in every call, unless `initial_state="carry"` is given.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from ...bilm.characters import CLOSING, N_IDS, OPENING, character_ids
from ...bilm.lstm import CarriedState, LSTMState, expand_state
from ...errors import ElmoError, Errors, short_repr
from ...inference.settings import InitialState, check_count
from ...runtime.isolation import computation
from ...torch import ElmoModule
from .token_embeddings import read_token_embeddings

File = str | os.PathLike[str]
Array = NDArray[np.float32]
Ids = NDArray[np.int64]

_BOUNDARIES = 2


class BidirectionalLanguageModel:
    """A biLM as a function of the ids of a batch. It runs on the GPU if torch has one.

    options_file (File): The options.json of the model.
    weight_file (File): The weights of the model, in HDF5 or any other format of `spacy_elmo.load`.
    use_character_inputs (bool): Whether ids are those of characters (`Batcher`), or of tokens (`TokenBatcher`).
    embedding_weight_file (File | None): For ids of tokens, what `dump_token_embeddings` has written.
    max_batch_size (int): The most sentences that are computed at a time; larger batches are allowed. With "carry",
        a batch is always computed as one.
    initial_state (InitialState): What a sentence starts from, "zero" or "warm"; or "carry", as bilm-tf does: row k
        of a batch goes on where row k of the batch before has ended.
    RAISES (FileNotFoundError): If one of the files does not exist.
    RAISES (ElmoError): If a file is damaged, or does not match the other; or a value is not allowed.
    """

    def __init__(
        self,
        options_file: File,
        weight_file: File,
        use_character_inputs: bool = True,
        embedding_weight_file: File | None = None,
        max_batch_size: int = 128,
        *,
        initial_state: InitialState = "zero",
    ):
        check_count("max_batch_size", max_batch_size)
        self._max_batch_size = max_batch_size
        self._initial_state = initial_state
        if not use_character_inputs and embedding_weight_file is None:
            allowed = "the file of dump_token_embeddings, because use_character_inputs is False"
            raise ElmoError(Errors.EL882.format(name="embedding_weight_file", allowed=allowed, got=None))
        module = ElmoModule(
            [options_file, weight_file], n_mixes=0, keep_boundaries=True, initial_state=initial_state
        )
        options = module.options
        if use_character_inputs and options.has_own_vocabulary:
            allowed = "those of a model that reads bytes, as bilm-tf's do"
            raise ElmoError(
                Errors.EL882.format(name="weight_file", allowed=allowed, got="ELMoForManyLangs' weights")
            )
        self._lstm = options.lstm
        self._max_characters = options.char_cnn.max_characters_per_token
        self._table: Tensor | None = None
        if not use_character_inputs and embedding_weight_file is not None:
            table = read_token_embeddings(Path(embedding_weight_file), width=options.lstm.projection_dim)
            self._table = torch.from_numpy(table)
        self._module = module.to("cuda" if torch.cuda.is_available() else "cpu").eval()
        # Of token ids, which the module does not read.
        self._carried = CarriedState()

    def __call__(self, ids_placeholder: ArrayLike) -> dict[str, NDArray[Any]]:
        """Compute the layers of a batch. bilm-tf gives operations for `session.run` here, which have these values.

        ids_placeholder (ArrayLike): (batch, longest + 2, max_characters), of `Batcher`; for ids of tokens,
            (batch, longest + 2), of `TokenBatcher`. With boundary tokens, and 0 after the end of a sentence.
        RETURNS (dict[str, NDArray]): Without boundary tokens, `lm_embeddings`, (batch, L + 1, longest, 2P),
            float32, where layer 0 is the token embedding twice, side by side; `lengths`, (batch,), int32; and
            `mask`, (batch, longest), true for tokens. With boundary tokens, `token_embeddings`, (batch,
            longest + 2, P), float32. Padding is zeros, also in layer 0, where bilm-tf has another constant.
        RAISES (ElmoError): If the ids are something else.
        """
        ids = self._read_ids(ids_placeholder)
        is_row = np.asarray(ids.any(axis=2) if ids.ndim == 3 else ids > 0)
        lengths = is_row.sum(axis=1)
        self._check_rows(ids, is_row, lengths)
        n_rows, width = is_row.shape[1], self._lstm.projection_dim
        words = np.zeros((len(ids), n_rows, width), dtype=np.float32)
        layers = np.zeros((len(ids), self._lstm.n_layers + 1, n_rows, 2 * width), dtype=np.float32)
        size = max(1, len(ids)) if self._initial_state == "carry" else self._max_batch_size
        run = self._run_characters if self._table is None else self._run_tokens
        for start in range(0, len(ids), size):
            part = slice(start, start + size)
            found, *upper = run(ids[part], lengths[part])
            words[part][is_row[part]] = found
            for k, layer in enumerate([np.concatenate([found, found], axis=1), *upper]):
                layers[part, k][is_row[part]] = layer
        mask = np.arange(n_rows - _BOUNDARIES) < (lengths - _BOUNDARIES)[:, None]
        return {
            "lm_embeddings": np.where(mask[:, None, :, None], layers[:, :, 1:-1], np.float32(0)),
            "lengths": (lengths - _BOUNDARIES).astype(np.int32),
            "token_embeddings": words,
            "mask": mask,
        }

    def reset_state(self) -> None:
        """Reset the state of initial_state "carry": the next batch starts from zeros."""
        self._module.reset_state()
        self._carried.reset()

    def _run_characters(self, ids: Ids, lengths: NDArray[np.int64]) -> list[Array]:
        """Compute the token embeddings (n, P) and LSTM layers (n, 2P) of all rows that are not padding."""
        tokens = ids[:, 1:-1].copy()
        # The last boundary token of a shorter sentence; the module adds its own.
        tokens[np.arange(tokens.shape[1]) >= (lengths - _BOUNDARIES)[:, None]] = 0
        with torch.no_grad():
            outputs = self._module(tokens)
        mask = outputs.mask.cpu().numpy()
        return [layer.cpu().numpy()[mask] for layer in outputs.layers.values()]

    def _run_tokens(self, ids: Ids, lengths: NDArray[np.int64]) -> list[Array]:
        """Compute the same as `_run_characters` from ids of tokens."""
        assert self._table is not None
        bilm = self._module.bilm
        with computation(), torch.inference_mode():
            words = self._table[torch.from_numpy(ids[ids > 0])].to(self._module.device)
            output = bilm(words, lengths.tolist(), state=self._start(bilm.zero_state(len(ids))))
            if self._initial_state == "carry":
                self._carried.put(output.state)
            return [tensor.cpu().numpy() for tensor in (words, *output.layers)]

    def _start(self, zeros: LSTMState) -> LSTMState:
        if self._initial_state == "carry":
            return self._carried.take(zeros)
        hidden, cell = self._module.warm_hidden, self._module.warm_cell
        if isinstance(hidden, Tensor) and isinstance(cell, Tensor):
            return expand_state(LSTMState(hidden, cell), zeros.hidden.size(2))
        return zeros

    def _read_ids(self, given: ArrayLike) -> Ids:
        ids = np.asarray(given)
        if self._table is None:
            shape, end = f"(batch, longest + 2, {self._max_characters})", N_IDS
            batcher = f"Batcher(..., {self._max_characters})"
            fits = ids.ndim == 3 and ids.shape[2] == self._max_characters
        else:
            shape, end, batcher = "(batch, longest + 2)", len(self._table), "TokenBatcher"
            fits = ids.ndim == 2
        wanted = f"whole numbers from 0 to {end - 1} of shape {shape}, as {batcher} gives"
        if not fits or ids.dtype.kind not in "iu" or ids.shape[1] < _BOUNDARIES:
            self._fail(wanted, f"shape {ids.shape}, {ids.dtype}" if ids.ndim else short_repr(given))
        if ids.size and (ids.min() < 0 or ids.max() >= end):
            self._fail(wanted, f"numbers from {ids.min()} to {ids.max()}")
        return ids.astype(np.int64)

    def _check_rows(self, ids: Ids, is_row: NDArray[np.bool_], lengths: NDArray[np.int64]) -> None:
        """Check that sentences begin and end with boundary tokens. Of ids of tokens, the numbers are not known."""
        allowed = "sentences with a boundary token at either end, and zeros only after the last one"
        if not np.array_equal(is_row, np.arange(is_row.shape[1]) < lengths[:, None]):
            self._fail(allowed, "zeros before or inside a sentence")
        if (lengths < _BOUNDARIES).any():
            self._fail(allowed, f"a sentence of {lengths.min()} row(s)")
        if ids.ndim == 3:
            boundaries = character_ids([OPENING, CLOSING], max_characters=self._max_characters)
            ends = np.stack([ids[:, 0], ids[np.arange(len(ids)), lengths - 1]], axis=1)
            if (ends != boundaries).any():
                self._fail(allowed, "other characters there")

    def _fail(self, allowed: str, got: str) -> None:
        raise ElmoError(Errors.EL882.format(name="ids_placeholder", allowed=allowed, got=got))
