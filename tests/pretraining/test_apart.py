"""Parts of a batch by threads: who does them, and that it does not matter."""

from typing import Any

import pytest
import torch

from spacy_elmo.pretraining import apart
from spacy_elmo.pretraining.apart import Apart
from spacy_elmo.pretraining.optimizer import Optimizer
from spacy_elmo.pretraining.trainer import Trainer
from spacy_elmo.runtime.threads import own_threads
from tests.at_work import at_work, seen_threads
from tests.pretraining.test_trainer import copy_of, dropping, make, runs, train


@pytest.mark.parametrize(("n_threads", "each"), [(2, 1), (4, 2), (5, 2)])
@pytest.mark.parametrize(("owner", "name"), [(Apart, "_direction"), (apart, "encode")])
def test_parts_run_side_by_side(
    owner: Any, name: str, n_threads: int, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(**{"training.n_threads": n_threads})
    found = at_work(monkeypatch, owner, name)
    before = torch.get_num_threads()
    train(trainer, 2)
    assert found == [each] * 4
    assert torch.get_num_threads() == before


def test_the_optimizer_works_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make(**{"training.n_threads": 2, "softmax.kind": "full"})
    found = at_work(monkeypatch, torch.optim.AdamW, "step")
    train(trainer, 2)
    assert found == [1] * 4


def test_nothing_is_left_to_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the calling thread does itself has no barriers either."""
    trainer = make(**{"training.n_threads": 2})
    seen = seen_threads(monkeypatch, Optimizer, "clip")
    with own_threads(2):
        train(trainer, 1)
    assert seen == {1}


@runs
def test_the_number_of_threads_does_not_matter(settings: dict[str, Any]) -> None:
    """Bit for bit, whoever draws dropout's numbers."""
    trainers: list[Trainer] = [dropping(settings, **{"training.n_threads": n}) for n in (1, 2, 4)]
    losses = [train(trainer, 4) for trainer in trainers]
    assert losses[0] == losses[1] == losses[2]
    first, *others = (copy_of(trainer.tensors()) for trainer in trainers)
    for other in others:
        assert first.keys() == other.keys()
        for name, tensor in first.items():
            assert torch.equal(tensor, other[name]), name


def test_goes_on_with_another_number_of_threads() -> None:
    trainer = dropping({}, **{"training.n_threads": 2})
    train(trainer, 3)
    tensors = copy_of(trainer.tensors())
    expected = train(trainer, 3)
    other = dropping({}, **{"training.n_threads": 1})
    other.restore(tensors, batch=3)
    assert train(other, 3) == expected


def test_directions_drop_different_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each direction in each batch has a seed of its own."""
    trainer = dropping({})
    seeds: list[int] = []
    dropout = apart.Dropout

    def seen(share: float, seed: int) -> Any:
        seeds.append(seed)
        return dropout(share, seed)

    monkeypatch.setattr(apart, "Dropout", seen)
    train(trainer, 3)
    assert len({*seeds}) == len(seeds) == 6


def test_an_error_in_a_part_comes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = make(**{"training.n_threads": 2})
    whole = Apart._direction

    def broken(self: Apart, k: int, *args: Any) -> Any:
        if k == 1:
            raise MemoryError("no room")
        return whole(self, k, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Apart, "_direction", broken)
        with pytest.raises(MemoryError, match="no room"):
            trainer.train_batch()
    train(trainer, 1)
    assert trainer.batch == 1
