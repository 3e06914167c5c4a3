"""The order of copies and pieces, with the CPU in place of a GPU."""

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from spacy_elmo.inference.cuda import delivery
from spacy_elmo.inference.cuda.delivery import CudaDelivery


class Event:
    def record(self, stream: Any = None) -> None: ...

    def synchronize(self) -> None: ...


class Stream:
    def wait_event(self, event: Event) -> None: ...


class OnGPU(torch.Tensor):
    """As much of a tensor on a GPU as the CPU can stand for: no numpy array can be made of it."""

    def numpy(self, *_: Any, **__: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def cpu(self, *_: Any, **__: Any) -> torch.Tensor:
        return self.as_subclass(torch.Tensor).clone()


@pytest.fixture
def cpu_delivery(monkeypatch: pytest.MonkeyPatch) -> CudaDelivery:
    empty = torch.empty
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream())
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch, "empty", lambda *shape, pin_memory=False, **rest: empty(*shape, **rest))
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: None)
    return CudaDelivery(torch.device("cpu"))


def layers(n_tokens: int) -> "dict[str, torch.Tensor]":
    return {
        name: torch.randn(n_tokens, width).as_subclass(OnGPU) for name, width in (("word_emb", 3), ("elmo", 6))
    }


def check(outputs: list[Any], given: "dict[str, torch.Tensor]", lengths: list[int]) -> None:
    assert [len(output.elmo) for output in outputs] == lengths
    start = 0
    for output, length in zip(outputs, lengths):
        assert output.names == list(given)
        for name, array in output.items():
            assert np.array_equal(array, given[name].cpu()[start : start + length].numpy())
        start += length


# All in one copy; by threads, in pieces of one sentence or of several, and in blocks of one piece or of several.
@pytest.mark.parametrize(
    ("few", "shared", "block"), [(1 << 20, 1, 1), (0, 1, 1), (0, 400, 1), (0, 400, 1500), (0, 1 << 20, 1 << 20)]
)
def test_every_sentence_gets_its_rows(
    cpu_delivery: CudaDelivery, monkeypatch: pytest.MonkeyPatch, few: int, shared: int, block: int
) -> None:
    monkeypatch.setattr(delivery, "FEW_BYTES", few)
    monkeypatch.setattr(delivery, "SHARED_BYTES", shared)
    monkeypatch.setattr(delivery, "BLOCK_BYTES", block)
    lengths = [3, 1, 0, 7, 40, 2, 2, 2, 1, 0]
    given = [layers(sum(lengths)) for _ in range(3)]
    waiting = [cpu_delivery.send(one, lengths, n_layers=2) for one in given]
    for arrive, one in zip(waiting, given):
        check(arrive(), one, lengths)


def test_threads_of_torch_stay(cpu_delivery: CudaDelivery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FEW_BYTES", 0)
    before = torch.get_num_threads()
    cpu_delivery.send(layers(5), [2, 3], n_layers=2)()
    assert torch.get_num_threads() == before


def test_nothing_to_send(cpu_delivery: CudaDelivery) -> None:
    assert [output.names for output in cpu_delivery.send({}, [2, 0], n_layers=2)()] == [[], []]
    assert cpu_delivery.send(layers(0), [], n_layers=2)() == []


def test_an_error_frees_its_block(cpu_delivery: CudaDelivery, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that are never freed would make a later call wait for ever."""
    monkeypatch.setattr(delivery, "FEW_BYTES", 0)
    monkeypatch.setattr(delivery, "MOST_BLOCKS", 1)
    given = layers(4)
    one = CudaDelivery(torch.device("cpu"))
    with monkeypatch.context() as patch:
        patch.setattr(torch, "_foreach_copy_", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            one.send(given, [4], n_layers=2)()
        patch.setattr(one._threads, "submit", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            one.send(given, [4], n_layers=2)()
    check(one.send(given, [1, 3], n_layers=2)(), given, [1, 3])
