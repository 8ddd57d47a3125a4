"""How work on a CPU is divided: into products that stay small, and into parts for the threads.

The division depends on shapes and on the processor's caches alone, so that the result does not depend on the number of
threads; and what was divided once is looked up from then on. Processors with other caches may add in another order, and
so round otherwise, as they do with BLAS, which has products of its own for each of them.
"""

import functools

from xpnet.backend.cpu.processors import Caches, caches

# OpenBLAS takes a product of up to so many multiplications without packing its operands, which on AVX-512 reaches 105
# GFLOP/s on one core where a larger one reaches 75. So tiles are cut, and products divided, to stay below.
PRODUCT = 10**6
CHANNELS = 16  # of output in such a product, where there are as many: a vector register
# What is worth a second thread: less is done sooner than one is awake, and has had its turns with the interpreter.
WORTH = 10**7  # multiplications
LEAST = 1 << 17  # entries of an array
PASSES = 1 << 21  # over an entry, if the thread sleeps: some 350 microseconds, with all the calls that they take


def believed(found: Caches) -> tuple[int, int]:
    """Bytes of the first and the second level that tiles are made for.

    Virtual machines tell sizes that no core has. Tiles for less than 512 KiB cost more calls than they save memory, and
    those for more than 2 MiB leave threads nothing to share.
    """
    return min(max(found.first, 1 << 15), 1 << 16), min(max(found.second, 1 << 19), 1 << 21)


LEVEL_1, LEVEL_2 = believed(caches())


@functools.lru_cache(maxsize=4096)
def divide_channels(outputs: int, multiplications: int) -> int:
    """How many of the output channels a product takes at once, of which each costs so many multiplications."""
    fitting = [n for n in range(1, outputs + 1) if outputs % n == 0 and n * multiplications <= PRODUCT]
    return fitting[-1] if fitting and fitting[-1] >= CHANNELS // 2 else outputs


def divide_evenly(length: int, most: int) -> int:
    """The size of a part when `length` is divided into as few as possible of at most `most`, all of about one size."""
    parts = max(1, -(-length // most))
    return max(1, -(-length // parts))


@functools.lru_cache(maxsize=4096)
def cut_bands(rows: int, height: int) -> tuple[tuple[int, int], ...]:
    """(first, end) of each band of rows."""
    return tuple((i, min(i + height, rows)) for i in range(0, rows, height))


@functools.lru_cache(maxsize=4096)
def share_rows(rows: int, entries: int) -> tuple[tuple[int, int], ...]:
    """Bands of the rows of an array with so many entries: a few of LEAST at least, one for what no thread is worth."""
    count = max(1, min(rows, 16, entries // LEAST))
    return cut_bands(rows, -(-rows // count))
