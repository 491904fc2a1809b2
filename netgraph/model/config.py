"""Sizes and loss weights of the VAE."""

from dataclasses import dataclass

from netgraph.errors import NetGraphError


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term of the loss.

    Attributes:
        structure: Cross-entropies of index, type and parent, in nats a network.
        weight: Squared error of the standardized weights that the hypernet writes beside given ones.
        output: Relative error of the outputs of the written network.
        kl: KL divergence of q(a | network) from N(0, I), in nats a network: a beta-VAE's beta (Higgins et al. 2017).
        sensitivity: Whether the weight term is weighted by the sensitivity of each element's node.
    """

    structure: float = 0.3
    weight: float = 0.1
    output: float = 1.0
    kl: float = 1e-3
    sensitivity: bool = True


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the VAE; those of networks are set from a zoo by :func:`~netgraph.training.config_for`.

    Attributes:
        width: Width of the transformers' tokens.
        heads: Attention heads.
        encoder_layers: Layers of the encoder's transformer.
        decoder_layers: Layers of the architecture decoder's transformer.
        hypernet_layers: Layers of the hypernet's transformer.
        message_rounds: Rounds of message passing before the encoder's transformer.
        message_width: Width of the messages.
        edge_rank: Rank of the bilinear form by which the hypernet writes an edge's weight from its nodes' states.
        function_size: Numbers of the function code f.
        architecture_size: Numbers of the architecture code a.
        weight_size: Numbers of the weight code w; one for each element of the state of the largest network.
        n_rows: Common rows on which functions are described.
        fit_steps: Steps of variable projection after the hypernet, unless a call gives another number.
        exemplars: Function codes of training networks that the prior holds.
        prior_width: Width of the prior's flow.
        prior_layers: Its layers.
        prior_steps: Steps of the solver of its ordinary differential equation (midpoint rule).
        depths: Linear layers that the encoder pools apart.
        max_inputs: Most inputs of a network.
        max_outputs: Most outputs.
        max_nodes: Most nodes of a network, encoded or decoded.
        max_fan: Most incoming weights of a node.
        n_meta_features: Length of the meta-feature vector.
        condition_dropout: Share of training networks whose meta-features are replaced by the null embedding.
        loss: Weights of the loss terms.
    """

    width: int = 64
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 2
    hypernet_layers: int = 3
    message_rounds: int = 1
    message_width: int = 32
    edge_rank: int = 32
    function_size: int = 64
    architecture_size: int = 32
    weight_size: int = 512
    n_rows: int = 512
    fit_steps: int = 50
    exemplars: int = 8192
    prior_width: int = 256
    prior_layers: int = 3
    prior_steps: int = 8
    depths: int = 5
    max_inputs: int = 10
    max_outputs: int = 1
    max_nodes: int = 128
    max_fan: int = 32
    n_meta_features: int = 37
    condition_dropout: float = 0.5
    loss: LossWeights = LossWeights()

    def __post_init__(self) -> None:
        """Check the sizes.

        Raises:
            NetGraphError: When the width is not a multiple of the heads, or a code has too few numbers.
        """
        if self.width % self.heads:
            raise NetGraphError(f"width {self.width} is not a multiple of heads {self.heads}")
        if self.architecture_size < self.depths + 2:
            least = f"depths {self.depths} asks for at least {self.depths + 2}"
            raise NetGraphError(f"architecture_size {self.architecture_size}; {least}")
        if self.function_size < 2:
            raise NetGraphError(f"function_size {self.function_size}; at least 2")

    @property
    def latent_size(self) -> int:
        """Numbers of the whole latent, z = [f | a | w]."""
        return self.function_size + self.architecture_size + self.weight_size
