"""Small models that suit the kernels, and engines of theirs."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from spacy_elmo.bilm.bilm import BiLM
from spacy_elmo.bilm.lstm import LSTMState
from spacy_elmo.bilm.options import Options
from spacy_elmo.inference.base import BatchOutputs
from spacy_elmo.inference.reference import ReferenceEngine

if TYPE_CHECKING:
    from spacy_elmo.inference.cuda.engine import CudaEngine

LSTMS: dict[str, dict[str, Any]] = {
    "clips": {"projection_dim": 16, "dim": 32, "cell_clip": 1.0, "proj_clip": 0.5, "use_skip_connections": True},
    "no clips, no skips": {
        "projection_dim": 16, "dim": 48, "use_skip_connections": False
    },
    "no projection": {
        "projection_dim": 16, "dim": 16, "cell_clip": 1.0, "proj_clip": 0.5, "use_skip_connections": True
    },
}  # fmt: skip
CNN = {
    "filters": [[1, 8], [2, 8]], "n_highway": 1, "embedding": {"dim": 4}, "n_characters": 262,
    "max_characters_per_token": 50, "activation": "relu",
}  # fmt: skip
WORDS = ["the", "a", "of", "house", "running", "Berlin", "I", "you", ".", ",", "x", "unbelievable"]


def options(lstm: str, *, n_layers: int = 2) -> Options:
    return Options.from_dict({"lstm": {**LSTMS[lstm], "n_layers": n_layers}, "char_cnn": CNN})


def weights(options: Options, *, scale: float = 0.4) -> dict[str, Tensor]:
    """Random, spread so that clips are at work."""
    generator = torch.Generator().manual_seed(7)
    state = BiLM(options=options).state_dict()
    return {name: torch.randn(tensor.shape, generator=generator) * scale for name, tensor in state.items()}


def engines(options: Options, device: str, precision: str = "fp32") -> "tuple[CudaEngine, ReferenceEngine]":
    """The engine under test, and the plain one in float64 on the CPU."""
    from spacy_elmo.bilm.build import build_bilm
    from spacy_elmo.inference.cuda.engine import CudaEngine

    tensors = weights(options)
    exact = ReferenceEngine(bilm=build_bilm(options, {name: tensor.double() for name, tensor in tensors.items()}))
    on_device = {name: tensor.to(device) for name, tensor in tensors.items()}
    return CudaEngine(options=options, tensors=on_device, precision=precision, device=torch.device(device)), exact


def sentences(lengths: list[int]) -> list[list[str]]:
    words = iter(WORDS * (1 + sum(lengths) // len(WORDS)))
    return [[next(words) for _ in range(length)] for length in lengths]


def random_state(options: Options, n_sentences: int) -> LSTMState:
    generator = torch.Generator().manual_seed(3)
    shape = (2, options.lstm.n_layers, n_sentences)
    hidden, cell = (
        torch.randn(*shape, n, generator=generator) * 0.3 for n in (options.lstm.projection_dim, options.lstm.dim)
    )
    return LSTMState(hidden, cell)


def distance(got: BatchOutputs, expected: BatchOutputs) -> float:
    pairs = [(got.word_emb, expected.word_emb), *zip(got.lstm, expected.lstm, strict=True)]
    if expected.state is not None:
        assert got.state is not None
        pairs += zip(got.state, expected.state)
    for one, other in pairs:
        assert one.shape == other.shape
    return max(float((one.cpu().double() - other).abs().max()) for one, other in pairs if one.numel())
