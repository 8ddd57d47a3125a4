"""How PyTorch's recurrent modules and transformers are called, in the words of xpnet: samples first, then time."""

from collections.abc import Callable
from typing import Any

import torch

from xpnet import layers
from xpnet.core.layer import Layer

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


def encoder_layer(
    d_model: int, nhead: int, dim_feedforward: int, dropout: float, activation: Any = "relu", **more: Any
) -> Layer:
    more.pop("batch_first", None)
    name = activation if isinstance(activation, str) else activation.__name__
    return layers.TransformerEncoderLayer(nhead, dim_feedforward, dropout, name, mask=True, **more)


def encode(run: Run, given: Given, x: Any, src_mask: Any = None, src_key_padding_mask: Any = None) -> Any:
    own = batch_first(x, given)
    return as_called(run(own, seen(own, src_key_padding_mask, src_mask)), x, given)
