"""Tests of netgraph; one thread a process, also in what the tests start, and before torch is imported."""

import os

os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
