import numpy as np
import pytest
import torch

from spacy_elmo.gpu.transfer import Buffers
from spacy_elmo.inference.cuda.plan import kernel_rows, make_plan
from spacy_elmo.inference.schedule import Schedule

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("n_rows", "expected"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 16), (16, 16), (17, 32), (1000, 1024)]
)
def test_kernel_rows(n_rows: int, expected: int) -> None:
    assert kernel_rows(n_rows) == expected


@pytest.mark.parametrize("most_rows", [None, 1, 3])
def test_every_token_has_a_place(most_rows: int | None) -> None:
    lengths = [3, 0, 1, 5, 2, 2, 4]
    schedule = Schedule(lengths, most_rows=most_rows)
    plan = make_plan(schedule, Buffers(CPU))
    assert plan.places.shape == (plan.n_steps + 1, 2, plan.n_rows)
    running = plan.running.numpy()
    assert running[-1] == 0
    assert running.sum() == sum(lengths)
    starts = plan.starts.numpy()
    assert starts.sum() == np.count_nonzero(lengths)
    bounds = np.cumsum([0, *lengths])
    for direction in (0, 1):
        places = plan.places[:, direction].numpy()
        seen = [places[step, row] for step in range(plan.n_steps) for row in range(running[step])]
        assert sorted(seen) == list(range(sum(lengths)))
        # Along a row, the tokens of a sentence are consecutive, from its own end where it is read backward.
        for row in range(running[0]):
            for step in range(plan.n_steps):
                if row < running[step]:
                    if starts[step, row]:
                        edges = bounds[:-1] if direction == 0 else bounds[1:] - 1
                        assert places[step, row] in edges
                    else:
                        assert places[step, row] - places[step - 1, row] == (1, -1)[direction]


def test_memory_moves_only_to_grow() -> None:
    buffers = Buffers(CPU)
    first = buffers.get("a", 4, 3, dtype=torch.float32)
    generation = buffers.generation
    assert buffers.get("a", 2, 5, dtype=torch.float32).data_ptr() == first.data_ptr()
    assert buffers.generation == generation
    assert buffers.get("a", 5, 3, dtype=torch.float32).eq(0).all()
    assert buffers.generation > generation
    assert buffers.put("b", np.arange(6).reshape(2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]
    buffers.clear()
    assert buffers.generation > generation + 1
