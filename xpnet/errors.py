"""Every error that xpnet raises on purpose.

Each one says what was wrong, what was expected and what to do. All of them derive from `XpnetError`; each also derives
from the built-in error that Python users would catch in its place.
"""


class XpnetError(Exception):
    """The base of all errors below: catch this one to catch them all."""


class ShapeError(XpnetError, ValueError):
    """An array, or a layer's input, has the wrong shape."""


class DTypeError(XpnetError, TypeError):
    """An array has the wrong data type."""


class OptionError(XpnetError, ValueError):
    """An argument or a command-line option has a value that cannot work."""


class DataError(XpnetError, ValueError):
    """A data set is empty, its labels are out of range, or its parts do not match."""


class BackendError(XpnetError, RuntimeError):
    """A backend cannot run on this machine; the message says what is missing and how to install it."""


class MissingExtraError(XpnetError, ImportError):
    """An optional dependency is not installed; the message holds the `pip install` line."""


class FormatError(XpnetError, ValueError):
    """A file is not what it should be: truncated, corrupt, or of another format."""


class FileError(XpnetError, OSError):
    """A file cannot be read or written."""


class NotBuiltError(XpnetError, AttributeError):
    """A layer's parameter was asked for before the layer knew the shape of its input."""


class TapeError(XpnetError, TypeError):
    """A model's `call` did something to a `Var` that the tape cannot record."""


class NonFiniteError(XpnetError, FloatingPointError):
    """A loss, an activation or a gradient became NaN or infinite during training."""


class GradientError(XpnetError, AssertionError):
    """A gradient differs from its numerical derivative."""


class WorkerError(XpnetError, RuntimeError):
    """One of the workers of a training has died, or does not answer, and the others cannot go on without it."""
