"""Watch: the training is what it would be without, and pages see all of it, early or late."""

import json
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters, digits, network
from tests.serving.watch.helpers import Page, Slow, convnet, same_bits, train
from xpnet import Sequential, layers, serving
from xpnet.callbacks import EMA, Backup, Callback, EarlyStopping, ReduceLROnPlateau
from xpnet.errors import FormatError, OptionError
from xpnet.serving.watch import looks

pytest.importorskip("uvicorn", reason="pages need the extra web")
pytest.importorskip("starlette", reason="pages need the extra web")
pytest.importorskip("websockets", reason="pages need the extra web")


class InterruptedError_(Exception):
    pass


class Fail(Callback):
    """Ends training by an error after so many steps of an epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        self.epoch, self.step = epoch, step

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        self.now = epoch

    def on_train_batch_end(self, batch: int, logs: Any) -> None:
        if (self.now, batch + 1) == (self.epoch, self.step):
            raise InterruptedError_

    def compared(self) -> dict[str, Any]:
        return {}


# ---- the numbers of the training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("watched", [False, True])
def test_the_bits_are_those_without_it(watch: serving.Watch, watched: bool) -> None:
    page = Page(watch.open()) if watched else None
    one = train(EMA(), EarlyStopping(patience=5), ReduceLROnPlateau(patience=0), watch, epochs=4)
    assert same_bits(one, train(EMA(), EarlyStopping(patience=5), ReduceLROnPlateau(patience=0), epochs=4))
    if page:
        page.wait_for_phase("ended")
        page.close()


def test_random_numbers_that_follow_are_those_without_it(watch: serving.Watch) -> None:
    train(watch)
    after = xpnet.random.next_key("something")
    train()
    assert xpnet.random.next_key("something") == after


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_training_that_was_interrupted_goes_on_with_it_and_without(
    before: bool, after: bool, watch: serving.Watch, tmp_path: Path
) -> None:
    def around(with_it: bool, step: int) -> list[Callback]:
        return [Fail(2, step), Backup(tmp_path / "backup", every=5), *([watch] if with_it else [])]

    watch.open()
    with pytest.raises(InterruptedError_):
        train(*around(before, 7), epochs=3)
    late = Page(watch.address)
    model = train(*around(after, 0), epochs=3)
    assert same_bits(model, train(epochs=3))
    if after:
        late.wait("state", lambda frame: frame.fields["ended"] == "finished")
        late.wait("epochs", lambda frame: 3 in frame.arrays["values"][:, frame.fields["names"].index("epoch")])
        names, _, values = late.table("epochs")
        assert sorted(set(values[:, names.index("epoch")].astype(int))) == [1, 2, 3]
    late.close()


# ---- what pages see --------------------------------------------------------------------------------------------------


def test_a_page_that_comes_late_gets_the_whole_history(watch: serving.Watch) -> None:
    model = train(watch, epochs=3)
    page = Page(watch.address)
    page.wait("histograms")
    page.wait("mistakes")
    page.wait("filters")
    assert page.wait_for_phase("ended")["ended"] == "finished"
    names, x, values = page.table("steps")
    assert list(x) == list(range(1, 37)) and np.isfinite(values[:, names.index("loss")]).all()
    assert model.history is not None
    names, x, values = page.table("epochs")
    assert list(x) == [12, 24, 36] and set(names) >= {"epoch", "loss", "val_loss", "val_accuracy", "lr"}
    history: Any = model.history
    for name, kept in history.history.items():
        assert values[:, names.index(name)] == pytest.approx(kept, rel=1e-6)
    page.close()


def test_a_page_sees_the_training_while_it_goes_on(watch: serving.Watch) -> None:
    page = Page(watch.open())
    train(watch, Slow(0.05), epochs=2)
    page.wait_for_phase("ended")
    states = [frame.fields for frame in page.frames if frame.kind == "state"]
    assert {state["phase"] for state in states} >= {"training", "ended"}
    assert len({state["step"] for state in states}) >= 6
    counted = [frame for frame in page.frames if frame.kind == "histograms"]
    assert len(counted) >= 2
    for parameter in counted[0].fields["parameters"]:
        assert parameter["gradient"] is not None and parameter["gradient"]["bad"] == 0
    assert (counted[0].arrays["weights"].sum(axis=1) == [36, 4, 6760, 10]).all()  # all entries of each parameter
    page.close()


def test_the_mistakes_are_those_of_the_network(watch: serving.Watch) -> None:
    model = train(watch, epochs=1)
    page = Page(watch.open())
    found = page.wait("mistakes")
    x, t = (each[240:] for each in digits(300))
    answers = model.predict(x).argmax(axis=1)
    assert found.fields["looked"] == 60 and found.fields["wrong"] == int((answers != t).sum())
    pairs = sorted(zip(t[answers != t], answers[answers != t], strict=True))
    if len(pairs) == len(found.fields["labels"]):
        assert sorted(zip(found.fields["labels"], found.fields["answers"], strict=True)) == pairs
    assert found.arrays["pixels"].shape[1:] == (28, 28, 1) and found.arrays["pixels"].max() == 255
    assert found.fields["sure"] == sorted(found.fields["sure"], reverse=True)
    page.close()


def test_data_that_are_no_images_have_no_mistakes(watch: serving.Watch) -> None:
    network().fit(*clusters(), epochs=1, verbose=0, callbacks=watch, validation_split=0.2)
    page = Page(watch.open())
    assert page.wait_for_phase("ended")["images"] is False
    page.wait("histograms")
    assert not [frame for frame in page.frames if frame.kind in ("mistakes", "filters")]
    page.close()


def test_several_trainings_go_on_in_one_page(watch: serving.Watch) -> None:
    page = Page(watch.open())
    model = train(watch, epochs=2)
    address = watch.address
    train(watch, epochs=1, model=model)
    assert watch.address == address
    last = page.wait("state", lambda frame: frame.fields["fit"] == 2 and frame.fields["ended"] == "finished").fields
    assert last["step"] == 36 and [mark["x"] for mark in last["marks"]] == [0, 24]
    page.wait("epochs", lambda frame: bool(36 in frame.arrays["x"]))
    names, x, values = page.table("epochs")
    assert list(x) == [12, 24, 36] and list(values[:, names.index("epoch")]) == [1, 2, 3]
    page.close()


def test_an_interrupted_training_is_shown_as_such(watch: serving.Watch) -> None:
    page = Page(watch.open())
    with pytest.raises(InterruptedError_):
        train(watch, Fail(0, 3))
    assert page.wait_for_phase("ended")["ended"] == "interrupted"
    page.close()


def test_a_page_that_never_reads_and_one_that_is_killed_disturb_nobody(watch: serving.Watch) -> None:
    address = watch.open()
    host, port = address.split("/")[2].split(":")
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    upgrade = f"GET /socket HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {address[:-1]}\r\nUpgrade: websocket\r\n"
    silent = [socket.create_connection((host, int(port))) for _ in range(3)]
    for each in silent:
        each.sendall(f"{upgrade}Connection: Upgrade\r\n{key}\r\n".encode())
    page = Page(address)
    killed = Page(address)
    killed.socket.socket.close()
    one = train(watch, Slow(0.02), epochs=2)
    assert page.wait_for_phase("ended")["ended"] == "finished"
    assert same_bits(one, train())
    for each in silent:
        each.close()
    page.close()


# ---- the server ------------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_refused_before_training(watch: serving.Watch) -> None:
    port = int(watch.open().rstrip("/").rpartition(":")[2])
    model = convnet()
    with pytest.raises(OptionError, match=f"port {port} .*: choose another port, or none"):
        train(serving.Watch(port), model=model)
    assert model.optimizer is not None and model.optimizer.steps == 0


@pytest.mark.parametrize("port", [-1, "8000", 1.5])
def test_a_port_is_a_number(port: Any) -> None:
    with pytest.raises(OptionError, match="Watch: port"):
        serving.Watch(port)


def test_it_says_once_where_it_is(watch: serving.Watch, capsys: pytest.CaptureFixture[str]) -> None:
    model = train(watch, epochs=1, verbose=2)
    train(watch, epochs=1, verbose=2, model=model)
    said = capsys.readouterr()
    assert said.out.count(watch.address) == 1 and said.out.startswith("watch this training: http://127.0.0.1:")
    watch.close()
    train(watch, epochs=1, verbose=1, model=model)
    said = capsys.readouterr()
    assert said.err.startswith(f"watch this training: {watch.address}\n") and not said.out
    watch.close()
    train(watch, epochs=1, verbose=0, model=model)
    said = capsys.readouterr()
    assert said == ("", "")


def test_close_ends_pages_and_frees_the_port(watch: serving.Watch) -> None:
    page = Page(watch.open())
    page.socket.recv_bufsize  # noqa: B018  it is connected
    port = int(watch.address.rstrip("/").rpartition(":")[2])
    start = time.monotonic()
    watch.close()
    assert time.monotonic() - start < 2 and watch.address == ""
    page.thread.join(2)
    again = serving.Watch(port)
    assert again.open() == f"http://127.0.0.1:{port}/"
    again.close()


def test_without_the_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    with pytest.raises(xpnet.errors.MissingExtraError, match=r'pip install "xpnet\[web\]"'):
        train(serving.Watch(0))


def test_the_device_is_asked_now_and_then_only(watch: serving.Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a backend that computes while Python goes on, every look at a loss waits for it."""
    looks = []

    class Loss(float):
        def __float__(self) -> float:
            looks.append(self)
            return super().__float__()

    model = convnet()
    monkeypatch.setattr(type(model.backend), "lazy", True)
    page = Page(watch.open())
    watch.model, watch.params = model, {"epochs": 1, "steps": 400, "validation": False}
    watch.on_train_begin({})
    watch.on_epoch_begin(0, {})
    start = time.monotonic()
    for batch in range(400):
        watch.on_train_batch_end(batch, {"loss": Loss(1.0), "size": 20, "so_far": lambda: {"loss": 1.0}})
        time.sleep(0.001)
    assert 1 <= len(looks) <= 2 + 10 * (time.monotonic() - start)
    page.close()


def test_it_is_no_part_of_what_a_backup_compares() -> None:
    assert serving.Watch.recorded is False and Callback.recorded is True


def test_a_wrong_request_is_refused(watch: serving.Watch) -> None:
    page = Page(watch.open())
    page.ask("dance")
    assert "there is no request 'dance'" in page.wait("refused").fields["text"]
    page.close()
    with pytest.raises(FormatError):
        serving.frames.unpack(b"\0")  # type: ignore[attr-defined]


def test_nan_is_no_answer() -> None:
    """It was shown as the first class, as sure as NaN, which is no JSON."""
    images = looks.Images(np.zeros((5, 1, 4, 4), "float32"), np.arange(5) % 3)
    model = Sequential([layers.Flatten(), layers.Dense(3)])
    model.build((1, 4, 4))
    model.set_weights([np.full_like(each, np.nan) for each in model.get_weights()])
    found = looks.mistakes(model, images, 10)
    assert found is not None and json.loads(json.dumps(found[0], allow_nan=False)) == {
        "looked": 5, "wrong": 5, "labels": [1, 0, 2, 1, 0], "answers": ["?"] * 5, "sure": [0.0] * 5,
    }  # fmt: skip
