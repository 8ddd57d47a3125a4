"""What training needs of other workers, and the one that has none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from xpnet.backend import Array
from xpnet.parallel.tree import TreeSum

T = TypeVar("T")


class Communicator:
    """The workers of a training, of which this is number `rank` of `size`; as it stands here, the only one.

    All workers call the same methods in the same order, and each returns the same on all: what is not the same, such as
    their shares of the data, is an argument. Nothing but the gradients' sum is large.

    A worker may die where the engine can go on without it. Then `rank` and `size` change, and what was under way is
    begun again, with the shares that the new numbers give: it must stand in `together`, and change nothing that it does
    not put back before its last call here returns.
    """

    rank = 0
    size = 1
    began = 1  # how many workers there were in the beginning
    members: Sequence[int] = (0,)  # the numbers that those workers had in the beginning who are left, in order
    recovers = False  # whether the others go on where one dies, so that an attempt may have to be made again
    waited = 0.0  # seconds in which this worker waited for others, so far

    @property
    def leads(self) -> bool:
        """Whether this worker is the one that writes files and tells the reader."""
        return self.rank == 0

    def together(self, attempt: Callable[[], T]) -> T:
        """The result of `attempt`, a function that calls the methods below. If workers die meanwhile, those that are
        left call it again; a worker that has its result already keeps it.
        """
        return attempt()

    def complete(self, tree: TreeSum, like: Sequence[Array]) -> Sequence[Array]:
        """The whole sum, of which `tree` has the roots of this worker's leaves, 1-D arrays; the tree is used up. `like`
        are arrays of the shapes and data types of a leaf: some worker may have none. Leaves that are missing on all
        workers must be the last ones.
        """
        return tree.finish()

    def share(self, data: bytes) -> list[bytes]:
        """What each worker gives, in their order: a few bytes, and not of the same length."""
        return [data]

    def fail(self, error: BaseException) -> BaseException:
        """Tell the others that this worker cannot go on. What is returned is to be raised: the error, or a SystemExit
        where another worker is the one that says what went wrong.
        """
        return error

    def close(self) -> None:
        """At the end of the process, in good order."""

    def any(self, flag: bool) -> bool:
        """Whether it is true for one of the workers."""
        return b"1" in self.share(b"1" if flag else b"0")

    def of_leader(self, data: bytes) -> bytes:
        """What worker 0 gives."""
        return self.share(data if self.leads else b"")[0]
