import threading
import time

import pytest
import torch

from spacy_elmo.gpu.support import exact_cudnn, tf32
from spacy_elmo.runtime.threads import one_thread


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("allowed", [True, False])
def test_inside_and_outside(before: bool, allowed: bool) -> None:
    settings = torch.backends.cuda.matmul
    own = settings.allow_tf32

    def fail() -> None:
        with tf32(allowed):
            assert settings.allow_tf32 == allowed
            raise ZeroDivisionError

    try:
        settings.allow_tf32 = before
        with pytest.raises(ZeroDivisionError):
            fail()
        assert settings.allow_tf32 == before
    finally:
        settings.allow_tf32 = own


def test_cudnn() -> None:
    cudnn = torch.backends.cudnn
    before = cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic, cudnn.enabled
    with exact_cudnn():
        assert not cudnn.allow_tf32
        assert (cudnn.benchmark, cudnn.deterministic, cudnn.enabled) == before[1:]
    assert (cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic, cudnn.enabled) == before


def test_one_thread() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_two_threads_take_turns() -> None:
    """A setting of the whole process: each must find its own while it computes, and the user's afterwards."""
    settings = torch.backends.cuda.matmul
    before = settings.allow_tf32
    wrong = []

    def work(allowed: bool) -> None:
        for _ in range(50):
            with tf32(allowed):
                time.sleep(1e-4)
                if settings.allow_tf32 != allowed:
                    wrong.append(allowed)

    threads = [threading.Thread(target=work, args=(allowed,)) for allowed in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert settings.allow_tf32 == before
