"""A session: what waits, in which order it is answered, what goes on in between, and how it ends."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving.kit import eventually
from xpnet import random
from xpnet.errors import DataError, FormatError, OptionError
from xpnet.serving import session as session_module
from xpnet.serving.frames import Frame, unpack
from xpnet.serving.session import LONGEST_ERROR, Mailbox, Outbox, Session


def frame(kind: str, **fields: Any) -> Frame:
    return Frame(kind, fields, {})


def heard(session: Session) -> list[Frame]:
    """What has been sent since the last time."""
    return [unpack(data) for data in iter(session.outbox.take, None)]


@contextmanager
def running(session: Session) -> Iterator[Session]:
    ended = threading.Event()
    session.start(lambda: None, ended.set)
    try:
        yield session
    finally:
        session.stop()
        assert ended.wait(5)


# ---- mailbox ---------------------------------------------------------------------------------------------------------

kinds = st.sampled_from([None, None, "a", "b"])


@given(st.lists(kinds, max_size=30))
def test_the_newest_of_a_kind_and_all_of_the_others_in_their_order(puts: list[str | None]) -> None:
    """What is taken are the messages, without those that a later one of their kind replaced."""
    box = Mailbox()
    for number, kind in enumerate(puts):
        assert box.put(number, kind)
    expected = [number for number, kind in enumerate(puts) if kind is None or kind not in puts[number + 1 :]]
    taken = [box.take() for _ in expected]
    assert (taken, box.take()) == (expected, None)


@given(st.lists(kinds, max_size=30))
def test_all_at_once_are_the_same(puts: list[str | None]) -> None:
    one, all_at_once, outbox = Mailbox(), Mailbox(), Outbox()
    for number, kind in enumerate(puts):
        for box in (one, all_at_once, outbox):
            box.put(number, kind)
    assert list(iter(one.take, None)) == list(iter(outbox.take, None)) == all_at_once.take_all()
    assert all_at_once.take_all() == []


def test_of_kinds_that_change_in_turn_whoever_is_slow_gets_each() -> None:
    box, seen = Outbox(), set()
    for _ in range(3):
        for kind in ("maps", "numbers", "curves"):
            box.put(kind, newest_of=kind)
        seen.add(box.take())
    assert seen == {"maps", "numbers", "curves"}


def test_so_many_messages_wait_and_no_more() -> None:
    box = Mailbox()
    assert all(box.put(number) for number in range(session_module.MOST_WAITING))
    assert not box.put("one too many")
    assert box.put("the newest always has room", "kind")
    assert box.take() == 0 and box.take() == 1 and box.put("again")


def test_so_many_bytes_wait_and_no_more() -> None:
    box, half = Mailbox(), session_module.MOST_BYTES_WAITING // 2
    assert box.put(1, size=half) and box.put(2, "kind", half) and not box.put(3, size=1)
    assert box.put(4, "kind", half - 1) and box.put(5, size=1) and not box.put(6, size=1)
    assert box.take() == 1 and box.put(7, size=half)
    assert box.take_all() == [4, 5, 7] and box.put(8, size=2 * half)


def test_to_wait_for_a_message() -> None:
    box, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(box.take(wait=True)))
    thread.start()
    box.put("message")
    thread.join(5)
    assert taken == ["message"]


# ---- session ---------------------------------------------------------------------------------------------------------


class Recorder(Session):
    """Writes down what it does; `slices` of work are there."""

    newest = frozenset({"look"})

    def __init__(self, slices: int = 0) -> None:
        super().__init__()
        self.slices, self.done, self.gate = slices, list[Any](), threading.Event()

    def begin(self) -> None:
        self.done.append("begin")
        self.gate.wait(5)

    @property
    def busy(self) -> bool:
        return self.slices > 0

    def work(self) -> None:
        self.done.append("work")
        self.slices -= 1

    def end(self) -> None:
        self.done.append("end")

    def on_do(self, frame: Frame) -> None:
        self.done.append(frame.fields["what"])

    def on_look(self, frame: Frame) -> None:
        self.done.append(frame.fields["what"])

    def on_draw(self, frame: Frame) -> None:
        self.done.append(float(random.generator("test").random()))

    def on_seed(self, frame: Frame) -> None:
        random.seed(frame.fields["seed"])

    def on_raise(self, frame: Frame) -> None:
        raise frame.fields["error"]


def test_begin_requests_in_order_then_work_then_end() -> None:
    session = Recorder(slices=3)
    with running(session):
        for what in (1, 2):
            session.receive(frame("do", what=what))
        session.receive(frame("look", what="old"))
        session.receive(frame("do", what=3))
        session.receive(frame("look", what="new"))
        session.gate.set()
        assert eventually(lambda: session.slices == 0)
    assert session.done == ["begin", 1, 2, 3, "new", "work", "work", "work", "end"]


def test_requests_are_answered_between_slices_of_work() -> None:
    session = Recorder(slices=1_000_000_000)
    session.gate.set()
    with running(session):
        assert eventually(lambda: len(session.done) > 10)
        session.receive(frame("do", what="request"))
        assert eventually(lambda: "request" in session.done)
        place = session.done.index("request")
        assert eventually(lambda: len(session.done) > place + 10)
    assert set(session.done[1:-1]) == {"work", "request"} and session.done[-1] == "end"


def test_stop_ends_the_thread_while_it_waits_and_while_it_works() -> None:
    for slices in (0, 1_000_000_000):
        session = Recorder(slices)
        session.gate.set()
        with running(session):
            assert eventually(lambda: len(session.done) > min(slices, 2))  # noqa: B023
        assert session.done[-1] == "end"


def test_what_waited_when_it_was_stopped_is_not_done() -> None:
    session = Recorder()
    with running(session):
        session.receive(frame("do", what="late"))
        session.stop()
        session.gate.set()
    assert session.done == ["begin", "end"]


def test_an_error_on_purpose_is_told_and_the_session_goes_on() -> None:
    session = Recorder()
    session.gate.set()
    with running(session):
        session.receive(frame("raise", error=OptionError("this is not one of them")))
        session.receive(frame("do", what="next"))
        assert eventually(lambda: "next" in session.done)
    (told,) = heard(session)
    assert (told.kind, told.fields) == ("error", {"about": "raise", "text": "this is not one of them"})


def test_a_long_error_is_cut() -> None:
    """Some quote what was asked, up to a megabyte of it."""
    session = Recorder()
    session.gate.set()
    with running(session):
        session.receive(frame("raise", error=OptionError("no such thing: " + "x" * 100_000)))
        session.receive(frame("do", what="next"))
        assert eventually(lambda: "next" in session.done)
    (told,) = heard(session)
    assert told.fields["text"].startswith("no such thing: xxx") and len(told.fields["text"]) == LONGEST_ERROR


@pytest.mark.parametrize(
    "error", [KeyError("x"), ZeroDivisionError("zero"), MemoryError("much"), RuntimeError("r" * 9999)]
)
def test_a_fault_is_told_too_and_in_full_on_stderr(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    session = Recorder()
    session.gate.set()
    with running(session):
        session.receive(frame("raise", error=error))
        session.receive(frame("do", what="next"))
        assert eventually(lambda: "next" in session.done)
    (told,) = heard(session)
    assert told.fields["about"] == "raise" and type(error).__name__ in told.fields["text"]
    assert len(told.fields["text"]) <= 500
    assert "Traceback" in capsys.readouterr().err


def test_a_request_without_its_fields_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    session = Recorder()
    session.gate.set()
    with running(session):
        session.receive(frame("do"))
        assert eventually(lambda: len(session.outbox.take_all()) == 1)
    assert "KeyError" in capsys.readouterr().err


def test_work_that_fails_is_told_once_and_waits_for_a_request(capsys: pytest.CaptureFixture[str]) -> None:
    class Failing(Recorder):
        def work(self) -> None:
            self.done.append("work")
            raise OptionError("it cannot go on")

    session = Failing(slices=1)
    session.gate.set()
    with running(session):
        assert eventually(lambda: "work" in session.done)
        session.receive(frame("do", what="request"))
        assert eventually(lambda: session.done.count("work") == 2)
    assert session.done == ["begin", "work", "request", "work", "end"]
    assert [told.fields["about"] for told in heard(session)] == ["work", "work"]


def test_where_begin_fails_it_is_told() -> None:
    class Failing(Recorder):
        def begin(self) -> None:
            raise DataError("there is no data")

    session = Failing()
    with running(session):
        session.receive(frame("do", what="request"))
        assert eventually(lambda: "request" in session.done)
    assert [told.fields["text"] for told in heard(session)] == ["there is no data"]


@pytest.mark.parametrize("kind", ["", "nothing", "__init__", "do ", "x\0", "d" * 1000, "😀"])
def test_a_request_that_nobody_answers(kind: str) -> None:
    with pytest.raises(FormatError, match="there is no request") as error:
        Recorder().receive(frame(kind))
    assert len(str(error.value)) < 300


def test_too_many_requests() -> None:
    session = Recorder()
    for _ in range(session_module.MOST_WAITING):
        session.receive(frame("do", what=0))
    with pytest.raises(DataError, match="512 requests"):
        session.receive(frame("do", what=0))
    session.receive(frame("look", what=0))  # replaces one of its kind, or is the only one


def test_who_does_not_read_ends_the_session() -> None:
    class Talker(Recorder):
        def on_do(self, frame: Frame) -> None:
            while not self.stopped:
                self.send("word")

    session, ended = Talker(), threading.Event()
    session.gate.set()
    session.start(lambda: None, ended.set)
    session.receive(frame("do"))
    assert ended.wait(5)
    assert session.farewell and session.done == ["begin", "end"]
    assert len(session.outbox.take_all()) == session_module.MOST_WAITING


def test_random_numbers_are_its_own() -> None:
    """A seed inside holds inside, and what another session draws, or the process, changes nothing."""
    before = random.get_state()
    first, second, alone = Recorder(), Recorder(), Recorder()
    for session in (first, second, alone):
        session.gate.set()
    with running(first), running(second):
        first.receive(frame("seed", seed=3))
        first.receive(frame("draw"))
        assert eventually(lambda: len(first.done) == 2)
        second.receive(frame("seed", seed=3))
        for session in (second, first, second):
            session.receive(frame("draw"))
        assert eventually(lambda: len(first.done) == 3 and len(second.done) == 3)
    assert first.done[1:3] == second.done[1:3]
    with random.preserved_state((3, 0)):
        expected = [float(random.generator("test").random()) for _ in range(2)]
    assert first.done[1:3] == expected
    assert random.get_state()[0] == before[0] and random.chosen_seed() == 0


def test_two_sessions_do_not_draw_the_same() -> None:
    sessions = [Recorder(), Recorder()]
    for session in sessions:
        session.gate.set()
        with running(session):
            session.receive(frame("draw"))
            assert eventually(lambda: len(session.done) == 2)  # noqa: B023
    assert sessions[0].done[1] != sessions[1].done[1]


def test_arithmetic_does_not_warn() -> None:
    class Divider(Recorder):
        def on_do(self, frame: Frame) -> None:
            self.done.append(np.float32(1) / np.zeros(1, np.float32))

    session = Divider()
    session.gate.set()
    with running(session):
        session.receive(frame("do"))
        assert eventually(lambda: len(session.done) == 2)
    assert np.isinf(session.done[1])
