"""Maps of networks to latents of one size and back: netgraph and its peers."""

from benchmarks.peers.autoencoders import SANE, MLPAutoencoder
from benchmarks.peers.base import Peer
from benchmarks.peers.closed_form import NearestNetwork, PrincipalComponents
from benchmarks.peers.ours import NetGraphVAE

PEERS: dict[str, type[Peer]] = {
    "netgraph": NetGraphVAE,
    "SANE-like": SANE,
    "MLP autoencoder": MLPAutoencoder,
    "PCA": PrincipalComponents,
    "nearest training network": NearestNetwork,
}

__all__ = ["PEERS", "SANE", "MLPAutoencoder", "NearestNetwork", "NetGraphVAE", "Peer", "PrincipalComponents"]
