"""Pages lead the training: pause, go on, stop, and change the learning rate."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.watch.helpers import Page, Slow, convnet, in_thread, same_bits, train
from xpnet import optimizers, schedules, serving
from xpnet.callbacks import Backup, Callback
from xpnet.model import Sequential

pytest.importorskip("uvicorn", reason="pages need the extra web")
pytest.importorskip("starlette", reason="pages need the extra web")
pytest.importorskip("websockets", reason="pages need the extra web")


@pytest.fixture
def watch() -> Iterator[serving.Watch]:
    found = serving.Watch(0)
    yield found
    found.close()


class Rates(Callback):
    """The rate of each step."""

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        assert self.model.optimizer
        self.rates.append(self.model.optimizer.current_lr)


def started(watch: serving.Watch, *more: Callback, epochs: int = 50, model: Any = None) -> tuple[Page, Any, list[Any]]:
    """A page, the training that it watches in a thread, and what comes out of it."""
    page, out = Page(watch.open()), []
    thread = in_thread(lambda: out.append(train(watch, Slow(0.01), *more, epochs=epochs, model=model)))
    page.wait("state", lambda frame: frame.fields["phase"] == "training" and frame.fields["step"] > 0)
    return page, thread, out


def steps_of(page: Page) -> int:
    return int(max(frame.fields["step"] for frame in page.frames if frame.kind == "state"))


def test_pause_and_go_on_change_no_bit(watch: serving.Watch) -> None:
    page, thread, out = started(watch, epochs=4)
    page.ask("pause")
    at = page.wait_for_phase("paused")["step"]
    time.sleep(0.4)
    assert steps_of(page) == at and thread.is_alive()
    page.ask("go")
    thread.join(20)
    assert page.wait_for_phase("ended")["ended"] == "finished"
    assert same_bits(out[0], train(epochs=4))
    page.close()


def test_it_stays_paused_while_no_page_is_open(watch: serving.Watch) -> None:
    page, thread, _ = started(watch)
    page.ask("pause")
    page.wait_for_phase("paused")
    page.close()
    time.sleep(0.4)
    assert thread.is_alive()
    again = Page(watch.address)
    again.wait_for_phase("paused")
    again.ask("stop")
    thread.join(20)
    assert again.wait_for_phase("ended")["ended"] == "stopped"
    again.close()


def test_stop_ends_it_in_good_order(watch: serving.Watch) -> None:
    page, thread, out = started(watch)
    page.ask("stop")
    thread.join(20)
    assert not thread.is_alive()
    model: Sequential = out[0]
    history: Any = model.history
    assert len(history.epoch) < 50 and "val_loss" in history.history
    assert page.wait_for_phase("ended")["ended"] == "stopped"
    page.ask("pause")
    assert page.wait("error").fields["text"] == "no training is under way"
    page.close()


@pytest.mark.parametrize(("asked", "expected"), [({"rate": 0.25}, 0.25), ({"factor": 0.5}, 0.05)])
def test_the_learning_rate_is_changed(watch: serving.Watch, asked: dict[str, float], expected: float) -> None:
    model, seen = convnet(), Rates()
    model.compile(optimizers.SGD(0.1), metrics=["accuracy"])
    page, thread, _ = started(watch, seen, model=model)
    page.ask("rate", optimizer="lr", **asked)
    state = page.wait("state", lambda frame: frame.fields["rates"]["lr"] != 0.1).fields
    assert state["rates"]["lr"] == pytest.approx(expected) and state["scales"]["lr"] == pytest.approx(expected / 0.1)
    assert state["marks"][-1]["what"] == "rate" and state["marks"][-1]["after"] == pytest.approx(expected)
    page.ask("stop")
    thread.join(20)
    assert seen.rates[0] == 0.1 and seen.rates[-1] == pytest.approx(expected)
    assert model.optimizer is not None and model.optimizer.lr == 0.1  # the setting stays
    page.close()


def test_a_schedule_goes_on_from_the_changed_rate(watch: serving.Watch, tmp_path: Path) -> None:
    model, seen = convnet(), Rates()
    schedule = schedules.Exponential(0.1, 10_000)
    model.compile(optimizers.SGD(schedule), metrics=["accuracy"])
    page, thread, _ = started(watch, seen, Backup(tmp_path / "b", keep=True), model=model)
    page.ask("rate", optimizer="lr", factor=0.5)
    page.wait("state", lambda frame: frame.fields["scales"]["lr"] == 0.5)
    page.ask("stop")
    thread.join(20)
    for step, rate in enumerate(seen.rates):
        assert rate in (pytest.approx(schedule(step)), pytest.approx(schedule(step) / 2))
    from xpnet.files.state import read_state

    assert read_state(tmp_path / "b")["optimizers"]["optimizer"]["lr_scale"] == 0.5
    page.close()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"optimizer": "lr", "rate": 0}, "must be a positive number, not 0"),
        ({"optimizer": "lr", "rate": -1.0}, "must be a positive number, not -1.0"),
        ({"optimizer": "lr", "rate": None}, "must be a positive number, not None"),
        ({"optimizer": "lr", "factor": "2"}, "must be a positive number, not 2"),
        ({"optimizer": "other", "rate": 1.0}, "there is no optimizer 'other'; there is lr"),
        ({"optimizer": "lr", "rate": 1e9}, "100 times what was planned at most, and this is 1e+12 times"),
        ({"optimizer": "lr", "factor": 101}, "100 times what was planned at most, and this is 101 times"),
        ({"rate": 1.0}, "there is no optimizer 'None'"),
        ({"optimizer": ["lr"], "rate": 1.0}, "there is no optimizer"),
    ],
)
def test_a_rate_that_is_none_is_refused(watch: serving.Watch, fields: dict[str, Any], said: str) -> None:
    page, thread, _ = started(watch)
    page.ask("rate", **fields)
    assert said in page.wait("error").fields["text"]
    page.ask("stop")
    thread.join(20)
    page.close()


def test_ctrl_c_ends_a_paused_training_at_once() -> None:
    code = """
from tests.serving.watch.helpers import Slow, train
from xpnet import serving
try:
    train(serving.Watch(0), Slow(), epochs=1000, verbose=2)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    line = [sys.executable, "-c", code]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        page = Page(process.stdout.readline().split()[-1])
        page.ask("pause")
        page.wait_for_phase("paused")
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        lines = list(process.stdout)
        assert process.wait(10) == 0 and time.monotonic() - start < 5
    assert lines[-1] == "interrupted\n" and any(line.startswith("paused after step") for line in lines)
    page.close()


def test_every_page_sees_what_another_has_asked_for(watch: serving.Watch) -> None:
    page, thread, _ = started(watch)
    others = [Page(watch.address) for _ in range(8)]
    page.ask("pause")
    for other in others:
        other.wait_for_phase("paused")
    others[-1].ask("stop")
    thread.join(20)
    for other in others:
        assert other.wait_for_phase("ended")["ended"] == "stopped"
        other.close()
    page.close()
    assert threading.active_count() < 20
