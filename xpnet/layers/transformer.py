"""The layers of a transformer: attention and two dense layers, each with a shortcut around it and a norm."""

from collections.abc import Callable, Sequence
from typing import Any

from xpnet.base.checks import fraction, whole
from xpnet.core.layer import Layer
from xpnet.core.network import Network
from xpnet.errors import OptionError, ShapeError
from xpnet.layers.attention import MultiHeadAttention
from xpnet.layers.dense import Dense
from xpnet.layers.dropout import Dropout
from xpnet.layers.sample_norm import LayerNorm

__all__ = ["TransformerDecoder", "TransformerDecoderLayer", "TransformerEncoder", "TransformerEncoderLayer"]


class _TransformerLayer(Network):
    """What the two layers share: the dense layers at the end, and what stands around each part."""

    kind = "transformer"
    linear1: Dense
    linear2: Dense
    dropout: float
    norm_first: bool
    mask: bool
    memory_mask: bool

    def _keep(self, norm_first: bool, dropout: float, **options: Any) -> None:
        """The options as attributes."""
        kind = type(self).__name__
        if not isinstance(norm_first, bool):
            raise OptionError(f"{kind}: norm_first must be True or False, not {norm_first!r:.60}")
        heads, units = options["heads"], whole(f"{kind}: feedforward", options["feedforward"])
        if units < whole(f"{kind}: heads", heads):  # PyTorch's first two are the size of elements, and heads
            raise OptionError(
                f"{kind}: feedforward={units} is less than heads={heads}; the size of the elements is not told, as in"
                f" {kind}({units})"
            )
        vars(self).update(options, norm_first=norm_first, dropout=fraction(f"{kind}: dropout", dropout))

    def _make_dense(self, units: int, activation: Any, bias: bool, initializer: Any) -> None:
        self.linear1 = Dense(units, bias, activation, initializer)
        self.inner_dropout = Dropout(self.dropout)
        self.linear2 = Dense(1, bias, None, initializer)  # its units are told by the first input

    def _around(self, x: Any, norm: Layer, part: Callable[[Any], Any]) -> Any:
        return x + part(norm(x)) if self.norm_first else norm(x + part(x))

    def _through_dense(self, x: Any) -> Any:
        if not self.linear2.is_built:
            self.linear2.units = x.shape[-1]
        return self.linear2(self.inner_dropout(self.linear1(x)))

    def _check_masks(self, masks: Sequence[Any], wanted: int) -> None:
        if len(masks) != wanted:
            raise ShapeError(
                f"{self.label}: {len(masks)} masks came, and its options take {wanted:d}: mask=True takes one (N, T)"
            )


class TransformerEncoderLayer(_TransformerLayer):
    """x = norm1(x + self_attn(x)), y = norm2(x + linear2(act(linear1(x)))): x and y (N, T, E).

    norm_first: x = x + self_attn(norm1(x)), y = x + linear2(act(linear1(norm2(x)))), which learns without a warm-up
    (Xiong et al., 2020). Dropout of the attention's weights, behind the activation, and of what is added to x.

    heads: of the attention; they must divide E.  feedforward: units of linear1.  activation: a name, or a layer.
    causal: element t sees those up to the t-th only.  mask: whether a second input (N, T) of integers or bools says
    which elements are real.  bias: of attention, dense layers and norms.  eps: of the norms.  initializer: of weights.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Elsewhere: torch.nn.TransformerEncoderLayer.
    """

    gives = "scores"

    def __init__(
        self,
        heads: int,
        feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        norm_first: bool = False,
        causal: bool = False,
        mask: bool = False,
        bias: bool = True,
        eps: float = 1e-5,
        initializer: Any = "xavier_uniform",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self._keep(
            norm_first, dropout, heads=heads, feedforward=feedforward, causal=causal, mask=mask, bias=bias, eps=eps,
            initializer=initializer,
        )  # fmt: skip
        self.activation, self.integers_at = activation, (-1,) * mask
        self.self_attn = MultiHeadAttention(heads, bias, dropout, causal, mask, initializer=initializer)
        self._make_dense(feedforward, activation, bias, initializer)
        self.norm1, self.norm2 = LayerNorm(eps=eps, bias=bias), LayerNorm(eps=eps, bias=bias)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)

    def call(self, x: Any, mask: Any = None) -> Any:
        masks = () if mask is None else (mask,)
        self._check_masks(masks, self.mask)
        x = self._around(x, self.norm1, lambda x: self.dropout1(self.self_attn(x, *masks)))
        return self._around(x, self.norm2, lambda x: self.dropout2(self._through_dense(x)))


