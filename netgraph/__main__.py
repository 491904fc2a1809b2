"""The command by ``python -m netgraph``."""

import sys

from netgraph.cli import main

sys.exit(main())
