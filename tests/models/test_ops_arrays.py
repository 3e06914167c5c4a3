from typing import Any

import numpy as np
import pytest
import torch
from thinc import compat
from thinc.api import CupyOps, NumpyOps

from spacy_elmo.models.ops_arrays import (
    copy_rows,
    move_like,
    split_docs,
    stays_on_device,
    to_array,
    to_numpy,
    to_tensor,
)

LENGTHS = [3, 0, 1, 40, 0]


def test_rows_of_each_doc_are_its_own() -> None:
    # Thinc types its arrays apart from NumPy's.
    rows: Any = np.arange(44 * 3, dtype=np.float32).reshape(44, 3)
    owned: list[Any] = [*copy_rows(rows, LENGTHS)]
    assert [len(one) for one in owned] == LENGTHS
    assert all(one.base is None for one in owned)
    np.testing.assert_array_equal(np.concatenate(owned), rows)
    assert copy_rows(rows[:0], []) == []
    assert [one.shape for one in copy_rows(rows[:0], [0, 0])] == [(0, 3), (0, 3)]


def test_on_the_cpu() -> None:
    tensor = torch.arange(6.0, dtype=torch.float64).reshape(3, 2)
    array = to_array(tensor, NumpyOps())
    assert array.dtype == np.float32
    assert not stays_on_device(NumpyOps(), torch.device("cuda"))
    assert to_tensor(array, tensor).dtype == torch.float64
    assert to_numpy(array) is array
    assert move_like(array, array) is array
    (own,) = split_docs(tensor.float(), [3], NumpyOps())
    own += 1
    assert tensor[0, 0] == 0


@pytest.mark.gpu
def test_on_the_gpu() -> None:
    if not compat.has_cupy_gpu or not torch.cuda.is_available():
        pytest.skip("no CUDA device, or no CuPy")
    import cupy

    ops = CupyOps()
    tensor = torch.rand(44, 1024, device="cuda")
    array = to_array(tensor, ops)
    assert isinstance(array, cupy.ndarray)
    assert array.data.ptr == tensor.data_ptr()
    assert to_tensor(array, tensor).data_ptr() == tensor.data_ptr()
    owned = split_docs(tensor, LENGTHS, ops)
    assert [one.shape for one in owned] == [(length, 1024) for length in LENGTHS]
    np.testing.assert_array_equal(np.concatenate([one.get() for one in owned]), tensor.cpu().numpy())
    owned[0][:] = 0
    assert tensor[:3].abs().sum() > 0
    long = torch.rand(70_000, 8, device="cuda")
    np.testing.assert_array_equal(split_docs(long, [70_000], ops)[0].get(), long.cpu().numpy())
    assert [one.shape for one in split_docs(long[:0], [0], ops)] == [(0, 8)]
    from_cpu = to_array(torch.ones(2, 2), ops)
    assert isinstance(from_cpu, cupy.ndarray)
    on_cpu: Any = np.ones(3)
    assert isinstance(move_like(on_cpu, array), cupy.ndarray)
    assert isinstance(move_like(array, on_cpu), np.ndarray)
