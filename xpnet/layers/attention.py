"""Attention: each element of a sequence looks at all elements of one, and takes from those that it finds alike."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from xpnet import initializers, random, regularizers
from xpnet.backend import Array, Backend
from xpnet.base import budget
from xpnet.base.checks import fraction, whole
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError
from xpnet.layers.dense import Dense

__all__ = ["MultiHeadAttention"]

# By how many inputs there are: which of them gives how many of queries, keys and values.
GIVEN = {1: ((0, 3),), 2: ((0, 1), (1, 2)), 3: ((0, 1), (1, 1), (2, 1))}


class MultiHeadAttention(Layer):
    """Of each head y = softmax(q k^T / sqrt(D)) v over the keys, D = E / heads; all heads together, projected, are y.

    Inputs: query (N, T, E), and key (N, S, K) and value (N, S, V). With one input all three are it (self-attention);
    with two, the second is key and value. Output (N, T, E). q, k and v are projections of the inputs by in_proj_weight
    (3 E, E), in this order, and in_proj_bias (3 E,); where keys or values are of another size, by q_proj_weight (E, E),
    k_proj_weight (E, K) and v_proj_weight (E, V). The last projection is out_proj.weight (E, E) and out_proj.bias (E,).

    heads: must divide E.  bias: whether the projections have one; it starts at 0.  dropout: the rate at which weights,
    after the softmax, are dropped in training.  causal: element t sees those up to the t-th only.  mask: whether a last
    input (N, S) of integers or bools says which keys are real, such as data.mask_of(lengths, S); others are not seen.
    attention_mask: rows (T, S) of True where a query sees a key, or of floats that are added to q k^T / sqrt(D), of
    which -inf hides the key.  A query that sees none gets zeros, before the last projection.  return_weights: a second
    output, the weights (N, T, S), the mean over the heads.  initializer: of the weights.  regularizer: of the weights:
    a name ("l2", ...), regularizers.L2(1e-4) or None.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Elsewhere: torch.nn.MultiheadAttention; keras.layers.MultiHeadAttention.
    """

    kind = "attention"
    gives = "scores"
    skips_dx = skips_dy = True
    in_proj_weight: Parameter | None = None
    q_proj_weight: Parameter | None = None
    k_proj_weight: Parameter | None = None
    v_proj_weight: Parameter | None = None
    in_proj_bias: Parameter | None = None

    def __init__(
        self,
        heads: int,
        bias: bool = True,
        dropout: float = 0.0,
        causal: bool = False,
        mask: bool = False,
        attention_mask: Sequence[Sequence[float]] | None = None,
        return_weights: bool = False,
        initializer: Any = "xavier_uniform",
        regularizer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.heads = whole("MultiHeadAttention: heads", heads)
        flags = {"bias": bias, "causal": causal, "mask": mask, "return_weights": return_weights}
        for option, value in flags.items():
            if not isinstance(value, bool):
                raise OptionError(
                    f"MultiHeadAttention: {option} must be True or False, not {value!r:.60}; heads alone is a number"
                )
        self.bias, self.causal, self.mask, self.return_weights = bias, causal, mask, return_weights
        self.dropout = fraction("MultiHeadAttention: dropout", dropout)
        self.attention_mask = _rows(attention_mask)
        initializers.get(initializer)  # an unknown one is an error now, not at build
        self.initializer, self.regularizer = initializer, regularizers.get(regularizer)
        if mask:
            self.integers_at = (-1,)
        self.out_proj = Dense(1, bias, None, initializer, None, regularizer)  # its units are told at build
        self._added: tuple[Backend, str, Array] | None = None  # the attention mask, where and as it is added

    # ---- shapes and parameters -------------------------------------------------------------------------------------

    def output_shape(self, *shapes: Shape) -> Any:
        inputs, real = (shapes[:-1], shapes[-1:]) if self.mask else (shapes, ())
        if len(inputs) not in GIVEN:
            behind = ", and a mask (N, S)" if self.mask else "; with mask=True a mask (N, S) may follow"
            raise self.wrong_shape(shapes[-1], f"one to three sequences (N, T, E){behind}; the inputs are {shapes}")
        for shape in inputs:
            if len(shape) != 2 or 0 in shape:
                raise self.wrong_shape(shape, "(N, T, E), of at least one element")
        (T, E), key, value = inputs[0], inputs[min(1, len(inputs) - 1)], inputs[-1]
        S = value[0]
        budget.check_sample((self.heads, T, S))
        if E % self.heads:
            raise self.wrong_shape(inputs[0], f"(N, T, E) with an E that {self.heads} heads divide")
        if key[0] != S:
            raise self.wrong_shape(value, f"(N, {key[0]}, V): as many values as keys")
        if real and real != ((S,),):
            raise self.wrong_shape(real[0], f"a mask (N, {S}), as data.mask_of(lengths, {S}) makes it")
        if self.attention_mask:
            rows, columns = len(self.attention_mask), len(self.attention_mask[0])
            if rows != T or columns != S:
                raise self.wrong_shape(inputs[0], f"(N, {rows}, E), and {columns} keys: those of the attention_mask")
        if self._built:
            sizes = [projection.shape[1] for projection in self._projections()]
            for shape, size in zip((inputs[0], key, value), sizes if len(sizes) > 1 else sizes * 3, strict=True):
                if shape[1] != size:
                    raise self.wrong_shape(shape, f"(N, T, {size})")
        return ((T, E), (T, S)) if self.return_weights else (T, E)

    def declare(self, *shapes: Shape) -> Iterable[Declared]:
        inputs = shapes[:-1] if self.mask else shapes
        E, K, V = (inputs[min(i, len(inputs) - 1)][1] for i in range(3))
        if E == K == V:
            yield Declared("in_proj_weight", (3 * E, E), self.initializer, E, 3 * E, regularizer=self.regularizer)
        else:
            for name, size in (("q_proj_weight", E), ("k_proj_weight", K), ("v_proj_weight", V)):
                yield Declared(name, (E, size), self.initializer, size, E, regularizer=self.regularizer)
        if self.bias:
            yield Declared("in_proj_bias", (3 * E,))

    def build_inside(self, output: Any) -> None:
        T, E = output[0] if self.return_weights else output
        vars(self.out_proj)["units"] = E
        self.out_proj.build((T, E))

    def parameter_count(self, *shapes: Shape) -> int:
        if self.is_built:
            return super().parameter_count(*shapes)
        self.output_shape(*shapes)
        E = shapes[0][1]
        return sum(math.prod(each.shape) for each in self.declare(*shapes)) + E * E + E * self.bias

    def _projections(self) -> list[Parameter]:
        """The one of all, or those of query, key and value."""
        each = self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        return [parameter for parameter in each if parameter is not None]

    def _parts(self, inputs: int) -> Iterator[tuple[int, int, Array, Array | None]]:
        """Of each product: which input it takes, how many of query, key and value it gives, its weight and its bias."""
        weights = [parameter.value for parameter in self._projections()]
        bias = None if self.in_proj_bias is None else self.in_proj_bias.value
        E, done = self.out_proj.units, 0
        given = GIVEN[inputs] if len(weights) == 1 else [(min(i, inputs - 1), 1) for i in range(3)]
        for place, count in given:
            rows = slice(done * E, (done + count) * E)
            weight = weights[done] if len(weights) > 1 else weights[0] if count == 3 else weights[0][rows, :]
            yield place, count, weight, None if bias is None else bias[rows]
            done += count

    # ---- forward ---------------------------------------------------------------------------------------------------

    def forward(self, *xs: Array, train: bool = False) -> tuple[Any, Back]:
        self.check(*xs)
        xp, backend, H = self.xp, self.backend, self.heads
        inputs, real = (xs[:-1], xs[-1]) if self.mask else (xs, None)
        (N, T, E), S = inputs[0].shape, inputs[-1].shape[1]
        heads: list[Array] = []
        parts = []
        for place, count, weight, bias in self._parts(len(inputs)):
            L, F = inputs[place].shape[1:]
            rows = xp.reshape(inputs[place], (N * L, F))
            z = xp.reshape(backend.dense(rows, weight, bias), (N, L, count, H, E // H))
            heads += [xp.permute_dims(z[:, :, i, ...], (0, 2, 1, 3)) for i in range(count)]  # (N, H, L, D)
            parts.append((place, count, rows, weight))
        q, k, v = heads
        kept = self._kept((N, H, T, S), q.dtype) if train and self.dropout else None
        y, p = backend.attention(q, k, v, self._bias(), real, self.causal, kept)
        y, out_back = self.out_proj.forward(xp.reshape(xp.permute_dims(y, (0, 2, 1, 3)), (N, T, E)), train=train)

        def back(dy: Any, need_dx: bool = True) -> Any:
            dy, dweights = dy if self.return_weights else (dy, None)
            dy = out_back(backend.zeros((N, T, E), self.dtype) if dy is None else dy)
            dy = xp.permute_dims(xp.reshape(dy, (N, T, H, E // H)), (0, 2, 1, 3))
            dp = None if dweights is None else dweights[:, None, :, :] / H
            gradients = backend.attention_backward(dy, q, k, v, p, kept, dp)
            dxs = self._project_back(gradients, parts, inputs, need_dx)
            if not need_dx:
                return None
            dxs += [None] * self.mask
            return dxs[0] if len(dxs) == 1 else tuple(dxs)

        if self.return_weights:
            return (y, self.backend.mean(p if kept is None else p * kept, axis=1)), back
        return y, back

    def _project_back(
        self, gradients: Sequence[Array], parts: Sequence[Any], inputs: Sequence[Array], need_dx: bool
    ) -> list[Any]:
        """The gradients of the inputs, from those of q, k and v; the projections get theirs."""
        xp, dxs, dws, dbs = self.xp, [None] * len(inputs), [], []
        taken = iter(gradients)
        for place, count, rows, weight in parts:
            dz = self.backend.side_by_side([next(taken) for _ in range(count)])  # (N*L, count*E)
            dx, dw, db = self.backend.dense_backward(
                dz, rows, weight, dz, None, need_dx, need_db=self.in_proj_bias is not None
            )
            dws.append(dw)
            dbs.append(db)
            if need_dx:
                dx = xp.reshape(dx, inputs[place].shape)
                dxs[place] = dx if dxs[place] is None else dxs[place] + dx
        projections = self._projections()
        dws = dws if len(projections) == len(dws) else [xp.concat(dws)]
        for projection, dw in zip(projections, dws, strict=True):
            projection.add_grad(dw)
        if self.in_proj_bias:
            self.in_proj_bias.add_grad(dbs[0] if len(dbs) == 1 else xp.concat(dbs))
        return dxs

    def _kept(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Which of the weights are kept in training."""
        first = random.first_sample() * math.prod(shape[1:])  # this many of the batch are elsewhere
        return self.backend.dropout_mask(shape, self.dropout, self.next_key(), dtype, first)

    def _bias(self) -> Array | None:
        """The attention mask as it is added to the scores."""
        if self.attention_mask is None:
            return None
        backend, dtype, array = self._added or (None, "", None)
        if backend is not self.backend or dtype != self.dtype:
            rows = [
                [(0.0 if x else -math.inf) if isinstance(x, bool) else x for x in row] for row in self.attention_mask
            ]
            array = self.backend.asarray(rows, self.dtype)
            self._added = self.backend, self.dtype, array
        return array


def _rows(mask: Any) -> tuple[tuple[float, ...], ...] | None:
    """An attention mask as rows of bools, or of floats."""
    if mask is None:
        return None
    given = mask.tolist() if hasattr(mask, "tolist") else mask
    try:
        rows = [list(row) for row in given]
        kinds = {type(x) for row in rows for x in row}
        numbers = kinds <= {bool} or (  # integers alone, such as 0 and 1, are rather meant as True and False
            {float} <= kinds <= {int, float} and not any(math.isnan(x) for row in rows for x in row)
        )
    except TypeError:
        rows, numbers = [], False
    if not numbers or not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        raise OptionError(
            "MultiHeadAttention: attention_mask must be rows (T, S) of True and False, or of floats to add; not"
            f" {mask!r:.60}"
        )
    return tuple(tuple(x if isinstance(x, bool) else float(x) for x in row) for row in rows)
