"""Which pixels a window meets, in the tables that the compiled kernels read."""

import functools

import numpy as np

from xpnet.backend.window import Window

# For each place of the output: pairs of an input row (or column) and the kernel's, in the order of the input.
Places = list[list[tuple[int, int]]]


class Plan:
    """What a window meets on images of one size, in the tables that the kernels read."""

    def __init__(self, size: tuple[int, int], window: Window) -> None:
        steps = zip(
            size, window.output_size(size), window.kernel, window.stride, window.dilation, window.padding, strict=True
        )
        axes = [_axis(*step) for step in steps]
        inverse = [_inverse(*axis) for axis in zip(axes, size, window.kernel, strict=True)]
        met = [[i for pairs in axis for i, _ in pairs] for axis in axes]  # rows and columns of the input
        self.output_size = len(axes[0]), len(axes[1])
        self.overlaps = any(len(set(indices)) < len(indices) for indices in met)
        self.covers = [len(set(indices)) for indices in met] == list(size)  # every pixel of the input is met
        self.never_empty = all(pairs for axis in axes for pairs in axis)  # no window lies in the padding
        self.inputs = _inputs(axes[0]), _inputs(axes[1])
        # Channels of one of several groups are no whole pixel: then columns side by side are no run of them.
        self.meets = {merge: (_table(axes[0], False), _table(axes[1], merge)) for merge in (False, True)}
        self.met_by = {merge: (_table(inverse[0], False), _table(inverse[1], merge)) for merge in (False, True)}


plan = functools.lru_cache(maxsize=1024)(Plan)


def _axis(size: int, count: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int]) -> Places:
    """For each row (or column) of the output: the input's that its window meets, and the kernel's there."""
    places = [[(o * stride + k * dilation - padding[0], k) for k in range(kernel)] for o in range(count)]
    return [[(i, k) for i, k in pairs if 0 <= i < size] for pairs in places]


def _inverse(places: Places, size: int, kernel: int) -> Places:
    """For each row (or column) of the input: the output's that meet it, and the *flipped* kernel's there."""
    inverse: Places = [[] for _ in range(size)]
    for o, pairs in enumerate(places):
        for i, k in pairs:
            inverse[i].append((o, kernel - 1 - k))
    return inverse


def _table(places: Places, merge: bool) -> np.ndarray:
    """(places, longest, 3) of (first in the input, first in the kernel, length), closed by a length of 0.

    `merge` makes one run of pairs that lie side by side in both.
    """
    lists: list[list[list[int]]] = []
    for pairs in places:
        runs: list[list[int]] = []
        for i, k in pairs:
            if merge and runs and (i, k) == (runs[-1][0] + runs[-1][2], runs[-1][1] + runs[-1][2]):
                runs[-1][2] += 1
            else:
                runs.append([i, k, 1])
        lists.append(runs)
    table = np.zeros((len(lists), max(map(len, lists)) + 1, 3), np.int64)
    for row, runs in zip(table, lists, strict=True):
        for place, run in zip(row, runs, strict=False):
            place[:] = run
    return table


def _inputs(places: Places) -> np.ndarray:
    """(places, longest) of the input's rows or columns alone, closed by -1."""
    table = np.full((len(places), max(map(len, places)) + 1), -1, np.int64)
    for row, pairs in zip(table, places, strict=True):
        row[: len(pairs)] = [i for i, _ in pairs]
    return table
