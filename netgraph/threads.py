"""Number of threads that torch and the linear algebra of NumPy and SciPy work with."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Work with ``n`` threads, then with as many as before.

    On many small tensors one thread is the fastest (18 training steps a second against 2 to 16 with two threads on two
    cores), and the only one whose speed does not collapse when another process wants a core.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with threadpool_limits(n, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
