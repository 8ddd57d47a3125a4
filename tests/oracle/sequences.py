"""How PyTorch's recurrent modules and transformers are called, in the words of xpnet: samples first, then time."""

from collections.abc import Callable
from typing import Any

import torch

from xpnet import layers
from xpnet.core.layer import Layer
from xpnet.core.network import Network

Run = Callable[..., Any]
Given = dict[str, Any]


# ---- recurrent -------------------------------------------------------------------------------------------------------


def recurrent(kind: Callable[..., Layer]) -> Callable[..., Layer]:
    """Sizes of inputs are not needed, and the last states are outputs."""

    def make(**given: Any) -> Layer:
        options = {name: given[name] for name in ("bias", "bidirectional", "nonlinearity") if name in given}
        return kind(given["hidden_size"], return_state=True, layers=given["num_layers"], **options)

    return make


def cell(kind: Callable[..., Layer]) -> Callable[..., Layer]:
    """A cell is a layer that reads one step."""
    return lambda inputs, units, bias=True, **options: kind(
        units, return_sequence=True, return_state=True, bias=bias, **options
    )


def step(run: Run, given: Given, x: Any, states: Any) -> Any:
    """x (N, F) is the one element of a sequence; the new state, or h and c."""
    states = states if isinstance(states, tuple) else (states,)
    _, *last = run(x[:, None], *states)
    return last[0] if len(last) == 1 else tuple(last)


def read(run: Run, given: Given, x: Any, states: Any = None) -> Any:
    """Sequences (T, N, F), with batch_first (N, T, F), or (T, F) without a batch; states (L*D, N, H), or (L*D, H)."""
    first = [] if states is None else list(states) if isinstance(states, tuple) else [states]
    y, *last = run(batch_first(x, given), *(h[None] if x.ndim == 2 else h.transpose(0, 1) for h in first))
    last = [h[0] if x.ndim == 2 else h.transpose(0, 1) for h in last]  # (N, L*D, H)
    return as_called(y, x, given), last[0] if len(last) == 1 else tuple(last)


def batch_first(x: Any, given: Given) -> Any:
    return x[None] if x.ndim == 2 else x if given["batch_first"] else x.transpose(0, 1)


def as_called(y: Any, x: Any, given: Given) -> Any:
    """The opposite: y as x was given."""
    return y[0] if x.ndim == 2 else y if given["batch_first"] else y.transpose(0, 1)


# ---- attention -------------------------------------------------------------------------------------------------------


def seen(x: Any, padding: Any, rows: Any) -> Any:
    """Which keys of x (N, S, E) are real, (N, S). PyTorch says which are not: by `padding` (N, S), or (S,), for all
    queries, and in `rows` (..., T, S) for each; those of the samples are all alike.
    """
    real = torch.ones(x.shape[:2], dtype=torch.bool)
    if padding is not None:
        real = real & ~padding
    if rows is not None:
        row = rows.reshape(-1, rows.shape[-1])[0]
        assert (rows == row).all()
        real = real & ~row
    return real


def attend(run: Run, given: Given, q: Any, k: Any, v: Any, key_padding_mask: Any = None, attn_mask: Any = None) -> Any:
    y, weights = run(
        *(batch_first(x, given) for x in (q, k, v)), seen(batch_first(k, given), key_padding_mask, attn_mask)
    )
    return as_called(y, q, given), weights[0] if q.ndim == 2 else weights


def attention(embed_dim: int, num_heads: int, bias: bool, **left_out: Any) -> Layer:
    return layers.MultiHeadAttention(num_heads, bias, mask=True, return_weights=True)


# ---- transformers: their masks are always given, of True where nothing is hidden -------------------------------------

NAMES = {
    "nhead": "heads",
    "dim_feedforward": "feedforward",
    "dropout": "dropout",
    "norm_first": "norm_first",
    "bias": "bias",
}
ORDER = ("d_model", "nhead", "dim_feedforward", "dropout", "activation")


def options_of(*values: Any, **named: Any) -> Given:
    """What a layer of a transformer is told, of what PyTorch's is; activations are functions there."""
    given = dict(zip(ORDER, values, strict=False)) | named
    options = {ours: given[theirs] for theirs, ours in NAMES.items() if theirs in given}
    activation = given.get("activation", "relu")
    return options | {"activation": getattr(activation, "__name__", activation), "mask": True}


def encoder_layer(*values: Any, **named: Any) -> Layer:
    return layers.TransformerEncoderLayer(**options_of(*values, **named))


def decoder_layer(*values: Any, **named: Any) -> Layer:
    """PyTorch's sees what comes behind, too, unless a mask says otherwise."""
    return layers.TransformerDecoderLayer(**options_of(*values, **named), memory_mask=True, causal=False)


def encoder(layer: Any, count: int, **more: Any) -> Layer:
    """PyTorch's makes copies of a layer that is there."""
    sizes = layer.linear1.in_features, layer.self_attn.num_heads, layer.linear1.out_features
    options = {"norm_first": layer.norm_first, "bias": layer.linear1.bias is not None}
    return layers.TransformerEncoder(
        [encoder_layer(*sizes, layer.dropout.p, layer.activation, **options) for _ in range(count)]
    )


class Transformer(Network):
    """PyTorch's: an encoder, and a decoder that looks at what it gives, each with a norm behind it."""

    integers_at = (2, 3, 4)

    def __init__(self, num_encoder_layers: int, num_decoder_layers: int, bias: bool, **given: Any) -> None:
        super().__init__()
        kinds = (layers.TransformerEncoder, encoder_layer, num_encoder_layers), (
            layers.TransformerDecoder, decoder_layer, num_decoder_layers,
        )  # fmt: skip
        self.encoder, self.decoder = (
            stack([layer(bias=bias, **given) for _ in range(count)], layers.LayerNorm(bias=bias))
            for stack, layer, count in kinds
        )

    def call(self, source: Any, target: Any, *real: Any) -> Any:
        of_source, of_target, of_memory = real
        return self.decoder(target, self.encoder(source, of_source), of_target, of_memory)


def encode(run: Run, given: Given, x: Any, *, src_key_padding_mask: Any = None, **masks: Any) -> Any:
    """The mask is called src_mask of a layer, and mask of several, which are given as copies of one."""
    given = {"batch_first": given["encoder_layer"].self_attn.batch_first} if "encoder_layer" in given else given
    own, rows = batch_first(x, given), masks.get("src_mask", masks.get("mask"))
    return as_called(run(own, seen(own, src_key_padding_mask, rows)), x, given)


def decode(run: Run, given: Given, x: Any, memory: Any, **masks: Any) -> Any:
    own, memory = batch_first(x, given), batch_first(memory, given)
    real = [
        seen(sequence, masks.get(f"{name}_key_padding_mask"), masks.get(f"{name}_mask"))
        for name, sequence in (("tgt", own), ("memory", memory))
    ]
    return as_called(run(own, memory, *real), x, given)


def transform(run: Run, given: Given, source: Any, target: Any, **masks: Any) -> Any:
    """Of the encoder's output nothing is hidden from the decoder, unless a mask of its own says so."""
    x, t = batch_first(source, given), batch_first(target, given)
    real = [
        seen(sequence, masks.get(f"{name}_key_padding_mask"), masks.get(f"{name}_mask"))
        for name, sequence in (("src", x), ("tgt", t), ("memory", x))
    ]
    return as_called(run(x, t, *real), target, given)
