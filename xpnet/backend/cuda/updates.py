"""The update steps on a GPU: one launch for all parameters that lie together."""

from collections.abc import Sequence

from xpnet.backend.cuda import launch
from xpnet.backend.cuda.arrays import CupyArrays
from xpnet.backend.cuda.launch import aligned, elementwise
from xpnet.backend.reference import AdamStep, Array, MomentStep


class CupyUpdates(CupyArrays):
    def collect(self, flat: Array, parts: Sequence[Array | None], starts: Sequence[int]) -> None:
        parts = [None if part is None else self._cp.ascontiguousarray(part) for part in parts]
        for first in range(0, len(parts), launch.PIECES_MAX):
            last = first + launch.PIECES_MAX
            begin, end = starts[first] if first else 0, starts[last] if last < len(starts) else flat.size
            table = launch.pieces(parts[first:last], starts[first:last])
            elementwise("collect", flat.dtype, end - begin, flat, table, begin, end)

    def sgd(
        self, p: Array, g: Array, v: Array | None, *, lr: float, momentum: float, nesterov: bool, weight_decay: float
    ) -> None:
        if not aligned(p, g, v):
            return super().sgd(p, g, v, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
        options = float(lr), float(momentum), int(nesterov), float(weight_decay)
        return elementwise("sgd", p.dtype, p.size, p, g, v, p.size, *options)

    def adagrad(self, p: Array, g: Array, s: Array, *, lr: float, eps: float, weight_decay: float) -> None:
        if not aligned(p, g, s):
            return super().adagrad(p, g, s, lr=lr, eps=eps, weight_decay=weight_decay)
        return elementwise("adagrad", p.dtype, p.size, p, g, s, p.size, float(lr), float(eps), float(weight_decay))

    def rmsprop(self, p: Array, g: Array, s: Array, *, lr: float, rho: float, eps: float, weight_decay: float) -> None:
        if not aligned(p, g, s):
            return super().rmsprop(p, g, s, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        options = float(lr), float(rho), float(eps), float(weight_decay)
        return elementwise("rmsprop", p.dtype, p.size, p, g, s, p.size, *options)

    def adam(self, p: Array, g: Array, m: Array, v: Array, how: AdamStep) -> None:
        if not aligned(p, g, m, v):
            return super().adam(p, g, m, v, how)
        step, lr, beta1, beta2, eps, weight_decay, decoupled = how
        options = float(lr), float(beta1), float(beta2), float(eps), float(weight_decay), int(decoupled)
        unbias = 1 - beta1**step, 1 - beta2**step
        return elementwise("adam", p.dtype, p.size, p, g, m, v, p.size, *options, *unbias)

    def moments(self, p: Array, g: Array, m: Array, v: Array, how: MomentStep) -> None:
        if not aligned(p, g, m, v):
            return super().moments(p, g, m, v, how)
        gradient, mean, beta1, beta2, unbias, adaptive, eps, weight_decay, shrink = how
        rates = float(gradient), float(mean), float(beta1), float(beta2), float(unbias), int(adaptive)
        options = float(eps), float(weight_decay), float(shrink)
        return elementwise("moments", p.dtype, p.size, p, g, m, v, p.size, *rates, *options)

    def forget(self, x: Array, least: float) -> None:
        if not aligned(x):
            return super().forget(x, least)
        return elementwise("forget", x.dtype, x.size, x, x.size, float(least))

    def lion(self, p: Array, g: Array, m: Array, *, lr: float, beta1: float, beta2: float, weight_decay: float) -> None:
        if not aligned(p, g, m):
            return super().lion(p, g, m, lr=lr, beta1=beta1, beta2=beta2, weight_decay=weight_decay)
        options = float(lr), float(beta1), float(beta2), float(weight_decay)
        return elementwise("lion", p.dtype, p.size, p, g, m, p.size, *options)
