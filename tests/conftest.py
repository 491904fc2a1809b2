"""One thread, and the same examples in every run."""

import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")
