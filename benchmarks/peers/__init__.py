"""What netgraph is measured against, one file each; :mod:`peers.base` says what every one of them does."""
