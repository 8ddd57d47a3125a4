"""The specification: every hot primitive once, in code that uses the Python array API standard only.

It is written to be read and to be right, on any conforming namespace (NumPy, CuPy, PyTorch, array-api-strict); other
backends override what is worth it and are tested against this file. Names: N batch, C channels in, O channels out, H
and W image, KH and KW kernel, OH and OW output, G groups. Gradients are called after what they belong to: `dy` is the
gradient with respect to y. Nothing here writes into an argument, but for the update steps at the end, which change
parameter and state in place. It is one file, long as it is, so that there is one place to look a primitive up.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from xpnet.backend.philox import philox_words
from xpnet.backend.window import Window
from xpnet.random import Key

Array = Any  # an array of whichever namespace the backend has


class Memory(NamedTuple):
    """Bytes of the device's memory: in arrays, taken from the driver (and kept for further arrays), and the bound."""

    used: int
    held: int
    limit: int | None = None


class AdamStep(NamedTuple):
    """The settings of one step of Adam, counted from 1."""

    step: int
    lr: float
    beta1: float
    beta2: float
    eps: float
    weight_decay: float
    decoupled: bool


class Backend:
    """An array namespace `xp` on a device, and the primitives that layers, losses and optimizers are made of."""

    name = "reference"
    lazy = False  # whether the device computes in the background, so that reading a scalar means waiting for it
    flat = False  # whether optimizers lay their parameters behind one another, to update them with one call

    def __init__(self, xp: Any = np, device: Any = None, name: str | None = None) -> None:
        self.xp, self.device = xp, device
        self.name = name or self.name

    def __repr__(self) -> str:
        return f"<xpnet backend {self.name}>"

    def __deepcopy__(self, memo: dict[int, Any]) -> "Backend":
        return self  # a copied layer stays on the same device

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process, which joblib sends models to, the backend of the same name."""
        from xpnet.backend import make_backend

        return make_backend, (self.name,)

    # ---- arrays in and out -----------------------------------------------------------------------------------------

    def asarray(self, x: Any, dtype: Any = None) -> Array:
        """`x` (a NumPy array, a list, an array of this backend) as an array of this backend; copies only if it must."""
        return self.xp.asarray(x, dtype=self.dtype(dtype), device=self.device)

    def to_numpy(self, x: Array) -> np.ndarray:
        """`x` as a NumPy array; copies from the device, and waits for it, if it must."""
        return np.asarray(x)

    def batch(self, x: np.ndarray, t: np.ndarray, dtype: Any, *weights: np.ndarray) -> tuple[Array, ...]:
        """Inputs (converted to `dtype`), targets and, if given, weights of one training step, on the device."""
        return self.asarray(x, dtype), self.asarray(t), *(self.asarray(weight, dtype) for weight in weights)

    def staged(self, batches: Iterable[tuple[np.ndarray, ...]], dtype: Any) -> Iterator[tuple[Array, ...]]:
        """`batch` of each; a backend may fetch one batch ahead, to copy it while the device computes."""
        for x, t, *weights in batches:
            yield self.batch(x, t, dtype, *weights)

    def dtype(self, dtype: Any) -> Any:
        """A data type of this namespace from a name, a NumPy dtype or one of its own: `float32` -> `xp.float32`."""
        if dtype is None:
            return None
        return getattr(self.xp, dtype_name(dtype))

    def zeros(self, shape: tuple[int, ...], dtype: Any = "float32") -> Array:
        """Zeros of this shape on the device."""
        return self.xp.zeros(shape, dtype=self.dtype(dtype), device=self.device)

    def copy(self, x: Array) -> Array:
        """A copy that shares no memory with x."""
        return self.xp.asarray(x, copy=True)

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked to."""

    # ---- memory: for a device that has its own ---------------------------------------------------------------------

    def memory(self) -> Memory:
        """What arrays use and what is held of the device's memory; zeros where arrays live in that of the process."""
        return Memory(0, 0)

    @contextlib.contextmanager
    def memory_advice(self, samples: int | None) -> Iterator[None]:
        """Within the block, a device that runs out of memory gives a BackendError that advises a smaller batch.

        `samples` is the size of a batch, None if that is not known.
        """
        yield

    def free_memory(self) -> None:
        """Give back what is held and not used."""

    def computing(self) -> contextlib.AbstractContextManager[None]:
        """Around a forward pass or a training step: a backend may prepare once what each primitive would need."""
        return contextlib.nullcontext()

    # ---- windows ---------------------------------------------------------------------------------------------------

    def pad(self, x: Array, padding: tuple[tuple[int, int], tuple[int, int]], value: float = 0.0) -> Array:
        """(N, C, H, W) -> (N, C, top + H + bottom, left + W + right)."""
        (top, bottom), (left, right) = padding
        N, C, H, W = x.shape
        out = self.xp.full((N, C, top + H + bottom, left + W + right), value, dtype=x.dtype, device=self.device)
        out[:, :, top : top + H, left : left + W] = x
        return out

    def im2col(self, x: Array, window: Window) -> Array:
        """(N, C, H, W) -> (N, C, KH, KW, OH, OW): the input pixels that each output pixel sees."""
        padded = self.pad(x, window.padding)
        taps = window.taps(x.shape[2:])
        slices = [padded[:, :, rows, columns] for _, _, rows, columns in taps]
        cols = self.xp.stack(slices, axis=2)  # (N, C, KH*KW, OH, OW)
        return self.xp.reshape(cols, (*x.shape[:2], *window.kernel, *cols.shape[3:]))

    def col2im(self, cols: Array, size: tuple[int, int], window: Window) -> Array:
        """The adjoint of `im2col`: each input pixel collects from all the places that it was copied to."""
        (top, bottom), (left, right) = window.padding
        N, C = cols.shape[:2]
        H, W = size
        padded = self.zeros((N, C, top + H + bottom, left + W + right), cols.dtype)
        for m, n, rows, columns in window.taps(size):
            padded[:, :, rows, columns] += cols[:, :, m, n, :, :]
        return padded[:, :, top : top + H, left : left + W]

    # ---- convolution and dense -------------------------------------------------------------------------------------

    def conv2d(
        self, x: Array, w: Array, b: Array | None, window: Window, groups: int = 1, activation: str | None = None
    ) -> Array:
        """y[n,o,i,j] = act(b[o] + sum_{c,m,n} w[o,c,m,n] x[n,c,i+m,j+n]): x (N,C,H,W), w (O,C/G,KH,KW), y (N,O,OH,OW).

        `activation` is None or "relu".
        """
        N, O = x.shape[0], w.shape[0]
        OH, OW = window.output_size(x.shape[2:])
        cols = self.xp.reshape(self.im2col(x, window), (N, groups, -1, OH * OW))  # (N, G, C/G*KH*KW, OH*OW)
        kernels = self.xp.reshape(w, (1, groups, O // groups, -1))  # (1, G, O/G, C/G*KH*KW)
        y = self.xp.reshape(self.xp.matmul(kernels, cols), (N, O, OH, OW))
        if b is not None:
            y = y + self.xp.reshape(b, (1, O, 1, 1))
        return self.activate(y, activation)

    def conv2d_backward(
        self,
        dy: Array,
        x: Array,
        w: Array,
        y: Array,
        window: Window,
        groups: int = 1,
        activation: str | None = None,
        need_dx: bool = True,
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db) of `conv2d`; `y` is what it returned."""
        xp = self.xp
        N, O, OH, OW = dy.shape
        dz = xp.reshape(self.activate_backward(dy, y, activation), (N, groups, O // groups, OH * OW))
        db = xp.reshape(xp.sum(dz, axis=(0, 3)), (O,))
        cols = xp.reshape(self.im2col(x, window), (N, groups, -1, OH * OW))  # (N, G, C/G*KH*KW, OH*OW)
        dw = xp.reshape(xp.sum(xp.matmul(dz, cols.mT), axis=0), w.shape)
        if not need_dx:
            return None, dw, db
        kernels = xp.reshape(w, (1, groups, O // groups, -1))  # (1, G, O/G, C/G*KH*KW)
        dcols = xp.reshape(xp.matmul(kernels.mT, dz), (N, x.shape[1], *window.kernel, OH, OW))
        return self.col2im(dcols, x.shape[2:], window), dw, db

    def dense(self, x: Array, w: Array, b: Array | None, activation: str | None = None) -> Array:
        """y = act(x w^T + b): x (N, I), w (O, I), b (O,), y (N, O)."""
        y = self.xp.matmul(x, w.mT)
        if b is not None:
            y = y + b
        return self.activate(y, activation)

    def dense_backward(
        self, dy: Array, x: Array, w: Array, y: Array, activation: str | None = None, need_dx: bool = True
    ) -> tuple[Array | None, Array, Array]:
        """(dx or None, dw, db) of `dense`."""
        dz = self.activate_backward(dy, y, activation)
        dx = self.xp.matmul(dz, w) if need_dx else None
        return dx, self.xp.matmul(dz.mT, x), self.xp.sum(dz, axis=0)

    def activate(self, y: Array, activation: str | None) -> Array:
        """max(y, 0) for "relu", y itself for None."""
        return self.xp.maximum(y, 0) if activation == "relu" else y

    def activate_backward(self, dy: Array, y: Array, activation: str | None) -> Array:
        """The gradient before the activation, from the output y after it."""
        return self.xp.where(y > 0, dy, 0) if activation == "relu" else dy

    # ---- pooling ---------------------------------------------------------------------------------------------------

    def max_pool2d(self, x: Array, window: Window) -> Array:
        """The largest pixel of each window; padding never wins. (N, C, H, W) -> (N, C, OH, OW)."""
        padded = self.pad(x, window.padding, -float("inf"))
        slices = [padded[:, :, rows, columns] for _, _, rows, columns in window.taps(x.shape[2:])]
        y = slices[0]
        for s in slices[1:]:
            y = self.xp.maximum(y, s)
        return self.copy(y) if len(slices) == 1 else y

    def max_pool2d_backward(self, dy: Array, x: Array, y: Array, window: Window) -> Array:
        """dy goes to the pixel that was the largest; of several equal ones, to the first in reading order."""
        xp = self.xp
        (top, _), (left, _) = window.padding
        H, W = x.shape[2:]
        padded = self.pad(x, window.padding, -float("inf"))
        dx = xp.zeros_like(padded)
        open_ = xp.ones_like(y, dtype=xp.bool)  # outputs whose maximum has not been met yet
        for _, _, rows, columns in window.taps((H, W)):
            hit = open_ & (padded[:, :, rows, columns] == y)
            dx[:, :, rows, columns] += xp.where(hit, dy, 0)
            open_ = open_ & ~hit
        return dx[:, :, top : top + H, left : left + W]

    def avg_pool2d(self, x: Array, window: Window) -> Array:
        """The mean of each window, zeros of the padding counted in. (N, C, H, W) -> (N, C, OH, OW)."""
        padded = self.pad(x, window.padding)
        total = 0.0
        for _, _, rows, columns in window.taps(x.shape[2:]):
            total = padded[:, :, rows, columns] + total
        return total / (window.kernel[0] * window.kernel[1])

    def avg_pool2d_backward(self, dy: Array, size: tuple[int, int], window: Window) -> Array:
        """Each pixel of the window gets dy / (KH*KW)."""
        N, C, OH, OW = dy.shape
        share = self.xp.reshape(dy / (window.kernel[0] * window.kernel[1]), (N, C, 1, 1, OH, OW))
        return self.col2im(self.xp.broadcast_to(share, (N, C, *window.kernel, OH, OW)), size, window)

    # ---- normalisation ---------------------------------------------------------------------------------------------

    def batch_norm(self, x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
        """y = gamma (x - mean) / sqrt(var + eps) + beta over all axes but the second; returns y, mean, var (biased)."""
        xp, axes = self.xp, (0, *range(2, x.ndim))
        mean = xp.mean(x, axis=axes, keepdims=True)
        var = xp.mean((x - mean) ** 2, axis=axes, keepdims=True)
        y = (x - mean) * (self._per_channel(gamma, x) / xp.sqrt(var + eps)) + self._per_channel(beta, x)
        return y, xp.reshape(mean, (-1,)), xp.reshape(var, (-1,))

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, var: Array, gamma: Array, eps: float
    ) -> tuple[Array, Array, Array]:
        """(dx, dgamma, dbeta) of `batch_norm` (Ioffe and Szegedy, 2015)."""
        xp, axes = self.xp, (0, *range(2, x.ndim))
        inverse = 1 / xp.sqrt(self._per_channel(var, x) + eps)
        normal = (x - self._per_channel(mean, x)) * inverse
        dgamma = xp.sum(dy * normal, axis=axes, keepdims=True)
        dbeta = xp.sum(dy, axis=axes, keepdims=True)
        m = x.shape[0] * math.prod(x.shape[2:])
        dx = (dy - dbeta / m - normal * (dgamma / m)) * (self._per_channel(gamma, x) * inverse)
        return dx, xp.reshape(dgamma, (-1,)), xp.reshape(dbeta, (-1,))

    def moving_average(self, average: Array, value: Array, rate: float, weight: float) -> None:
        """average = (1 - rate) average + weight value, in place: how running statistics follow those of the batches."""
        average[...] = (1 - rate) * average + weight * value

    def local_response_norm(self, x: Array, size: int, alpha: float, beta: float, k: float) -> tuple[Array, Array]:
        """y = x / s**beta with s[c] = k + alpha/size * (sum of x**2 over `size` channels around c); returns y and s.

        The channels are c - size//2 ... c + (size-1)//2, as in PyTorch; those that do not exist count as zero.
        """
        scale = k + (alpha / size) * self._channel_sum(x * x, size // 2, (size - 1) // 2)
        return x * scale**-beta, scale

    def local_response_norm_backward(
        self, dy: Array, x: Array, scale: Array, size: int, alpha: float, beta: float
    ) -> Array:
        """dx = dy s**-beta - 2 alpha beta / size * x * (sum over the channels that saw x of dy x s**(-beta-1))."""
        power = scale**-beta
        seen = self._channel_sum(dy * x * power / scale, (size - 1) // 2, size // 2)
        return dy * power - (2 * alpha * beta / size) * x * seen

    def _channel_sum(self, x: Array, before: int, after: int) -> Array:
        """out[:, c] = x[:, c - before] + ... + x[:, c + after]."""
        C = x.shape[1]
        out = self.copy(x)
        for offset in range(-min(before, C - 1), min(after, C - 1) + 1):
            if offset < 0:
                out[:, -offset:, ...] += x[:, :offset, ...]
            elif offset > 0:
                out[:, :-offset, ...] += x[:, offset:, ...]
        return out

    def _per_channel(self, v: Array, x: Array) -> Array:
        """(C,) -> (1, C, 1, ...), to broadcast along the second axis of x."""
        return self.xp.reshape(v, (1, -1) + (1,) * (x.ndim - 2))

    # ---- softmax and dropout ---------------------------------------------------------------------------------------

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(-x)), in the form that cannot overflow."""
        e = self.xp.exp(-self.xp.abs(x))
        return self.xp.where(x >= 0, 1 / (1 + e), e / (1 + e))

    def softmax(self, x: Array, axis: int = -1) -> Array:
        """exp(x) / sum(exp(x)) along `axis`, shifted so that it cannot overflow."""
        e = self.xp.exp(x - self.xp.max(x, axis=axis, keepdims=True))
        return e / self.xp.sum(e, axis=axis, keepdims=True)

    def softmax_cross_entropy(self, y: Array, t: Array) -> tuple[Array, Array]:
        """Losses -sum_c t[n,c] log softmax(y)[n,c] of shape (N,), and dy = softmax(y) - t of shape (N, C).

        `t` holds class numbers (N,) or probabilities (N, C) that sum to one.
        """
        xp = self.xp
        if t.ndim == 1:
            classes = xp.arange(y.shape[1], dtype=t.dtype, device=self.device)
            t = xp.astype(classes[None, :] == t[:, None], y.dtype)  # one-hot (N, C)
        shifted = y - xp.max(y, axis=1, keepdims=True)
        log_sum = xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
        return xp.sum(t * (log_sum - shifted), axis=1), xp.exp(shifted - log_sum) - t

    def dropout_mask(self, shape: tuple[int, ...], rate: float, key: Key, dtype: Any = "float32") -> Array:
        """1 / (1 - rate) where an element is kept, 0 where it is dropped (with probability `rate`).

        Element number i (in C order) is kept if the i-th 32-bit number of the Philox stream `key` is at least
        rate * 2**32: the same elements on every backend.
        """
        xp = self.xp
        words = philox_words(xp, math.prod(shape), key, self.device)  # int64 (count,), values below 2**32
        kept = xp.reshape(words, shape) >= round(rate * 2**32)
        return xp.astype(kept, self.dtype(dtype)) * (1 / (1 - rate))  # rounded once, alike everywhere

    def count_hits(self, y: Array, t: Array) -> Array:
        """How many rows of y (N, C) have their largest entry, the first of equal ones, at the label t (N,)."""
        hits = self.xp.argmax(y, axis=1) == t
        return self.xp.sum(self.xp.astype(hits, self.xp.int64))

    # ---- update steps: they change p and the state in place --------------------------------------------------------

    def collect(self, flat: Array, parts: Sequence[Array | None], starts: Sequence[int]) -> None:
        """Lay the parts behind one another into `flat` (1-D), each from its start; what none covers becomes zero."""
        xp, pieces = self.xp, []
        for part, start, end in zip(parts, starts, (*starts[1:], flat.shape[0]), strict=True):
            values = self.zeros((0,), flat.dtype) if part is None else xp.reshape(part, (-1,))
            pieces += [values, self.zeros((end - start - values.shape[0],), flat.dtype)]
        flat[...] = xp.concat(pieces)

    def sgd(
        self, p: Array, g: Array, v: Array | None, *, lr: float, momentum: float, nesterov: bool, weight_decay: float
    ) -> None:
        """g += weight_decay p;  v = momentum v + g;  p -= lr v  (Nesterov: p -= lr (g + momentum v))."""
        g = g + weight_decay * p if weight_decay else g
        if v is not None:
            v[...] = momentum * v + g
            g = g + momentum * v if nesterov else v
        p[...] = p - lr * g

    def adagrad(self, p: Array, g: Array, s: Array, *, lr: float, eps: float, weight_decay: float) -> None:
        """s += g**2;  p -= lr g / (sqrt(s) + eps)."""
        g = g + weight_decay * p if weight_decay else g
        s[...] = s + g * g
        p[...] = p - lr * g / (self.xp.sqrt(s) + eps)

    def rmsprop(self, p: Array, g: Array, s: Array, *, lr: float, rho: float, eps: float, weight_decay: float) -> None:
        """s = rho s + (1 - rho) g**2;  p -= lr g / (sqrt(s) + eps)."""
        g = g + weight_decay * p if weight_decay else g
        s[...] = rho * s + (1 - rho) * g * g
        p[...] = p - lr * g / (self.xp.sqrt(s) + eps)

    def adam(self, p: Array, g: Array, m: Array, v: Array, how: AdamStep) -> None:
        """m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g**2;  p -= lr (m / (1-b1**step)) / (sqrt(v / (1-b2**step)) + eps).

        Weight decay adds weight_decay p to g (Adam), or shrinks p by lr weight_decay p first (`decoupled`: AdamW).
        """
        step, lr, beta1, beta2, eps, weight_decay, decoupled = how
        if decoupled:
            p[...] = p - (lr * weight_decay) * p
        elif weight_decay:
            g = g + weight_decay * p
        m[...] = beta1 * m + (1 - beta1) * g
        v[...] = beta2 * v + (1 - beta2) * g * g
        p[...] = p - (lr / (1 - beta1**step)) * m / (self.xp.sqrt(v / (1 - beta2**step)) + eps)


def dtype_name(dtype: Any) -> str:
    """`np.float32`, `np.dtype("float32")`, `torch.float32`, `"float32"` -> "float32"."""
    if isinstance(dtype, str):
        return dtype
    try:
        return str(np.dtype(dtype).name)
    except TypeError:  # a dtype object of another namespace prints as "torch.float32" or "array_api_strict.float32"
        return str(dtype).rsplit(".", 1)[-1]
