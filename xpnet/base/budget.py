"""What a file may ask for. Every reader holds a file against these bounds before it makes anything of it, so that one
that is small, and damaged or hostile, costs neither the memory nor the time of a large one. It is a FormatError.
"""

import copy
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from xpnet.errors import FormatError

HEADER = 100_000_000  # bytes of a safetensors file's header, as its own library has it
TENSORS = 2**17  # in one file
VALUES = 2**18  # in a text of JSON, and one more for every four bytes of the file; WEIGHTS says what counts how often
WEIGHTS = {"{": 10, "[": 3, ",": 1}  # by the memory that each takes
DEPTH = 500  # lists and objects inside one another
WORK = 2**16, 64  # calls of layers in building a network, and so many more for each object that is described
LAYERS = 2**10, 8  # that are made, and so many more for each object that is described and each tensor
NUMBERS = 2**14, 1.5  # in all weights that are made, and so many times what the file holds
SAMPLE = 2**26  # numbers in one sample, where it comes in and where a layer is tried; of a larger file, GROWS more
GROWS = 8  # times the numbers that the file holds
OUTPUT = 2**32  # numbers of one sample behind a layer whose output is not computed before somebody uses the network
UNPACKED = 2**30, 100  # bytes of what was compressed, or so many times those of the file
NAMES = 2**20  # of classes, of a network of several outputs
NAME = 1000  # characters

_PIECE = 2**20  # bytes that are looked at at a time
Declared = TypeVar("Declared")


# ---- texts -----------------------------------------------------------------------------------------------------------


def parsed(text: str | bytes, size: int) -> Any:
    """What a text of JSON in a file of `size` bytes says. FormatError for too much, ValueError for what is no JSON."""
    if isinstance(text, bytes):
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    check_text(text, size)
    try:
        return json.loads(text)
    except RecursionError:
        raise _too_deep() from None


def check_text(text: str, size: int) -> None:
    """FormatError for a text of JSON that says more than a file of `size` bytes may."""
    allowed = VALUES + size // 4
    found = _values(text)
    if found > allowed:
        found = _values_outside_strings(text)
    if found > allowed:
        raise FormatError(f"its description counts {found} values, and a file of {size} bytes may have {allowed}")


def check_description(parts: Iterable[Any]) -> int:
    """How many objects the parts of a network's file describe. FormatError if they are nested too deeply, or building
    them is too much work: an object that is used twice, by {"same": number}, is built twice, with all inside it, and a
    network inside others once for each of them.
    """
    known: list[tuple[int, int]] = []  # of each object, by its number: calls of itself and all inside it, and work

    def walk(value: Any, depth: int) -> tuple[int, int]:
        if depth > DEPTH:
            raise _too_deep()
        if isinstance(value, dict):
            if "same" in value:
                number = value["same"]
                return known[number] if isinstance(number, int) and 0 <= number < len(known) else (1, 1)
            config, number = value.get("config"), len(known)
            known.append((1, 1))  # within itself it is not there yet
            calls, work = add(config.values() if isinstance(config, dict) else (), depth)
            known[number] = calls + 1, work + calls + 1
            return known[number]
        return add(value, depth) if isinstance(value, list) else (0, 0)

    def add(values: Iterable[Any], depth: int) -> tuple[int, int]:
        calls = work = 0
        for each in values:
            more_calls, more_work = walk(each, depth + 1)
            calls, work = calls + more_calls, work + more_work
        return calls, work

    try:
        _, work = add(parts, 0)
    except RecursionError:
        raise _too_deep() from None
    allowed = WORK[0] + WORK[1] * len(known)
    if work > allowed:
        raise FormatError(
            f"to build its {len(known)} objects, which hold each other, takes {_short(work)} calls, and {allowed} are"
            " allowed"
        )
    return len(known)


def _values(text: str) -> int:
    return sum(weight * text.count(sign) for sign, weight in WEIGHTS.items())


