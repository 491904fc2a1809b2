import torch

from netgraph.machine import threads


def fails(n: int) -> None:
    with threads(n):
        assert torch.get_num_threads() == n
        raise RuntimeError


def test_the_number_of_threads_is_restored_after_an_error():
    before = torch.get_num_threads()
    try:
        fails(before + 1)
    except RuntimeError:
        assert torch.get_num_threads() == before
    else:
        raise AssertionError("the error was swallowed")
