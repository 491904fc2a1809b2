"""Sizes and loss weights of the VAE."""

from dataclasses import dataclass

from netgraph.errors import NetGraphError


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term of the loss; every term is of order 1 for a network rebuilt no better than by chance.

    Attributes:
        structure: Cross-entropies of index, type and parent.
        weight: Sensitivity-weighted squared error of the standardized state.
        output: Error of the rebuilt network's outputs, relative to their variance.
        hidden: Error of its last hidden activations, relative to their energy.
        kl: Nats of KL divergence from the prior, the beta of a beta-VAE.
    """

    structure: float = 1.0
    weight: float = 1.0
    output: float = 1.0
    hidden: float = 1.0
    kl: float = 3e-4


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the VAE.

    Attributes:
        width: Width of every transformer.
        heads: Attention heads.
        encoder_layers: Transformer layers over the encoder's tokens.
        structure_layers: Layers of the autoregressive structure decoder.
        weight_layers: Layers of the weight decoder.
        message_rounds: Rounds of message passing before the encoder's transformer.
        message_width: Width of a message.
        latent_slots: Number K of latent slots.
        slot_size: Latent numbers in a slot; the latent has ``latent_slots * slot_size`` in all.
        edge_rank: Rank of the bilinear edge head.
        structure_prefix: Tokens of the latent that open the structure decoder's sequence.
        max_nodes: Budget of vertices of a network, encoded or decoded.
        max_fan: Most incoming or outgoing weights of a vertex that can be encoded.
        n_meta_features: Length of the meta-feature vector.
        condition_dropout: Share of training networks whose meta-features are replaced by the null embedding.
        loss: Weights of the loss terms.
    """

    width: int = 64
    heads: int = 4
    encoder_layers: int = 2
    structure_layers: int = 2
    weight_layers: int = 3
    message_rounds: int = 1
    message_width: int = 32
    latent_slots: int = 32
    slot_size: int = 12
    edge_rank: int = 64
    structure_prefix: int = 4
    max_nodes: int = 128
    max_fan: int = 32
    n_meta_features: int = 37
    condition_dropout: float = 0.5
    loss: LossWeights = LossWeights()

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise NetGraphError(f"width {self.width} is not a multiple of heads {self.heads}")

    @property
    def latent_size(self) -> int:
        """Total size of the latent."""
        return self.latent_slots * self.slot_size
