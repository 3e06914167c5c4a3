"""Modules in other people's code: data loaders, loops of training, long sentences."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from spacy_elmo.torch import ElmoModule
from tests.data import TINY, Measured
from tests.module import golden
from tests.platforms import forks, linux_memory

SENTENCES = [sentence for batch in golden.batches() for sentence in batch]


@pytest.mark.parametrize("context", [pytest.param("fork", marks=forks), "spawn"])
def test_workers_of_a_data_loader(context: str) -> None:
    """Sentences become ids in other processes, also after the module has computed in this one."""
    module = ElmoModule(TINY, dropout=0.0, frozen=False)
    expected = [module(SENTENCES[k : k + 4]) for k in range(0, len(SENTENCES), 4)]
    loader: Any = DataLoader(
        SENTENCES,  # type: ignore[arg-type]
        batch_size=4,
        num_workers=2,
        multiprocessing_context=context,
        collate_fn=module.encode,
    )
    for _ in range(2):
        for ids, outputs in zip(loader, expected, strict=True):
            assert torch.equal(module(ids).mixes[0], outputs.mixes[0])


class Tagger(nn.Module):
    """A model around a module, with the methods that a loop of Lightning calls."""

    def __init__(self) -> None:
        super().__init__()
        self.elmo = ElmoModule(TINY, n_mixes=1, dropout=0.1, frozen=False, trainable="layers.1")
        self.scores = nn.Linear(self.elmo.width, 2)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        ids, labels = batch
        outputs = self.elmo(ids)
        losses = nn.functional.cross_entropy(
            self.scores(outputs.mixes[0]).transpose(1, 2), labels, reduction="none"
        )
        loss: Tensor = (losses * outputs.mask).sum() / outputs.lengths.sum()
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=0.01)


def test_loop_of_training() -> None:
    """Is a token longer than three characters? Learnt, saved as a state_dict, and the same in another model."""
    torch.manual_seed(0)
    model = Tagger()

    def collate(sentences: list[list[str]]) -> tuple[Tensor, Tensor]:
        ids = model.elmo.encode(sentences)
        labels = torch.zeros(ids.shape[:2], dtype=torch.int64)
        for row, sentence in enumerate(sentences):
            labels[row, : len(sentence)] = torch.tensor([len(token) > 3 for token in sentence])
        return ids, labels

    def evaluate() -> float:
        model.eval()
        with torch.no_grad():
            loss = model.training_step(collate(SENTENCES))
        model.train()
        return float(loss)

    optimizer = model.configure_optimizers()
    loader: Any = DataLoader(SENTENCES, batch_size=6, shuffle=True, collate_fn=collate)  # type: ignore[arg-type]
    before = evaluate()
    for _ in range(40):
        for batch in loader:
            loss = model.training_step(batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
    # Of six seeds, the worst ended at 0.2 of its first loss.
    assert evaluate() < before / 2
    other = Tagger()
    other.load_state_dict(model.state_dict())
    ids, _ = collate(SENTENCES)
    assert torch.equal(other.eval().elmo(ids).mixes[0], model.eval().elmo(ids).mixes[0])


MEMORY = """
import resource, sys
from pathlib import Path
import torch
from spacy_elmo.torch import ElmoModule

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if "VmHWM" in line) / 1024

frozen, budget, batch = sys.argv[1] == "frozen", int(sys.argv[2]), [["word"] * int(n) for n in sys.argv[3:]]
module = ElmoModule("en_sm", n_mixes=1, dropout=0.0, frozen=frozen, max_batch_tokens=budget)
module([["word"] * 2000]).mixes[0].sum().backward()
before = peak()
module(batch).mixes[0].sum().backward()
print(peak() - before)
"""


def measure_growth(kind: str, budget: int, *lengths: int) -> float:
    """MiB that a batch of sentences takes at its peak, after one of 2,000 tokens."""
    arguments = [sys.executable, "-c", MEMORY, kind, *map(str, (budget, *lengths))]
    return float(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
@linux_memory
def test_memory_is_bounded(measured: Measured) -> None:
    """In parts, memory grows by the outputs and their gradients alone."""
    parts, whole = (measure_growth("trained", budget, *[2000] * 10) for budget in (2048, 1000000))
    measured(f"ElmoModule in training, ten sentences of 2,000 tokens: {parts:.0f} MiB, at once {whole:.0f} MiB")
    assert parts < whole / 2


@pytest.mark.slow
@linux_memory
@pytest.mark.parametrize(("kind", "most"), [("frozen", 100), ("trained", 300)])
def test_long_sentence(measured: Measured, kind: str, most: float) -> None:
    """3,000 tokens among empty and short sentences, which are padded to as many: the output has 59 MiB."""
    long = measure_growth(kind, 2048, 3000, *[0, 10] * 9, 0)
    measured(f"ElmoModule, {kind}, a sentence of 3,000 tokens among 19 others: {long:.0f} MiB")
    assert long < most
