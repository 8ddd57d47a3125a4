"""Several workers in threads of one process: a training in each, which exchange what they have in memory.

results = in_team(3, lambda: train(model()))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from xpnet import random
from xpnet.backend import Array, use_backend
from xpnet.parallel import Communicator, use_communicator
from xpnet.parallel.tree import TreeSum

T = TypeVar("T")
PATIENCE = 20.0  # seconds


class BrokenTeamError(Exception):
    """Another member has failed, and will not come."""


class Team:
    """Where its members meet."""

    def __init__(self, size: int) -> None:
        self.size, self.failed, self.changed = size, False, threading.Condition()
        self.rounds: list[dict[int, Any]] = []

    def exchange(self, number: int, rank: int, value: Any) -> list[Any]:
        """What each member gives in its exchange of this number, in order."""
        with self.changed:
            self.rounds += [{} for _ in range(number + 1 - len(self.rounds))]
            given = self.rounds[number]
            given[rank] = value
            self.changed.notify_all()
            come = self.changed.wait_for(lambda: self.failed or len(given) == self.size, PATIENCE)
            if len(given) < self.size:
                raise BrokenTeamError("another member has failed" if come else "the others do not come")
            return [given[each] for each in range(self.size)]

    def give_up(self) -> None:
        with self.changed:
            self.failed = True
            self.changed.notify_all()


class Member(Communicator):
    """One of them."""

    def __init__(self, team: Team, rank: int, size: int) -> None:
        self.team, self.rank, self.size, self.members = team, rank, size, tuple(range(size))
        self.exchanges = 0

    def complete(self, tree: TreeSum, like: Sequence[Array]) -> Sequence[Array]:
        own = [(node, [_copy(each) for each in arrays]) for node, arrays in tree.roots]
        whole = TreeSum(tree.leaves)
        for roots in self._exchange(own):
            for node, arrays in roots:
                whole.add(node, [_copy(each) for each in arrays])
        found = whole.finish()
        assert [each.shape for each in found] == [each.shape for each in like]
        return found

    def share(self, data: bytes) -> list[bytes]:
        return self._exchange(data)

    def fail(self, error: BaseException) -> BaseException:
        self.team.give_up()
        return error

    def _exchange(self, value: Any) -> list[Any]:
        self.exchanges += 1
        return self.team.exchange(self.exchanges - 1, self.rank, value)


def in_team(size: int, work: Callable[[], T], seed: int = 0) -> list[T]:
    """What `work` returns to each of so many members, each with a random state of its own from this seed; or the first
    error that does not follow from another one's.
    """
    team = Team(size)
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def become(rank: int) -> None:
        try:
            with random.preserved_state((seed, 0)), use_backend("numpy"), use_communicator(Member(team, rank, size)):
                results[rank] = work()
        except BrokenTeamError as error:
            errors.append(error)
        except BaseException as error:
            errors.insert(0, error)
            team.give_up()

    threads = [threading.Thread(target=become, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results


def _copy(array: Any) -> Any:
    return array + 0
