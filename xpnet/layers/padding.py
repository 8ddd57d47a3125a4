"""Pixels around an image or a signal, and off its edges."""

import functools
from typing import Any

from xpnet.backend import Array
from xpnet.backend.one_axis import check_padding1d
from xpnet.backend.window import Pads, Pair, check_padding
from xpnet.core.declare import Shape
from xpnet.core.layer import Back
from xpnet.errors import OptionError
from xpnet.layers.spatial import Spatial

__all__ = [
    "CircularPad1D",
    "CircularPad2D",
    "ConstantPad1D",
    "ConstantPad2D",
    "Crop1D",
    "Crop2D",
    "ReflectionPad1D",
    "ReflectionPad2D",
    "ReplicationPad1D",
    "ReplicationPad2D",
    "ZeroPad1D",
    "ZeroPad2D",
]

Margins = int | Pair | Pads  # as users may write them


class _Edged(Spatial):
    """The base of what adds margins, or takes them away: of images ((top, bottom), (left, right)), of signals one."""

    def read_margins(self, name: str, value: Any, instead: str) -> Any:
        sides = value if isinstance(value, (tuple, list)) else (value,)
        numbers = [number for side in sides for number in (side if isinstance(side, (tuple, list)) else (side,))]
        if any(isinstance(number, int) and number < 0 for number in numbers):
            raise OptionError(f"{type(self).__name__}: {name} must not be negative, as in {value!r}; {instead}")
        try:
            margins = check_padding(value) if self.rank == 2 else check_padding1d(value)
        except OptionError:
            margins = ""
        if isinstance(margins, str):  # also of "same", which depends on a window
            forms = "(vertical, horizontal) or ((top, bottom), (left, right))" if self.rank == 2 else "(left, right)"
            raise OptionError(f"{type(self).__name__}: {name} must be an integer, {forms}, not {value!r}")
        return margins

    def of_image(self, margins: Any) -> Pads:
        """A signal, as an image, has nothing above and below."""
        return margins if self.rank == 2 else ((0, 0), margins)


def _without(image: Array, margins: Pads) -> Array:
    """What lies within: a view."""
    (top, bottom), (left, right) = margins
    return image[:, :, top : image.shape[2] - bottom, left : image.shape[3] - right]


# ---- a number ------------------------------------------------------------------------------------------------------


class _Pad(_Edged):
    kind = "pad"

    def __init__(self, padding: Margins, name: str | None = None) -> None:
        super().__init__(name)
        self.padding = self.read_margins("padding", padding, f"Crop{self.rank}D takes pixels away")

    @property
    def margins(self) -> Pads:
        return self.of_image(self.padding)

    def output_shape(self, shape: Shape) -> Shape:
        self.check_rank(shape)
        return (shape[0], *(size + sum(pads) for size, pads in zip(shape[1:], self.margins[-self.rank :], strict=True)))


class _ConstantPad(_Pad):
    value: float = 0.0

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        y = self.backend.pad(self.as_image(x), self.margins, self.value)

        def back(dy: Array) -> Array:
            return self.as_given(_without(self.as_image(dy), self.margins))

        return self.as_given(y), back


class ZeroPad2D(_ConstantPad):
    """(N, C, H, W) -> (N, C, top + H + bottom, left + W + right): zeros around the image; dx is the inner part of dy.

    padding: an integer, (vertical, horizontal) or ((top, bottom), (left, right)).

    Elsewhere: torch.nn.ZeroPad2d; keras.layers.ZeroPadding2D.
    """

    gives = "scores"


class ZeroPad1D(_ConstantPad):
    """(N, C, T) -> (N, C, left + T + right): zeros around the signal; dx is the inner part of dy.

    padding: an integer or (left, right).

    Elsewhere: torch.nn.ZeroPad1d; keras.layers.ZeroPadding1D.
    """

    axes = "T"
    gives = "scores"


