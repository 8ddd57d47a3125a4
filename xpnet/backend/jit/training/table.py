"""The tables that program.walk goes along: operations with their numbers, in pieces, in phases."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from xpnet.backend.jit.training.program import PIECE, WIDTH

Array = Any
Kind = Callable[[], Any]  # gives an operation of steps.py, compiled


class Row(NamedTuple):
    kind: Kind
    numbers: dict[int, int]  # by their columns


class Task(NamedTuple):
    """Rows for all ranges."""

    rows: list[Row]
    ranges: list[tuple[int, int]]


class Table:
    """What program.walk goes along: phases (first piece, end), pieces, rows."""

    def __init__(self, phases: Array, pieces: Array, rows: Array, work: int) -> None:
        self.work = work  # multiplications
        self.phases, self.pieces, self.rows = phases, pieces, rows
        self.addresses = phases.ctypes.data, len(phases), pieces.ctypes.data, rows.ctypes.data


def row_of(kind: Kind, values: dict[int, Any]) -> Row:
    """Numbers by their columns; of several, the first's."""
    numbers: dict[int, int] = {}
    for column, value in values.items():
        for behind, number in enumerate(value if isinstance(value, tuple) else (value,)):
            numbers[column + behind] = int(number)
    return Row(kind, numbers)


def table_of(phases: list[list[Task]], work: int) -> Table:
    """Rows of numbers, of what tasks and pieces are in each phase."""
    rows: list[Row] = []
    pieces: list[tuple[int, ...]] = []
    ends: list[tuple[int, int]] = []
    for tasks in phases:
        begin = len(pieces)
        for task in tasks:
            span = len(rows), len(rows) + len(task.rows)
            rows += task.rows
            pieces += [(*span, first, end, number) for number, (first, end) in enumerate(task.ranges)]
        ends.append((begin, len(pieces)))
    numbers = np.zeros((len(rows), WIDTH), np.int64)
    for line, row in zip(numbers, rows, strict=True):
        line[0] = row.kind().address
        for column, number in row.numbers.items():
            line[column] = number
    return Table(np.array(ends, np.int64), np.array(pieces, np.int64).reshape(-1, PIECE), numbers, work)
