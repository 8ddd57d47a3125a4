"""How the compiled kernels' work is divided among the threads.

Into units of some 100 microseconds, so that threads find more to do than it costs to ask for it, and into 12 of them at
most, which two, three or four threads share evenly.
"""

UNITS = 12
ENTRIES = 1 << 16  # of an array, that a unit of elementwise work has at least


def count_units(work: int, least: int) -> int:
    """How many units of at least so much work there are."""
    return min(UNITS, max(1, work // least))


def cut_ranges(length: int, count: int) -> list[tuple[int, int]]:
    """0 ... length in `count` parts of about the same size, fewer where there are not as many."""
    count = max(1, min(count, length))
    return [(i * length // count, (i + 1) * length // count) for i in range(count)]
