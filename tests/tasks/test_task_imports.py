"""``netgraph.tasks`` is light: it starts without pymfe, pandas and scikit-learn."""

import subprocess
import sys

SCRIPT = """
import sys
for name in ("pymfe", "pandas", "sklearn", "scipy"):
    sys.modules[name] = None
from netgraph.tasks import TaskRecipe, check_meta_vector, draw_tasks
assert len(draw_tasks(2, TaskRecipe(learnable=False), seed=0)) == 2
assert check_meta_vector([0.0] * 37).shape == (1, 37)
"""


def test_tasks_are_drawn_without_the_heavy_packages():
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
