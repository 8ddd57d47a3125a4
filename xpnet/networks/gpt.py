"""GPT: a transformer that tells what comes next."""

from typing import Any

from xpnet.base.checks import whole
from xpnet.initializers import Normal
from xpnet.layers import (
    Dense,
    Dropout,
    Embedding,
    LayerNorm,
    LearnedPositions,
    TransformerEncoder,
    TransformerEncoderLayer,
)
from xpnet.model import Model


class GPT(Model):
    """Of the characters or words so far, a score for each that may come next: integers (N, T) -> (N, T, vocabulary).

    An embedding of `width` (128) numbers with learned positions, `layers` (4) causal TransformerEncoderLayers of
    `heads` (4) heads and 4 width units, norms first, with GELU, a norm, and scores by the embedding's own weight. T is
    at most `context` (64). dropout: of the embedding, of attention and of what each part adds. 809,856 parameters with
    a vocabulary of 65; GPT(50257, 1024, 12, 768, 12) is the small GPT-2 of 124,439,808
    parameters.

    Weights are normal with a standard deviation of 0.02, of those that add to the sum sqrt(2 layers) times less. Its
    loss is softmax_cross_entropy, with the sequence one step on as targets (N, T); networks.sampling.generate goes on
    writing.

    Source: Radford et al., "Language models are unsupervised multitask learners" (GPT-2), 2019.
    """

    kind = "gpt"

    def __init__(
        self,
        vocabulary: int,
        context: int = 64,
        layers: int = 4,
        width: int = 128,
        heads: int = 4,
        dropout: float = 0.1,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.vocabulary, self.context, self.layers = vocabulary, context, whole("GPT: layers", layers)
        self.width, self.heads, self.dropout = width, heads, dropout
        self.embedding = Embedding(vocabulary, width, initializer=0.02)
        self.positions, self.drop = LearnedPositions(context), Dropout(dropout)
        blocks = [
            TransformerEncoderLayer(
                heads, 4 * width, dropout, "gelu_tanh", norm_first=True, causal=True, initializer=Normal(0.02)
            )
            for _ in range(layers)
        ]
        self.encoder = TransformerEncoder(blocks, LayerNorm())
        self.head = Dense(vocabulary, bias=False, tied=self.embedding)
        self.build((1,), dtype="int64")  # any length will do
        for block in blocks:  # each adds twice to a sum that is to be as large behind them as in front
            for weight in (block.self_attn.out_proj.weight, block.linear2.weight):
                weight.value *= (2 * layers) ** -0.5

    def call(self, x: Any) -> Any:
        return self.head(self.encoder(self.drop(self.positions(self.embedding(x)))))