def _values_outside_strings(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass").replace(b"\\\\", b"").replace(b'\\"', b"")  # no quote is escaped now
    found, odd = 0, 0
    for start in range(0, len(data), _PIECE):
        piece = np.frombuffer(data, np.uint8, min(_PIECE, len(data) - start), start)
        quotes = np.cumsum(piece == ord('"'), dtype=np.uint8) + np.uint8(odd)  # but for multiples of 256
        outside, odd = piece[quotes % 2 == 0], int(quotes[-1]) % 2
        found += sum(weight * int(np.count_nonzero(outside == ord(sign))) for sign, weight in WEIGHTS.items())
    return found


def _too_deep() -> FormatError:
    return FormatError(f"its description is nested more than {DEPTH} times, which is not allowed")


def _short(number: int) -> str:
    return str(number) if number < 10**12 else f"more than 10**{int(math.log10(number))}"


# ---- what is made of them --------------------------------------------------------------------------------------------


class _Left:
    """What is left of the numbers and layers that may be made."""

    def __init__(self, largest: int, numbers: int, layers: int) -> None:
        self.largest = largest  # numbers in one weight
        self.numbers = self.allowed_numbers = numbers
        self.layers = self.allowed_layers = layers


_left: ContextVar[_Left | None] = ContextVar("_left", default=None)


def for_file(numbers: int, objects: int, tensors: int) -> AbstractContextManager[None]:
    """Within the block, as much may be made as belongs to a file of so many objects, and of tensors with so many
    numbers: a file must not claim more than it holds.
    """
    return _within(_Left(numbers, NUMBERS[0] + int(NUMBERS[1] * numbers), LAYERS[0] + LAYERS[1] * (objects + tensors)))


def on_trial(shapes: Any) -> AbstractContextManager[None]:
    """Within the block, what is made does not count: it is made to see what comes of a sample of these shapes, and
    thrown away.
    """
    check_sample(shapes)
    left = _left.get()
    return _within(None if left is None else copy.copy(left))


@contextmanager
def _within(left: _Left | None) -> Iterator[None]:
    token = _left.set(left)
    try:
        yield
    finally:
        _left.reset(token)


def count_layer() -> None:
    """One more is made."""
    left = _left.get()
    if left is None:
        return
    left.layers -= 1
    if left.layers < 0:
        raise FormatError(f"it describes more than the {left.allowed_layers} layers that a file of its size may")


def check_size(shape: tuple[int, ...]) -> None:
    """FormatError for a weight that is larger than all that the file holds."""
    left = _left.get()
    if left is not None and (numbers := math.prod(shape)) > left.largest:
        raise FormatError(
            f"it describes a weight of shape {shape}, which is more than the whole file holds: {_short(numbers)}"
            f" numbers, and {left.largest} are allowed"
        )


def counted(declared: Iterable[Declared], given: Mapping[str, Any], output: Any) -> Iterable[Declared]:
    """The parameters that a layer declares, one after the other, each counted before the next is asked for; those that
    are `given` are there already, by name. `output`: the shape of its output, or several, without the batch.
    """
    left = _left.get()
    return declared if left is None else _counted(left, declared, given, output)


def _counted(left: _Left, declared: Iterable[Declared], given: Mapping[str, Any], output: Any) -> Iterator[Declared]:
    for each in declared:
        parameter: Any = each
        check_size(parameter.shape)
        if parameter.tied is None and not hasattr(given.get(parameter.name), "has_grad"):
            left.numbers -= math.prod(parameter.shape)
        if left.numbers < 0:
            raise FormatError(
                f"it describes weights of {_short(left.allowed_numbers - left.numbers)} numbers and more, and"
                f" {left.allowed_numbers} are allowed, because the file holds {left.largest}"
            )
        yield each
    check_sample(output, OUTPUT)


def check_sample(shape: Any, most: int | None = None) -> None:
    """FormatError for more numbers of one sample than a file may ask for, in one shape or several."""
    left = _left.get()
    if left is not None and (numbers := _numbers(shape)) > (allowed := most or SAMPLE + GROWS * left.largest):
        raise FormatError(f"a layer of it has {_short(numbers)} numbers of one sample, and {allowed} are allowed")


def _numbers(shape: Any) -> int:
    """Of one output, or of several in a tuple or dict."""
    several = shape.values() if isinstance(shape, dict) else shape if isinstance(shape, (tuple, list)) else ()
    if all(isinstance(size, int) for size in several):
        return math.prod(several)
    return sum(_numbers(each) for each in several)


# ---- what is packed --------------------------------------------------------------------------------------------------


def check_unpacked(path: str | os.PathLike[str], size: int) -> int:
    """The `size` that a file announces for its content; FormatError if that is far more than it can be when it is
    unpacked.
    """
    packed = os.path.getsize(path)
    allowed = max(UNPACKED[0], UNPACKED[1] * packed)
    if size > allowed:
        raise FormatError(
            f"{path} announces {_short(size)} bytes of content, and of a file of {packed} bytes {allowed} are allowed:"
            " it is damaged, or packed so tightly that you have to unpack it yourself, if you trust it"
        )
    return size
