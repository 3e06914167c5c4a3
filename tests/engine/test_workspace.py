import torch

from spacy_elmo.engine.workspace import Workspace

CPU = torch.device("cpu")


def test_the_same_memory_again() -> None:
    workspace = Workspace()
    first = workspace.get("a", 3, 4, dtype=torch.float32, device=CPU)
    for shape in [(3, 4), (4, 3), (2, 5), (12,), (1, 1, 1)]:
        again = workspace.get("a", *shape, dtype=torch.float32, device=CPU)
        assert tuple(again.shape) == shape
        assert again.is_contiguous()
        assert again.data_ptr() == first.data_ptr()


def test_a_smaller_one_between_does_not_lose_it() -> None:
    workspace = Workspace()
    first = workspace.get("a", 100, dtype=torch.float32, device=CPU)
    workspace.get("a", 3, dtype=torch.float32, device=CPU)
    assert workspace.get("a", 100, dtype=torch.float32, device=CPU).data_ptr() == first.data_ptr()


def test_grows_when_it_must() -> None:
    workspace = Workspace()
    small = workspace.get("a", 2, 3, dtype=torch.float32, device=CPU).fill_(1)
    large = workspace.get("a", 5, 7, dtype=torch.float32, device=CPU).fill_(2)
    assert large.shape == (5, 7)
    # What was handed out before keeps its numbers: it has memory of its own.
    assert small.tolist() == [[1, 1, 1]] * 2
    assert workspace.get("a", 35, dtype=torch.float32, device=CPU).data_ptr() == large.data_ptr()


def test_names_are_apart() -> None:
    workspace = Workspace()
    one = workspace.get("a", 4, dtype=torch.float32, device=CPU).fill_(1)
    other = workspace.get("b", 4, dtype=torch.float32, device=CPU).fill_(2)
    assert one.tolist() == [1] * 4
    assert other.tolist() == [2] * 4


def test_another_dtype_or_device_is_another_buffer() -> None:
    workspace = Workspace()
    full = workspace.get("a", 4, dtype=torch.float32, device=CPU).fill_(1)
    half = workspace.get("a", 4, dtype=torch.bfloat16, device=CPU).fill_(2)
    assert half.dtype == torch.bfloat16
    assert full.tolist() == [1] * 4
    assert workspace.get("a", 4, dtype=torch.bfloat16, device=torch.device("meta")).device.type == "meta"
    assert half.tolist() == [2] * 4


def test_workspaces_are_apart() -> None:
    one = Workspace().get("a", 4, dtype=torch.float32, device=CPU).fill_(1)
    other = Workspace().get("a", 4, dtype=torch.float32, device=CPU).fill_(2)
    assert one.tolist() == [1] * 4
    assert other.tolist() == [2] * 4