class TransformerDecoderLayer(_TransformerLayer):
    """As TransformerEncoderLayer, with a second attention between its parts, which looks at a memory (N, S, M).

    x = norm1(x + self_attn(x)), x = norm2(x + multihead_attn(x, memory)), y = norm3(x + linear2(act(linear1(x)))).

    Inputs: x (N, T, E) and memory, such as what an encoder gave; then, with `mask`, the mask of x (N, T) and, with
    `memory_mask`, that of the memory (N, S), integers or bools that say which elements are real. causal is True unless
    told otherwise. The other options are those of TransformerEncoderLayer.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Elsewhere: torch.nn.TransformerDecoderLayer.
    """

    gives = "scores"

    def __init__(
        self,
        heads: int,
        feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        norm_first: bool = False,
        causal: bool = True,
        mask: bool = False,
        memory_mask: bool = False,
        bias: bool = True,
        eps: float = 1e-5,
        initializer: Any = "xavier_uniform",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self._keep(
            norm_first, dropout, heads=heads, feedforward=feedforward, causal=causal, mask=mask, bias=bias, eps=eps,
            memory_mask=memory_mask, initializer=initializer,
        )  # fmt: skip
        self.activation, self.integers_at = activation, (-2, -1)[2 - mask - memory_mask :]
        self.self_attn = MultiHeadAttention(heads, bias, dropout, causal, mask, initializer=initializer)
        self.multihead_attn = MultiHeadAttention(heads, bias, dropout, mask=memory_mask, initializer=initializer)
        self._make_dense(feedforward, activation, bias, initializer)
        self.norm1, self.norm2, self.norm3 = (LayerNorm(eps=eps, bias=bias) for _ in range(3))
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))

    def call(self, x: Any, memory: Any, *masks: Any) -> Any:
        self._check_masks(masks, self.mask + self.memory_mask)
        own, of_memory = masks[: self.mask], masks[self.mask :]
        x = self._around(x, self.norm1, lambda x: self.dropout1(self.self_attn(x, *own)))
        x = self._around(x, self.norm2, lambda x: self.dropout2(self.multihead_attn(x, memory, *of_memory)))
        return self._around(x, self.norm3, lambda x: self.dropout3(self._through_dense(x)))


class _Stack(Network):
    """Layers, and a norm behind the last one."""

    kind = "transformer"
    norm: Layer | None

    def __init__(self, layers: Sequence[Layer], norm: Layer | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self.layers = list(layers) if isinstance(layers, (list, tuple)) else []
        kind = type(self).__name__
        if not self.layers or not all(isinstance(layer, Layer) for layer in [*self.layers, *([norm] if norm else [])]):
            raise OptionError(f"{kind} takes a list of layers, such as [layers.{kind}Layer(8) for _ in range(6)]")
        self.norm, self.integers_at = norm, self.layers[0].integers_at

    def _through(self, x: Any, *others: Any) -> Any:
        for layer in self.layers:
            x = layer(x, *others)
        return x if self.norm is None else self.norm(x)


class TransformerEncoder(_Stack):
    """TransformerEncoderLayers in a chain, which all get the mask if there is one, and a `norm` such as LayerNorm().

    TransformerEncoder([TransformerEncoderLayer(8, mask=True) for _ in range(6)]) takes x (N, T, E) and a mask (N, T).

    Source: Vaswani et al., "Attention is all you need", 2017.

    Elsewhere: torch.nn.TransformerEncoder.
    """

    gives = "scores"

    def call(self, x: Any, mask: Any = None) -> Any:
        return self._through(x) if mask is None else self._through(x, mask)


class TransformerDecoder(_Stack):
    """TransformerDecoderLayers in a chain, which all get the memory and the masks if there are any, and a `norm`.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Elsewhere: torch.nn.TransformerDecoder.
    """

    gives = "scores"

    def call(self, x: Any, memory: Any, *masks: Any) -> Any:
        return self._through(x, memory, *masks)
