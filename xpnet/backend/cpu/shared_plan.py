"""Inference of dense layers that is worth a second thread: one is handed some rows of the batch once, and takes them
through all layers, in place of a part of each product.

Each row's product is the same call of BLAS's as without parts, so that one thread need not have them for the same bits.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from xpnet.backend.cpu.memory_pool import STEP, pool
from xpnet.backend.cpu.products import PRODUCT_WORK, rows_together
from xpnet.backend.cpu.threads import run_tiles, thread_count
from xpnet.backend.cpu.work import WORTH, cut_bands

Array = np.ndarray

MOST = 16  # parts
PART = 2 * 10**6  # multiplications that one has at least; fewer cost more calls than they save waiting


class SharedPlan:
    """What `make` gives for the graph of a part of the batch, and for all of it."""

    def __init__(self, make: Callable[[Any], Any], graph: Any, rows: int) -> None:
        (N, *shape), self.dtype = graph.shapes[graph.output], graph.dtypes[graph.output]
        self.shape, self.bands = (N, *shape), cut_bands(N, rows)
        self.part = make(graph._replace(shapes=[(rows, *each[1:]) for each in graph.shapes]))
        self.whole = make(graph)

    def __call__(self, x: Array) -> Array:
        if thread_count() == 1:
            return np.asarray(self.whole(x))
        pool.count(STEP)
        y = np.empty(self.shape, self.dtype)

        def work(first: int, end: int) -> None:
            prepared = self.part.take()
            y[first:end] = prepared.context.run(prepared.compute, x[first:end])
            self.part.idle.append(prepared)

        run_tiles(work, self.bands)
        return y


def rows_of_a_part(graph: Any) -> int:
    """Rows of the batch that a thread takes at once; 0 where the whole is better left together."""
    N, dense = graph.shapes[0][0], [op.args["w"].value.T for op in graph.ops if op.name == "dense"]
    if {op.name for op in graph.ops} - {"activate", "dense", "reshape"} or {each[0] for each in graph.shapes} != {N}:
        return 0
    work = [N * w.size for w in dense]
    if sum(work) < WORTH or max(work) > 2 * PRODUCT_WORK:  # of which each product is divided by itself
        return 0
    together = [rows_together(N, w) for w in dense]
    counts = [count for count in range(min(MOST, sum(work) // PART), 1, -1) if N % count == 0]
    return next((N // n for n in counts if [rows_together(N // n, w) for w in dense] == together), 0)
