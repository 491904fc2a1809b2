"""Maps of networks, whose architectures are given, to latents of one size and back."""

from benchmarks.peers.autoencoders import SANE, MLPAutoencoder
from benchmarks.peers.base import Padding, Peer
from benchmarks.peers.closed_form import NearestNetwork, PrincipalComponents

PEERS: dict[str, type[Peer]] = {
    "SANE-like": SANE,
    "MLP autoencoder": MLPAutoencoder,
    "PCA": PrincipalComponents,
    "nearest training network": NearestNetwork,
}

__all__ = ["PEERS", "SANE", "MLPAutoencoder", "NearestNetwork", "Padding", "Peer", "PrincipalComponents"]
