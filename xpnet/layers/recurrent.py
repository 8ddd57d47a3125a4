"""What recurrent layers share: directions, layers behind one another, states, and samples that end early."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from xpnet import initializers, random
from xpnet.backend import Array
from xpnet.backend.reference import dtype_name
from xpnet.base.checks import fraction, whole
from xpnet.core.carried import Carried
from xpnet.core.declare import Declared, Shape
from xpnet.core.layer import Back, Layer
from xpnet.core.parameter import Parameter
from xpnet.errors import DataError, DTypeError, OptionError, XpnetError

FLAGS = ("return_sequence", "return_state", "bidirectional", "bias", "lengths", "stateful")


class Recurrent(Layer):
    """The base of SimpleRNN, LSTM and GRU: x (N, T, F) is read step by step, and gives a sequence (N, T, D*H).

    H = units, L = layers, D = 2 if bidirectional, else 1. Further inputs, in this order: with lengths=True the lengths
    (N,), then, if they are not to be zeros, the first states.

    units: size H of a state.  return_sequence: the states of all steps of the last layer, (N, T, D*H); False: those of
    each direction's last step alone, (N, D*H).  return_state: also the last state of each layer and direction:
    (sequence, h), of an LSTM (sequence, h, c). Of one layer and one direction a state is (N, H), else (N, L*D, H), the
    two directions of a layer side by side; given ones have the same shapes.

    layers: how many behind one another, each reading the sequence of the one before.  bidirectional: each layer reads
    it from both ends, and gives both states of a step side by side (Schuster and Paliwal, 1997).  dropout: rate of what
    training leaves out between two layers.  bias: whether there are biases.

    lengths: the second input tells how many of its T steps, from 0 on, each sample has. Steps behind the end leave its
    state as it is, outputs there are zeros, "last" is its own last step, where the other direction begins: as of
    PyTorch's packed sequences.

    stateful: the first state is the last one of the batch before, in training and in inference, until
    `model.reset_state()`; gradients end there (truncated backpropagation: Williams and Peng, 1990). Batches must be of
    one size, and sample n goes on where sample n of the batch before has ended. Not for both directions.

    initializer: of the weights, biases starting at 0; by default all are uniform in +-1/sqrt(units), as in PyTorch.

    Names and shapes of parameters are PyTorch's: of G gates weight_ih_l0 (G*H, F), weight_hh_l0 (G*H, H), bias_ih_l0,
    bias_hh_l0 (G*H,); of further layers ..._l1 and so on, whose F is D*H; of the other direction ..._l0_reverse.
    """

    skips_dx = skips_dy = True
    gates = 1  # the parts of a step's product
    kinds: tuple[str, ...] = ("state",)  # of states, each an attribute where it is carried from batch to batch
    adds_biases = True  # whether bias_hh is no more than a second bias of the input
    weight_ih_l0: Parameter
    weight_hh_l0: Parameter
    bias_ih_l0: Parameter
    bias_hh_l0: Parameter

    def __init__(
        self,
        units: int,
        return_sequence: bool = True,
        return_state: bool = False,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        bias: bool = True,
        lengths: bool = False,
        stateful: bool = False,
        initializer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        own = type(self).__name__
        self.units, self.layers = whole(f"{own}: units", units), whole(f"{own}: layers", layers)
        self.return_sequence, self.return_state, self.bidirectional = return_sequence, return_state, bidirectional
        self.bias, self.lengths, self.stateful = bias, lengths, stateful
        for flag in FLAGS:
            value = getattr(self, flag)
            if not isinstance(value, bool):  # PyTorch's second argument is a size
                hint = "the lengths are the second input" if flag == "lengths" else "units alone is a number"
                raise OptionError(f"{own}: {flag} must be True or False, not {value!r:.60}; {hint}")
        if stateful and bidirectional:
            raise OptionError(
                f"{own}: stateful=True goes on where the batch before has ended, which the direction from the end"
                " cannot; leave bidirectional out"
            )
        self.dropout = fraction(f"{own}: dropout", dropout)
        if dropout and layers == 1:
            raise OptionError(
                f"{own}: dropout is between layers, and there is one; put layers.Dropout({dropout}) behind it"
            )
        self.initializer = initializer if initializer is None else initializers.get(initializer)
        self.integers_at = (1,) if lengths else ()
        for kind in self.kinds:
            setattr(self, kind, Carried(self.backend, self.dtype) if stateful else None)

    # ---- shapes and parameters -------------------------------------------------------------------------------------

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def state_shape(self) -> Shape:
        """Of a state, without the batch."""
        places = self.layers * self.directions
        return (self.units,) if places == 1 else (places, self.units)

    def output_shape(self, *shapes: Shape) -> Any:
        shape, *others = shapes
        if len(shape) != 2 or shape[0] < 1:
            raise self.wrong_shape(shape, "(N, T, features), of at least one step")
        if self._built and shape[1] != self.weight_ih_l0.shape[1]:
            raise self.wrong_shape(shape, f"(N, T, {self.weight_ih_l0.shape[1]})")
        lengths, states = [()] * self.lengths, [self.state_shape] * len(self.kinds)
        if others != lengths and (self.stateful or others != [*lengths, *states]):
            raise self.wrong_shape(shapes[-1], self._needed())
        width = self.directions * self.units
        y = (shape[0], width) if self.return_sequence else (width,)
        return (y, *states) if self.return_state else y

    def _needed(self) -> str:
        """The inputs that the layer takes, for an error."""
        sequence = "a sequence and its lengths (N,)" if self.lengths else "a sequence"
        if self.stateful:
            return f"{sequence} alone: a stateful layer has its own state"
        shape = "(" + ", ".join(["N", *map(str, self.state_shape)]) + ")"
        return f"{sequence}, alone or with a first state of {' and '.join([shape] * len(self.kinds))}"

    def declare(self, shape: Shape, *others: Shape) -> Iterable[Declared]:
        H, rows = self.units, self.gates * self.units
        uniform = initializers.Uniform(H**-0.5)
        weights, biases = (uniform, uniform) if self.initializer is None else (self.initializer, None)
        for place, suffix in enumerate(self._suffixes()):
            F = shape[1] if place < self.directions else self.directions * H
            yield Declared(f"weight_ih_{suffix}", (rows, F), weights, fan_in=F, fan_out=H)
            yield Declared(f"weight_hh_{suffix}", (rows, H), weights, fan_in=H, fan_out=H)
            if self.bias:
                yield Declared(f"bias_ih_{suffix}", (rows,), biases)
                yield Declared(f"bias_hh_{suffix}", (rows,), biases)

    def _suffixes(self) -> Iterator[str]:
        """Of the parameters of each layer and direction."""
        for layer in range(self.layers):
            for direction in ("", "_reverse")[: self.directions]:
                yield f"l{layer}{direction}"

    # ---- one layer in one direction --------------------------------------------------------------------------------

    def run_steps(
        self, z: Array, w: Array, b: Array | None, states: list[Array], alive: Array | None, reverse: bool
    ) -> tuple[tuple[Array, ...], Callable[..., Any]]:
        """What a layer of the library writes: all steps, of which z is what the inputs give.

        Returns the arrays of states, as in backend/reference/recurrent.py, and `back`, which takes the gradient of the
        sequence (None: nothing depends on it) and those of the last states, and gives (dz, dw, db, those of the first
        states); db is None if it is that of the input's bias.
        """
        raise XpnetError(f"{type(self).__name__} has no run_steps: a recurrent layer must say what a step is")

    def _run(
        self, suffix: str, x: Array, states: list[Array], alive: Array | None
    ) -> tuple[Array, list[Array], Callable[..., Any]]:
        """x (T, N, F) -> the sequence (T, N, H), the last states, and the way back to x and to the first states."""
        xp, (T, N, F), reverse = self.xp, x.shape, suffix.endswith("reverse")
        w_ih, w_hh = (getattr(self, f"weight_{which}_{suffix}") for which in ("ih", "hh"))
        b_ih, b_hh = (getattr(self, f"bias_{which}_{suffix}") if self.bias else None for which in ("ih", "hh"))
        b = b_hh.value if b_hh else None
        at_input = b_ih.value + b if b_ih and self.adds_biases else b_ih.value if b_ih else None
        rows, w = xp.reshape(x, (T * N, F)), w_ih.value
        z = xp.reshape(self.backend.dense(rows, w, at_input), (T, N, -1))  # of all steps
        arrays, steps_back = self.run_steps(z, w_hh.value, b, states, alive, reverse)
        sequence = arrays[0][:-1, ...] if reverse else arrays[0][1:, ...]
        if alive is not None:
            sequence = xp.where(alive[:, :, None], sequence, 0)

        def back(dsequence: Array | None, dlast: list[Array], need_dx: bool) -> tuple[Array | None, tuple[Array, ...]]:
            if dsequence is not None and alive is not None:
                dsequence = xp.where(alive[:, :, None], dsequence, 0)
            dz, dw_hh, db_hh, dfirst = steps_back(dsequence, dlast)
            dz = xp.reshape(dz, (T * N, -1))
            drows, dw_ih, db_ih = self.backend.dense_backward(dz, rows, w, dz, None, need_dx, need_db=bool(b_ih))
            w_ih.add_grad(dw_ih)
            w_hh.add_grad(dw_hh)
            if b_ih and b_hh:
                b_ih.add_grad(db_ih)
                b_hh.add_grad(db_ih if db_hh is None else db_hh)
            return xp.reshape(drows, (T, N, F)) if need_dx else None, dfirst

        return sequence, [states[0 if reverse else -1, ...] for states in arrays], back

    # ---- all of them -----------------------------------------------------------------------------------------------

    def forward(self, x: Array, *others: Array, train: bool = False) -> tuple[Any, Back]:
        self.check(x, *others)
        xp, N, D, H = self.xp, x.shape[0], self.directions, self.units
        given = others[1:] if self.lengths else others
        alive = self._alive(others[0], x.shape[1]) if self.lengths else None
        first = self._first_states(N, given)
        y = xp.permute_dims(x, (1, 0, 2))  # (T, N, F): what is read at once lies together
        if alive is not None:
            y = xp.where(alive[:, :, None], y, 0)  # what stands behind the end may be anything
        last, ways, masks = [], [], []
        suffixes = list(self._suffixes())
        for layer in range(self.layers):
            masks.append(self._mask(y) if layer and train and self.dropout else None)
            y = y if masks[-1] is None else y * masks[-1]
            sequences = []
            for place in range(layer * D, layer * D + D):
                sequence, states, way = self._run(suffixes[place], y, first[place], alive)
                sequences.append(sequence)
                last.append(states)
                ways.append(way)
            y = sequences[0] if D == 1 else xp.concat(sequences, axis=2)  # (T, N, D*H)
        self._carry(last)

        def back(dy: Any, need_dx: bool = True) -> Any:
            dy, *dstates = dy if self.return_state else (dy,)
            dlast = self._gradients_of_last(N, dstates)
            dfirst: list[Any] = [None] * len(ways)
            dsequence: Any = None
            if dy is not None and self.return_sequence:
                dsequence = xp.permute_dims(dy, (1, 0, 2))  # (T, N, D*H)
            elif dy is not None:
                for d, states in enumerate(dlast[-D:]):
                    states[0] = states[0] + dy[:, d * H : (d + 1) * H]
            for layer in reversed(range(self.layers)):
                dx: Any = None
                for d in range(D):
                    part = dsequence if dsequence is None or D == 1 else dsequence[:, :, d * H : (d + 1) * H]
                    place = layer * D + d
                    share, dfirst[place] = ways[place](part, dlast[place], need_dx or layer > 0)
                    dx = share if dx is None else dx + share
                dsequence = dx if masks[layer] is None else dx * masks[layer]
            if not need_dx:
                return None
            dx = xp.permute_dims(dsequence, (1, 0, 2))  # (N, T, F)
            dgiven = self._joined(dfirst) if given else ()
            return (dx, *[None] * self.lengths, *dgiven) if others else dx

        if self.return_sequence:
            y = xp.permute_dims(y, (1, 0, 2))  # (N, T, D*H)
        else:
            y = last[-1][0] if D == 1 else xp.concat([states[0] for states in last[-D:]], axis=1)  # (N, D*H)
        return (y, *self._joined(last)) if self.return_state else y, back

    def _alive(self, lengths: Array, T: int) -> Array:
        """(T, N): whether sample n has a step t."""
        xp, backend = self.xp, self.backend
        if dtype_name(lengths.dtype) == "bool":
            raise DTypeError(
                f"{self.label}: lengths are integers, not bool; a mask (N, T) has those of mask.sum(axis=1)"
            )
        if not backend.lazy:
            for number in (int(xp.min(lengths)), int(xp.max(lengths))):
                if not 0 <= number <= T:
                    raise DataError(f"{self.label}: a length is {number}; these sequences have 0 to {T} steps")
        numbers = xp.arange(T, dtype=lengths.dtype, device=backend.device)
        return numbers[:, None] < lengths[None, :]

    def _mask(self, y: Array) -> Array:
        """Which entries of y (T, N, F) dropout leaves, times 1 / (1 - rate); a part of a batch has its part of it."""
        T, N, F = y.shape
        first = random.first_sample() * T * F
        mask = self.backend.dropout_mask((N, T, F), self.dropout, self.next_key(), y.dtype, first)
        return self.xp.permute_dims(mask, (1, 0, 2))

    # ---- states: of each place, which is a layer and a direction, one of each kind, (N, H) --------------------------

    def _first_states(self, N: int, given: tuple[Array, ...]) -> list[list[Array]]:
        values = [*given] or [state.take(self.label, N) for state in self._carried()] or [None] * len(self.kinds)
        return self._by_place(N, values)

    def _gradients_of_last(self, N: int, dstates: list[Array | None]) -> list[list[Array]]:
        return self._by_place(N, dstates or [None] * len(self.kinds))

    def _by_place(self, N: int, values: list[Array | None]) -> list[list[Array]]:
        """Of each kind an array of the layer's shape of states, or None for zeros."""
        places, zeros = self.layers * self.directions, None
        if any(value is None for value in values):
            zeros = self.backend.zeros((N, self.units), self.dtype)  # nobody writes into it

        def at(value: Array | None, place: int) -> Array:
            return zeros if value is None else value if places == 1 else value[:, place, :]

        return [[at(value, place) for value in values] for place in range(places)]

    def _joined(self, states: list[Any]) -> tuple[Array, ...]:
        """The opposite: an array of each kind."""
        several = len(states) > 1
        return tuple(self.xp.stack(same, axis=1) if several else same[0] for same in zip(*states, strict=True))

    def _carried(self) -> list[Carried]:
        return [getattr(self, kind) for kind in self.kinds] if self.stateful else []

    def _carry(self, last: list[list[Array]]) -> None:
        for state, value in zip(self._carried(), self._joined(last) if self.stateful else (), strict=True):
            state.value = value