class _ValuePad(_ConstantPad):
    def __init__(self, padding: Margins, value: float = 0.0, name: str | None = None) -> None:
        super().__init__(padding, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise OptionError(f"{type(self).__name__}: value must be a number, not {value!r}")
        self.value = float(value)


class ConstantPad2D(_ValuePad):
    """(N, C, H, W) -> (N, C, top + H + bottom, left + W + right): `value` around it; dx is the inner part of dy.

    padding: an integer, (vertical, horizontal) or ((top, bottom), (left, right)).  value: default 0.

    Elsewhere: torch.nn.ConstantPad2d.
    """

    gives = "scores"


class ConstantPad1D(_ValuePad):
    """(N, C, T) -> (N, C, left + T + right): `value` around the signal; dx is the inner part of dy.

    padding: an integer or (left, right).  value: default 0.

    Elsewhere: torch.nn.ConstantPad1d.
    """

    axes = "T"
    gives = "scores"


# ---- pixels of the image -------------------------------------------------------------------------------------------


class _CopyPad(_Pad):
    """Rows first, then columns, whose margins reach over the rows' too; the way back takes them in the other order."""

    margin: str  # "mirror", "edge" or "wrap": see _sources

    def output_shape(self, shape: Shape) -> Shape:
        if self.margin != "edge":  # the pixels of a margin all come from within
            others = 1 if self.margin == "mirror" else 0
            self.check_rank(shape, tuple(max(pads) + others for pads in self.margins[-self.rank :]))
        return super().output_shape(shape)

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        xp, image = self.xp, self.as_image(x)
        copies = _copies(self.margin, self.margins, (image.shape[2], image.shape[3]))
        y = self.backend.pad(image, self.margins)
        for axis, margin, source in copies:
            y[margin] = xp.flip(y[source], axis=axis) if self.margin == "mirror" else y[source]

        def back(dy: Array) -> Array:
            dy = self.backend.copy(self.as_image(dy))
            for axis, margin, source in reversed(copies):
                if self.margin == "mirror":
                    dy[source] += xp.flip(dy[margin], axis=axis)
                elif self.margin == "edge":
                    dy[source] += self.backend.sum(dy[margin], axis=axis, keepdims=True)
                else:
                    dy[source] += dy[margin]
            return self.as_given(_without(dy, self.margins))

        return self.as_given(y), back


@functools.lru_cache(maxsize=1024)
def _copies(margin: str, margins: Pads, size: Pair) -> list[tuple[int, Any, Any]]:
    """(axis, a margin's place in the padded image, the place that it is copied from), of each margin that there is."""
    copies = []
    for axis, length, (before, after) in zip((2, 3), size, margins, strict=True):
        end = before + length
        if margin == "mirror":
            sources = slice(before + 1, before + 1 + before), slice(end - 1 - after, end - 1)
        elif margin == "wrap":
            sources = slice(length, end), slice(before, before + after)
        else:
            sources = slice(before, before + 1), slice(end - 1, end)
        places = slice(0, before), slice(end, end + after)
        for pixels, place, source in zip((before, after), places, sources, strict=True):
            if pixels:
                lead = (slice(None),) * axis
                copies.append((axis, (*lead, place, ...), (*lead, source, ...)))
    return copies


class ReflectionPad2D(_CopyPad):
    """(N, C, H, W) -> (N, C, top + H + bottom, left + W + right): around the image its mirror image.

    The edge itself is not doubled: c b | a b c | b a. dx of a pixel is the sum of dy over it and its copies.

    padding: an integer, (vertical, horizontal) or ((top, bottom), (left, right)), less than H and W.

    Elsewhere: torch.nn.ReflectionPad2d.
    """

    margin = "mirror"
    gives = "scores"


class ReflectionPad1D(_CopyPad):
    """(N, C, T) -> (N, C, left + T + right): around the signal its mirror image, c b | a b c | b a.

    dx of a step is the sum of dy over it and its copies.

    padding: an integer or (left, right), less than T.

    Elsewhere: torch.nn.ReflectionPad1d.
    """

    axes = "T"
    margin = "mirror"
    gives = "scores"


class ReplicationPad2D(_CopyPad):
    """(N, C, H, W) -> (N, C, top + H + bottom, left + W + right): around the image its edge, a a | a b c | c c.

    dx of a pixel is the sum of dy over it and its copies.

    padding: an integer, (vertical, horizontal) or ((top, bottom), (left, right)).

    Elsewhere: torch.nn.ReplicationPad2d.
    """

    margin = "edge"
    gives = "scores"


class ReplicationPad1D(_CopyPad):
    """(N, C, T) -> (N, C, left + T + right): around the signal its first and its last step, a a | a b c | c c.

    dx of a step is the sum of dy over it and its copies.

    padding: an integer or (left, right).

    Elsewhere: torch.nn.ReplicationPad1d.
    """

    axes = "T"
    margin = "edge"
    gives = "scores"


class CircularPad2D(_CopyPad):
    """(N, C, H, W) -> (N, C, top + H + bottom, left + W + right): around the image itself again, b c | a b c | a b.

    dx of a pixel is the sum of dy over it and its copies.

    padding: an integer, (vertical, horizontal) or ((top, bottom), (left, right)), up to H and W.

    Elsewhere: torch.nn.CircularPad2d.
    """

    margin = "wrap"
    gives = "scores"


class CircularPad1D(_CopyPad):
    """(N, C, T) -> (N, C, left + T + right): around the signal itself again, b c | a b c | a b.

    dx of a step is the sum of dy over it and its copies.

    padding: an integer or (left, right), up to T.

    Elsewhere: torch.nn.CircularPad1d.
    """

    axes = "T"
    margin = "wrap"
    gives = "scores"


# ---- off the edges -------------------------------------------------------------------------------------------------


class _Crop(_Edged):
    kind = "crop"

    def __init__(self, cropping: Margins, name: str | None = None) -> None:
        super().__init__(name)
        self.cropping = self.read_margins("cropping", cropping, f"ZeroPad{self.rank}D adds pixels")

    @property
    def margins(self) -> Pads:
        return self.of_image(self.cropping)

    def output_shape(self, shape: Shape) -> Shape:
        gone = tuple(sum(pads) for pads in self.margins[-self.rank :])
        self.check_rank(shape, tuple(size + 1 for size in gone))
        return (shape[0], *(size - less for size, less in zip(shape[1:], gone, strict=True)))

    def forward(self, x: Array, train: bool = False) -> tuple[Array, Back]:
        self.check(x)
        y = _without(self.as_image(x), self.margins)

        def back(dy: Array) -> Array:
            return self.as_given(self.backend.pad(self.as_image(dy), self.margins))

        return self.as_given(y), back


class Crop2D(_Crop):
    """(N, C, H, W) -> (N, C, H - top - bottom, W - left - right): the inner part; dx is dy with zeros around it.

    cropping: an integer, (vertical, horizontal) or ((top, bottom), (left, right)).

    Elsewhere: keras.layers.Cropping2D.
    """

    gives = "scores"


class Crop1D(_Crop):
    """(N, C, T) -> (N, C, T - left - right): the inner part; dx is dy with zeros around it.

    cropping: an integer or (left, right).

    Elsewhere: keras.layers.Cropping1D.
    """

    axes = "T"
    gives = "scores"
