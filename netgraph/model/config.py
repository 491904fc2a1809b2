"""Sizes and loss weights of the VAE."""

from dataclasses import dataclass

from netgraph.errors import NetGraphError

#: Latent numbers of a response: mean and logarithm of the deviation.
RESPONSE = 2


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term of the loss; every term is of order 1 for a network rebuilt no better than by chance.

    Attributes:
        structure: Cross-entropies of index, type and parent.
        weight: Squared error of the standardized state.
        output: Error of the rebuilt network's outputs, relative to their variance.
        hidden: Error of its last hidden activations, relative to their energy.
        jacobian: Error of the differences of its outputs between neighboring rows, relative to their energy.
        kl: KL divergence of the places' slots from N(0, I), in nats for each element of the state: a beta-VAE's beta.
        layout_kl: That of the layout's slots, in nats a network.
        sensitivity: Whether the weight term is weighted by the sensitivity of each element's vertex.
    """

    structure: float = 0.3
    weight: float = 1.0
    output: float = 1.0
    hidden: float = 1.0
    jacobian: float = 0.0
    kl: float = 0.005
    layout_kl: float = 1e-3
    sensitivity: bool = True


@dataclass(frozen=True)
class PriorConfig:
    """Sizes of the flow that carries noise to latents.

    Attributes:
        width: Width of its transformers.
        heads: Attention heads.
        layout_layers: Layers of the flow of the layout's slots and the response.
        place_layers: Layers of the flow of the places' slots.
        steps: Steps of the ordinary differential equation's solver (midpoint rule), for each of the two flows.
    """

    width: int = 64
    heads: int = 4
    layout_layers: int = 3
    place_layers: int = 4
    steps: int = 3


@dataclass(frozen=True)
class GeneratorConfig:
    """Sizes of the generator, which writes networks for the rows of a data set.

    Attributes:
        width: Width of its transformer.
        heads: Attention heads.
        layers: Layers.
        row_width: Width of the tokens of single values in the encoder of rows.
        row_heads: Attention heads there.
        row_rounds: Rounds of attention over columns and rows.
        inducing_points: Inducing points of the attention over rows.
        column_tokens: Tokens that the encoder of rows leaves for each column.
    """

    width: int = 64
    heads: int = 4
    layers: int = 4
    row_width: int = 32
    row_heads: int = 2
    row_rounds: int = 2
    inducing_points: int = 16
    column_tokens: int = 2


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the VAE.

    The latent is a table of slots. The first ``place_depths + 2`` speak of the layout: one for the inputs, one for each
    linear layer, one for the whole network. Then comes one for each place, a neuron's position in its linear layer, and
    one for the output layer. Linear layers and positions beyond the table share slots with earlier ones. Two numbers
    follow the table: the network's response, mean and deviation of its output on common rows.

    Attributes:
        width: Width of every transformer.
        heads: Attention heads.
        encoder_layers: Transformer layers over the encoder's tokens.
        structure_layers: Layers of the autoregressive structure decoder.
        weight_layers: Layers of the weight decoder.
        message_rounds: Rounds of message passing before the encoder's transformer.
        message_width: Width of a message.
        place_depths: Hidden linear layers that have slots of their own.
        place_positions: Neurons of a layer that have slots of their own.
        slot_size: Latent numbers in a slot.
        direct: Whether a place's slot starts out as the neuron's own first weights, which the transformers then
            correct; else the transformers have to find that out.
        spill: Whether weights that have no room in their neuron's slot take numbers of the table that the architecture
            leaves unused.
        edge_rank: Rank of the bilinear form that reads an edge's weight from its vertices' states.
        max_nodes: Budget of vertices of a network, encoded or decoded.
        max_fan: Most incoming weights of a vertex that can be encoded.
        n_meta_features: Length of the meta-feature vector.
        condition_dropout: Share of training networks whose meta-features are replaced by the null embedding.
        loss: Weights of the loss terms.
        prior: Sizes of the prior.
        generator: Sizes of the generator; None for a model that does not read rows.
    """

    width: int = 64
    heads: int = 4
    encoder_layers: int = 2
    structure_layers: int = 2
    weight_layers: int = 3
    message_rounds: int = 1
    message_width: int = 32
    place_depths: int = 3
    place_positions: int = 8
    slot_size: int = 12
    direct: bool = True
    spill: bool = False
    edge_rank: int = 64
    max_nodes: int = 128
    max_fan: int = 32
    n_meta_features: int = 37
    condition_dropout: float = 0.5
    loss: LossWeights = LossWeights()
    prior: PriorConfig = PriorConfig()
    generator: GeneratorConfig | None = None

    def __post_init__(self) -> None:
        if self.generator is not None and self.generator.row_width % self.generator.row_heads:
            raise NetGraphError(
                f"generator.row_width {self.generator.row_width} is not a multiple of generator.row_heads "
                f"{self.generator.row_heads}"
            )
        for name, part in (("", self), ("prior.", self.prior), ("generator.", self.generator)):
            if part is not None and part.width % part.heads:
                raise NetGraphError(f"{name}width {part.width} is not a multiple of {name}heads {part.heads}")
        if self.slot_size < 4:
            raise NetGraphError(f"slot_size {self.slot_size}; at least 4")
        if self.spill and not self.direct:
            raise NetGraphError("spill needs the direct path (direct is False)")

    @property
    def layout_slots(self) -> int:
        """Slots that speak of the layout, G."""
        return self.place_depths + 2

    @property
    def place_slots(self) -> int:
        """Slots of places, K."""
        return self.place_depths * self.place_positions + 1

    @property
    def layout_size(self) -> int:
        """Latent numbers of the layout."""
        return self.layout_slots * self.slot_size

    @property
    def code_size(self) -> int:
        """Latent numbers of all slots."""
        return (self.layout_slots + self.place_slots) * self.slot_size

    @property
    def latent_size(self) -> int:
        """Total size of the latent: the slots, and the network's response."""
        return self.code_size + RESPONSE
