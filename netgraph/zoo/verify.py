"""Description of a whole zoo, and the check of all its files and networks."""

from netgraph.errors import InvalidGraphError, NetGraphError, StoreError
from netgraph.progress import Progress
from netgraph.zoo.manifest import manifest_path, read_manifest
from netgraph.zoo.overview import zoo_facts
from netgraph.zoo.zoo import Zoo


def verify_zoo(zoo: Zoo, progress: bool = True) -> int:
    """Check every checksum and every network, in the memory of a few shards.

    Returns:
        Number of networks.

    Raises:
        NetGraphError: When it is a part of a zoo.
        StoreError: When a shard is missing, damaged or not the one of the manifest, or a network is not valid; it
            names the file.

    Example:
        >>> verify_zoo(Zoo("my_zoo"), progress=False)
        18
    """
    _check_whole(zoo)
    entries = read_manifest(zoo.folder)
    with Progress("verify", zoo.n_shards, "shard", shown=progress) as bar:
        for number in range(zoo.n_shards):
            shard, entry = zoo.shard(number, again=True), entries[number]
            if shard.record["networks"] != entry.networks:
                raise StoreError(f"{manifest_path(zoo.folder)}: counts other networks than shard {entry.name} has")
            for i in range(len(shard)):
                try:
                    shard.graph(i).validate()
                except InvalidGraphError as error:
                    raise StoreError(f"{shard.path}: network {i}: {error}") from None
            bar.update()
    return len(zoo)


def describe_zoo(zoo: Zoo) -> str:
    """Describe a zoo: counts, families, losses, architectures, size on disk, R^2, accuracy, networks left out.

    It takes the memory of a few shards, and some bytes a network.

    Raises:
        NetGraphError: When it is a part of a zoo.
        StoreError: When a shard is missing or damaged; it names the file.

    Example:
        >>> print(describe_zoo(Zoo("my_zoo")).splitlines()[0])
        networks       18 (15 train, 3 test)
    """
    _check_whole(zoo)
    return "\n".join(f"{name:15s}{value}" for name, value in zoo_facts(zoo._shards).items())


def _check_whole(zoo: Zoo) -> None:
    if len(zoo) != zoo.len():
        raise NetGraphError(f"{zoo.folder}: this is a part of {len(zoo):,} networks; give the whole zoo, Zoo(root)")
