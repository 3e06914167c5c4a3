import torch

from spacy_elmo.runtime.threads import own_threads


def in_new_thread() -> int:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_the_number_is_of_this_thread_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with own_threads(3):
            assert (torch.get_num_threads(), in_new_thread()) == (3, 4)
        assert (torch.get_num_threads(), in_new_thread()) == (4, 4)
    finally:
        torch.set_num_threads(before)
