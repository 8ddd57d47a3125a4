"""Recurrent layers: they read a sequence (N, T, F) step by step."""

from collections.abc import Iterable
from typing import Any

from xpnet import initializers
from xpnet.backend import Array
from xpnet.base.checks import whole
from xpnet.core.carried import Carried
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter
from xpnet.errors import OptionError

__all__ = ["SimpleRNN"]


class SimpleRNN(Layer):
    """h_t = tanh(x_t weight_ih^T + bias_ih + h_{t-1} weight_hh^T + bias_hh), for t = 1 ... T (Elman, 1990).

    x (N, T, F), weight_ih (units, F), weight_hh (units, units), biases (units,); a second input, if there is one, is
    h_0 (N, units), else it is zero. Gives the sequence h_1 ... h_T (N, T, units); with return_state=True (the sequence,
    h_T); with return_sequence=False h_T (N, units) alone.

    units: size of h.  stateful: h_0 is the h_T of the batch before, in training and in inference, until
    `model.reset_state()`; gradients end there (truncated backpropagation: Williams and Peng, 1990). Batches must be of
    one size, and sample n goes on where sample n of the batch before has ended.  initializer: of the weights, biases
    starting at 0; by default all are uniform in +-1/sqrt(units), as in PyTorch.
    """

    kind = "rnn"
    gives = "scores"
    skips_dx = skips_dy = True
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter
    bias_hh: Parameter

    def __init__(
        self,
        units: int,
        return_sequence: bool = True,
        return_state: bool = False,
        stateful: bool = False,
        initializer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.units = whole("SimpleRNN: units", units)
        flags = {"return_sequence": return_sequence, "return_state": return_state, "stateful": stateful}
        for option, value in flags.items():
            if not isinstance(value, bool):  # PyTorch's second argument is a size
                raise OptionError(f"SimpleRNN: {option} must be True or False, not {value!r}; units alone is a number")
        if return_state and not return_sequence:
            raise OptionError("SimpleRNN: return_sequence=False gives the last state already; leave return_state out")
        self.return_sequence, self.return_state, self.stateful = return_sequence, return_state, stateful
        self.initializer = initializer if initializer is None else initializers.get(initializer)
        self.state = Carried(self.backend, self.dtype) if stateful else None

    def output_shape(self, *shapes: Shape) -> Any:
        shape, *states = shapes
        if len(shape) != 2 or shape[0] < 1:
            raise self.wrong_shape(shape, "(N, T, features), of at least one step")
        if self._built and shape[1] != self.weight_ih.shape[1]:
            raise self.wrong_shape(shape, f"(N, T, {self.weight_ih.shape[1]})")
        if states and (self.stateful or states != [(self.units,)]):
            needed = "a sequence alone: a stateful layer has its own state" if self.stateful else f"(N, {self.units})"
            raise self.wrong_shape(states[-1], needed)
        sequence, last = (shape[0], self.units), (self.units,)
        if self.return_state:
            return sequence, last
        return sequence if self.return_sequence else last

    def declare(self, shape: Shape, *states: Shape) -> Iterable[Declared]:
        F, H = shape[1], self.units
        uniform = initializers.Uniform(H**-0.5)
        weights, biases = (uniform, uniform) if self.initializer is None else (self.initializer, None)
        yield Declared("weight_ih", (H, F), weights, fan_in=F, fan_out=H)
        yield Declared("weight_hh", (H, H), weights, fan_in=H, fan_out=H)
        yield Declared("bias_ih", (H,), biases)
        yield Declared("bias_hh", (H,), biases)

    def forward(self, x: Array, *states: Array, train: bool = False) -> tuple[Any, Back]:
        self.check(x, *states)
        xp, backend, (N, T, F), H = self.xp, self.backend, x.shape, self.units
        w_ih, w_hh = self.weight_ih.value, self.weight_hh.value
        carried = self.state.take(self.label, N) if self.state is not None else None
        h = states[0] if states else backend.zeros((N, H), self.dtype) if carried is None else carried
        rows = xp.reshape(xp.permute_dims(x, (1, 0, 2)), (T * N, F))  # step by step
        z = backend.dense(rows, w_ih, self.bias_ih.value + self.bias_hh.value)  # of all steps, but for h
        z = xp.reshape(z, (T, N, H))
        steps = [h]
        for t in range(T):
            h = xp.tanh(z[t, ...] + backend.dense(h, w_hh, None))
            steps.append(h)
        hs = xp.stack(steps)  # (T + 1, N, H), h_0 first
        if self.state is not None:
            self.state.value = h

        def back(dy: Any, need_dx: bool = True) -> Any:
            dsequence, dh = dy if self.return_state else (dy, None) if self.return_sequence else (None, dy)
            dh = backend.zeros((N, H), self.dtype) if dh is None else dh
            dzs: list[Array] = []
            w_back = backend.copy(w_hh.mT)
            for t in range(T, 0, -1):
                dh = dh if dsequence is None else dh + dsequence[:, t - 1, :]
                dzs.append(dh * (1 - hs[t, ...] * hs[t, ...]))  # through tanh
                dh = backend.dense(dzs[-1], w_back, None)
            dz = xp.reshape(xp.stack(dzs[::-1]), (T * N, H))
            before = xp.reshape(hs[:-1, ...], (T * N, H))
            drows, dw_ih, db = backend.dense_backward(dz, rows, w_ih, dz, None, need_dx)
            _, dw_hh, _ = backend.dense_backward(dz, before, w_hh, dz, None, False)
            for parameter, gradient in (
                (self.weight_ih, dw_ih), (self.weight_hh, dw_hh), (self.bias_ih, db), (self.bias_hh, db),
            ):  # fmt: skip
                parameter.add_grad(gradient)
            if not need_dx:
                return None
            dx = xp.permute_dims(xp.reshape(drows, (T, N, F)), (1, 0, 2))
            return (dx, dh) if states else dx

        sequence = xp.permute_dims(hs[1:, ...], (1, 0, 2))  # (N, T, H)
        if self.return_state:
            return (sequence, h), back
        return sequence if self.return_sequence else h, back
