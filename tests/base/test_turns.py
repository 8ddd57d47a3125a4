"""Functions that take turns."""

import contextvars
import threading
from typing import Any

import pytest

from xpnet.base.turns import ENDED, Turn, Turns


def counting(number: int, rounds: int, seen: list[Any]) -> Any:
    def run(turn: Turn) -> None:
        for each in range(rounds):
            seen.append((each, number))
            turn.pause((number, each))
        seen.append(("end", number))

    return run


def test_each_runs_until_it_pauses_in_order() -> None:
    seen: list[Any] = []
    with Turns([counting(number, 2, seen) for number in range(3)]) as turns:
        assert seen == [] and threading.active_count() < 50
        assert turns.round() == [(0, 0), (1, 0), (2, 0)]
        assert turns.round() == [(0, 1), (1, 1), (2, 1)]
        assert turns.round() == [ENDED] * 3
        assert turns.round() == [ENDED] * 3  # and nothing runs
    assert seen == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), ("end", 0), ("end", 1), ("end", 2)]


def test_one_runs_at_a_time() -> None:
    running, most = 0, 0

    def run(turn: Turn) -> None:
        nonlocal running, most
        for _ in range(5):
            running += 1
            most = max(most, running)
            sum(range(20_000))
            running -= 1
            turn.pause(None)

    with Turns([run] * 4) as turns:
        while ENDED not in turns.round():
            pass
    assert most == 1


def test_those_that_end_early_do_not_hold_up_the_others() -> None:
    seen: list[Any] = []
    with Turns([counting(0, 1, seen), counting(1, 3, seen)]) as turns:
        assert [turns.round() for _ in range(4)] == [
            [(0, 0), (1, 0)],
            [ENDED, (1, 1)],
            [ENDED, (1, 2)],
            [ENDED, ENDED],
        ]


class Stop(BaseException):
    """Not even an Exception."""


@pytest.mark.parametrize("kind", [ValueError, Stop])
def test_an_error_is_raised_where_the_turns_are_and_unwinds_the_others(kind: type[BaseException]) -> None:
    error, unwound, before = kind(), list[int](), threading.active_count()

    def run(number: int) -> Any:
        def function(turn: Turn) -> None:
            try:
                turn.pause(number)
                if number == 1:
                    raise error
                turn.pause(number)
            finally:
                unwound.append(number)

        return function

    with pytest.raises(kind) as caught, Turns([run(number) for number in range(3)]) as turns:
        turns.round()
        turns.round()
    assert caught.value is error and unwound == [1, 0, 2]
    assert threading.active_count() == before


def test_what_is_abandoned_ends_although_it_asks_again() -> None:
    """A `finally` or a bare `except` of the user's may do that, again and again."""
    tries = []

    def stubborn(turn: Turn) -> None:
        for _ in range(3):
            try:
                turn.pause("more")
            except BaseException:
                tries.append(1)
        turn.pause("at the end")

    before = threading.active_count()
    with Turns([stubborn]) as turns:
        assert turns.round() == ["more"]
    assert len(tries) == 3 and threading.active_count() == before


def test_nothing_is_begun_that_has_no_turn() -> None:
    seen: list[Any] = []
    before = threading.active_count()
    functions = [counting(0, 1, seen), lambda turn: 1 / 0, counting(2, 1, seen)]
    with pytest.raises(ZeroDivisionError), Turns(functions) as turns:
        assert threading.active_count() == before
        turns.round()
    assert seen == [(0, 0)] and threading.active_count() == before


def test_settings_of_the_blocks_around_hold_inside_and_stay_there() -> None:
    setting = contextvars.ContextVar("setting", default="none")
    seen = []

    def run(turn: Turn) -> None:
        seen.append(setting.get())
        setting.set("changed")
        turn.pause(None)
        seen.append(setting.get())

    token = setting.set("outside")
    with Turns([run, run]) as turns:
        turns.round()
        assert setting.get() == "outside"
        turns.round()
    setting.reset(token)
    assert seen == ["outside", "outside", "changed", "changed"]
