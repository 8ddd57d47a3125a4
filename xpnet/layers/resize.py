"""Images and signals of another size: pixels repeated, or interpolated."""

from typing import Any

from xpnet.backend import Array, Backend
from xpnet.backend.one_axis import single
from xpnet.backend.reference import dtype_name
from xpnet.backend.window import Pair, Window, pair
from xpnet.base.checks import flag
from xpnet.core.declare import Shape
from xpnet.core.layer import Back
from xpnet.errors import OptionError
from xpnet.layers.constants import constant
from xpnet.layers.spatial import Spatial, map_lines, take_lines

__all__ = ["UpSample1D", "UpSample2D"]


class _UpSample(Spatial):
    kind = "upsample"
    modes: tuple[str, str]  # that which repeats, and that which interpolates

    def __init__(self, scale: Any, mode: str, size: Any, align_corners: bool, name: str | None) -> None:
        super().__init__(name)
        if (scale is None) == (size is None):
            raise OptionError(f"{type(self).__name__}: give either scale or size, not {'both' if size else 'none'}")
        if mode not in self.modes:
            raise OptionError(f"{type(self).__name__}: mode must be one of {', '.join(self.modes)}, not {mode!r}")
        number = pair if self.rank == 2 else single
        self.scale = None if scale is None else self.read(number, scale, "scale")
        self.size = None if size is None else self.read(number, size, "size")
        self.mode, self.align_corners = mode, self.read(flag, "align_corners", align_corners)
        if align_corners and mode == "nearest":
            raise OptionError(f"{type(self).__name__}: align_corners is for mode={self.modes[1]!r}, not for 'nearest'")

    def output_shape(self, shape: Shape) -> Shape:
        self.check_rank(shape)
        given: Any = self.size or self.scale
        numbers = given if self.rank == 2 else (given,)
        if self.size:
            return (shape[0], *numbers)
        return (shape[0], *(length * times for length, times in zip(shape[1:], numbers, strict=True)))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        *_, OH, OW = (1, *self.output_shape(tuple(x.shape[1:]))[1:])
        x = self.as_image(x)
        H, W = x.shape[2:]
        if self.mode == "nearest" and OH % H == OW % W == 0:
            y, back = _repeat_pixels(self.backend, x, (OH // H, OW // W))
        else:
            y, back = self.along_axes(x, (OH, OW), self.resize_lines)
        return self.as_given(y), lambda dy: self.as_given(back(self.as_image(dy)))

    def resize_lines(self, backend: Backend, x: Array, axis: int, outputs: int) -> tuple[Array, Back]:
        length = x.shape[axis]
        if self.mode == "nearest":
            return take_lines(backend, x, axis, _nearest, length, outputs)
        weights = constant(backend, dtype_name(x.dtype), _weights, length, outputs, self.align_corners)  # (M, L)
        return map_lines(backend, x, weights, axis), lambda dy: map_lines(backend, dy, weights.T, axis)


def _repeat_pixels(backend: Backend, x: Array, times: Pair) -> tuple[Array, Back]:
    """Each pixel becomes a block, whose gradients are summed."""
    window = Window(times, times)

    def back(dy: Array) -> Array:
        return backend.avg_pool2d(dy, window) * (times[0] * times[1])

    return backend.repeat2d(x, times), back


def _nearest(length: int, outputs: int) -> list[int]:
    return [i * length // outputs for i in range(outputs)]


def _weights(length: int, outputs: int, align_corners: bool) -> list[list[float]]:
    """(M, L): what the two pixels beside each place have in its value; places are fractions, above / below."""
    rows = []
    for i in range(outputs):
        if align_corners:
            above, below = i * (length - 1), max(outputs - 1, 1)
        else:
            above, below = max((2 * i + 1) * length - outputs, 0), 2 * outputs
        left, rest = divmod(above, below)
        row = [0.0] * length
        row[left] += 1 - rest / below
        row[min(left + 1, length - 1)] += rest / below
        rows.append(row)
    return rows


class UpSample2D(_UpSample):
    """(N, C, H, W) -> (N, C, OH, OW), an image of another size: OH = scale * H, or `size`.

    mode: "nearest" copies, y[i] = x[floor(i H / OH)] along either axis.  "bilinear" is linear along either axis between
    the two pixels beside (i + 0.5) H / OH - 0.5, or with `align_corners` beside i (H - 1) / (OH - 1): a product with
    two small matrices, y = A x B^T, so dx = A^T dy B.

    scale: an integer or a pair (vertical, horizontal).  size: an integer or a pair (OH, OW); either of the two.

    Elsewhere: torch.nn.Upsample; keras.layers.UpSampling2D.
    """

    modes = "nearest", "bilinear"
    gives = "scores"

    def __init__(
        self,
        scale: int | Pair | None = None,
        mode: str = "nearest",
        size: int | Pair | None = None,
        align_corners: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(scale, mode, size, align_corners, name)


class UpSample1D(_UpSample):
    """(N, C, T) -> (N, C, OT), a signal of another length: OT = scale * T, or `size`.

    mode: "nearest", or "linear" between the two steps beside: as in UpSample2D, along one axis.

    Elsewhere: torch.nn.Upsample; keras.layers.UpSampling1D.
    """

    axes = "T"
    modes = "nearest", "linear"
    gives = "scores"

    def __init__(
        self,
        scale: int | None = None,
        mode: str = "nearest",
        size: int | None = None,
        align_corners: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(scale, mode, size, align_corners, name)
