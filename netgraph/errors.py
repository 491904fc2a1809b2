"""What a user of netgraph can do wrong: one line each, naming the file, key, column or layer."""


class NetGraphError(ValueError):
    """Base of every error that netgraph raises for wrong input. Its message is one line."""


class UnsupportedLayerError(NetGraphError):
    """A module contains a layer or an operation that netgraph cannot represent."""


class InvalidGraphError(NetGraphError):
    """A graph or a token stream does not describe a runnable network."""


class StoreError(NetGraphError):
    """A zoo, a checkpoint or another file of netgraph is missing, damaged or of another version."""
