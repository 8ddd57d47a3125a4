"""What the session answers the page, request by request."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.serving.playground.page import Page
from xpnet.serving.playground import warm
from xpnet.serving.playground.lab import Lab
from xpnet.serving.playground.maps import LARGE, SMALL
from xpnet.serving.playground.phases import NAMES
from xpnet.serving.playground.saved import KEY
from xpnet.serving.playground.script import make_script
from xpnet.serving.playground.state import State, read_state
from xpnet.serving.playground.warm import is_warming, warm_up


@pytest.fixture
def page() -> Iterator[Page]:
    with Page() as page:
        yield page


def refusal(page: Page, kind: str, fields: dict[str, Any] | None = None, **arrays: np.ndarray) -> str:
    page.ask(kind, fields, **arrays)
    (error,) = page.wait_for("error")
    assert error.fields["about"] == kind
    return error.fields["text"]


def test_the_first_state_is_answered_in_full(page: Page) -> None:
    page.ask("state", {"state": {}, "keep": True, "number": 7})
    built, points, maps, numbers, curves = page.wait_for("built", "points", "maps", "numbers", "curves")
    assert read_state(built.fields["state"]) == State()
    assert (built.fields["number"], built.fields["step"], built.fields["epoch"], built.fields["exact"]) == (
        7,
        0,
        0,
        True,
    )
    assert [layer["units"] for layer in built.fields["layers"]] == [4, 2, 1]
    assert points.arrays["train"].shape == points.arrays["test"].shape == (250, 3)
    assert maps.arrays["output"].shape == (LARGE, LARGE) and maps.arrays["units"].shape == (8, SMALL, SMALL)
    assert numbers.fields["running"] is False and numbers.fields["train_loss"] > 0
    assert np.shape(numbers.fields["layers"][0]["weight"]) == (4, 2)
    assert curves.fields["first"] == 0 and curves.fields["steps"] == [0]


def test_nothing_comes_before_a_state(page: Page) -> None:
    assert "the first request must be a state" in refusal(page, "step")
    assert "the first request must be a state" in refusal(page, "run", {"on": True})
    assert not page.frames[:-2]


def test_a_wrong_state_leaves_the_network_as_it_was(page: Page) -> None:
    page.set_state({"data": "xor"})
    assert "lr must be a positive number" in refusal(page, "state", {"state": {"lr": -1}, "keep": True, "number": 2})
    assert "keep must be True or False" in refusal(page, "state", {"state": {}, "keep": 1, "number": 2})
    assert "must be an object" in refusal(page, "state", {"keep": True})
    page.ask("step")
    (numbers,) = page.wait_for("numbers")
    assert numbers.fields["step"] == 1
    assert page.session.lab.state.data == "xor"


def test_steps_epochs_and_reset(page: Page) -> None:
    page.ask("state", {"state": {}, "keep": True, "number": 1})
    start, _ = page.wait_for("numbers", "curves")
    page.ask("step")
    numbers, _ = page.wait_for("numbers", "curves")
    assert (numbers.fields["step"], numbers.fields["epoch"]) == (1, 0)
    page.ask("epoch")
    numbers, _ = page.wait_for("numbers", "curves")
    assert (numbers.fields["step"], numbers.fields["epoch"]) == (25, 1)
    page.ask("reset")
    built, numbers, curves = page.wait_for("built", "numbers", "curves")
    assert built.fields["step"] == numbers.fields["step"] == 0
    assert numbers.fields["layers"] == start.fields["layers"]
    assert curves.fields["first"] == 0 and curves.fields["steps"] == [0]


def test_a_run_sends_maps_and_curves_until_it_is_paused(page: Page) -> None:
    page.set_state({})
    page.ask("run", {"on": True})
    steps: list[int] = []
    while len(steps) < 6:
        _, numbers, _ = page.wait_for("maps", "numbers", "curves")
        steps.append(numbers.fields["step"])
        assert numbers.fields["running"]
    assert steps == sorted(steps) and steps[-1] > 60
    assert numbers.fields["steps_per_second"] > 60
    assert numbers.fields["train_loss"] < 0.7
    page.ask("run", {"on": False})
    while page.wait_for("numbers")[0].fields["running"]:
        pass
    step = page.session.lab.step
    time.sleep(0.2)
    assert page.session.lab.step == step
    whole: list[int] = []
    for frame in page.frames:
        if frame.kind == "curves":
            whole = whole[: frame.fields["first"]] + frame.fields["steps"]
    assert whole == sorted(set(whole)) and whole[-1] == step


def test_a_run_comes_to_the_numbers_of_the_script(page: Page) -> None:
    page.set_state({"hidden": [{"units": 4, "dropout": 0.2}]})
    page.ask("run", {"on": True})
    page.wait_for("maps")
    page.ask("run", {"on": False})
    while (numbers := page.wait_for("numbers")[0]).fields["running"]:
        pass
    lab = Lab(page.session.lab.state)
    for _ in range(numbers.fields["step"]):
        lab.train_step()
    assert numbers.fields["layers"] == lab.weights()
    assert numbers.fields["exact"]
    page.ask("script")
    (script,) = page.wait_for("script")
    assert script.fields["text"] == make_script(lab.state, lab.step)


def test_a_pace_holds_it_back(page: Page) -> None:
    page.set_state({})
    page.ask("run", {"on": True, "pace": 40})
    began = time.monotonic()
    page.wait_for("numbers")
    while page.wait_for("numbers")[0].fields["step"] < 20:
        pass
    assert time.monotonic() - began > 0.3
    assert page.session.lab.step < 45 * (time.monotonic() - began) + 10


def test_a_run_goes_on_through_changes_and_edits(page: Page) -> None:
    page.set_state({})
    page.ask("run", {"on": True})
    built, _, numbers = page.set_state({"lr": 0.1, "hidden": [{"units": 3}]}, keep=True)
    assert numbers.fields["running"] and len(built.fields["layers"]) == 2
    page.ask("edit", {"layer": 0, "what": "bias", "row": 1, "value": 0.5})
    assert page.wait_for("numbers")[0].fields["running"]
    page.ask("step")
    while page.wait_for("numbers")[0].fields["running"]:
        pass


def test_phases(page: Page) -> None:
    page.set_state({})
    page.ask("run", {"on": True})
    page.wait_for("maps")
    known = 0
    for name in NAMES:
        page.ask("phase", {"name": name})
        phase, *shown = page.wait_for("phase", *(["numbers"] if name == "update" else []))
        assert phase.fields["name"] == name and len(phase.fields["samples"]) in (10, 250 % 10)
        assert len(phase.fields) >= known
        known = len(phase.fields)
    (numbers,) = shown
    assert not numbers.fields["running"] and numbers.fields["step"] == phase.fields["step"] + 1
    assert "forward is next, not 'update'" in refusal(page, "phase", {"name": "update"})


def test_an_edit_is_seen_at_once(page: Page) -> None:
    page.set_state({})
    page.ask("edit", {"layer": 1, "what": "weight", "row": 1, "column": 3, "value": -1.5})
    _, numbers = page.wait_for("maps", "numbers")
    assert numbers.fields["layers"][1]["weight"][1][3] == -1.5 and not numbers.fields["exact"]
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"layer": 5, "what": "bias", "row": 0, "value": 1}, "layers are counted"),
        ({"layer": 0, "what": "bias", "row": 0, "value": "much"}, "value must be a finite number"),
        ({"layer": 0, "what": "bias", "row": "a", "value": 1}, "row and column must be integers"),
        ({"layer": 0, "what": "weight", "row": 0, "column": 2, "value": 1}, "there is none at"),
    ]
    for fields, message in wrong:
        assert message in refusal(page, "edit", fields)


def test_points_of_ones_own(page: Page) -> None:
    page.set_state({})
    page.ask("add", {"points": [[1, 1, 1], [-1, -1, 0]]})
    built, *_ = page.wait_for("built", "points", "maps", "numbers")
    assert built.fields["state"]["data"] == "own" and built.fields["points"] == {"train": 1, "test": 1}
    page.ask("add", {"points": [[2, 2, 2]]})
    built, points, maps, _ = page.wait_for("built", "points", "maps", "numbers")
    assert built.fields["state"]["classes"] == 3 and maps.arrays["output"].shape == (3, LARGE, LARGE)
    assert len(points.arrays["train"]) + len(points.arrays["test"]) == 3
    page.ask("csv", {"text": "a,b,kind\n1,20,no\n3,40,yes\n5,60,no"})
    built, points, _ = page.wait_for("built", "points", "numbers")
    assert points.fields["scaled"] and built.fields["state"]["classes"] == 2
    assert np.abs(built.fields["state"]["points"]).max() == 5
    page.ask("clear")
    built, points, numbers = page.wait_for("built", "points", "numbers")
    assert built.fields["state"]["points"] == [] and numbers.fields["train_loss"] is None
    for kind, fields in (("step", {}), ("epoch", {}), ("run", {"on": True}), ("phase", {"name": "forward"})):
        assert "there are no points to learn from" in refusal(page, kind, fields)
    assert "no points in this text" in refusal(page, "csv", {"text": ""})
    assert "between -6 and 6" in refusal(page, "add", {"points": [[1, 9, 1]]})


def test_a_loss_stays_as_long_as_it_fits(page: Page) -> None:
    page.set_state({"data": "own", "loss": "hinge", "points": [[1, 1, 0]]})
    losses = []
    for target in (1, 2):
        page.ask("add", {"points": [[2, 2, target]]})
        losses.append(page.wait_for("built", "numbers")[0].fields["state"]["loss"])
    assert losses == ["hinge", "auto"]


def test_regenerate_takes_other_points_and_keeps_the_weights(page: Page) -> None:
    _, _, before = page.set_state({"seed": 4})
    page.ask("step")
    (before,) = page.wait_for("numbers")
    page.ask("regenerate")
    built, _, numbers = page.wait_for("built", "points", "numbers")
    assert built.fields["state"]["seed"] == 5
    assert numbers.fields["layers"] == before.fields["layers"]
    assert not numbers.fields["exact"]


def test_watch_shows_one_unit_at_large(page: Page) -> None:
    page.set_state({})
    for layer, unit in ((0, 1), (1, 3), (2, 0), (3, 0)):
        page.ask("watch", {"layer": layer, "unit": unit})
        (maps,) = page.wait_for("maps")
        assert maps.fields["watch"] == {"layer": layer, "unit": unit}
        assert maps.arrays["watched"].shape == (LARGE, LARGE)
    np.testing.assert_array_equal(maps.arrays["watched"], maps.arrays["output"])
    page.ask("watch", {"layer": 1, "unit": 3})
    page.wait_for("maps")
    _, maps, _ = page.set_state({"hidden": [{"units": 2}]}, keep=True)  # which has no such unit
    assert maps.fields["watch"] is None and "watched" not in maps.arrays
    assert "layer 1 has units from 0 to 1" in refusal(page, "watch", {"layer": 1, "unit": 3})
    assert "counted from 0, the inputs, to 2" in refusal(page, "watch", {"layer": 3, "unit": 0})
    page.ask("watch", {"layer": 1, "unit": None})
    assert page.wait_for("maps")[0].fields["watch"] is None


def test_a_file_is_opened_where_it_was_left(page: Page, tmp_path: Any) -> None:
    state = {"data": "spiral", "hidden": [{"units": 5, "batch_norm": True, "activation": "relu"}], "noise": 5}
    page.set_state(state)
    page.ask("epoch")
    page.ask("step")
    page.ask("file")
    (file,) = page.wait_for("file")
    (numbers,) = [frame for frame in page.frames if frame.kind == "numbers" and frame.fields["step"] == 26]
    assert file.fields["name"] == "playground.safetensors"
    data = file.arrays["bytes"]
    with Page() as other:
        other.set_state({"data": "gauss"})
        other.ask("open", bytes=data)
        built, _, again = other.wait_for("built", "points", "numbers")
        assert read_state(built.fields["state"]) == read_state(state)
        for key in ("step", "epoch", "layers", "train_loss", "test_loss"):
            assert again.fields[key] == numbers.fields[key], key
        for session in (page, other):
            session.ask("step")
        (one,), (two,) = page.wait_for("numbers"), other.wait_for("numbers")
        while one.fields["step"] < 27:
            (one,) = page.wait_for("numbers")
        assert one.fields["layers"] == two.fields["layers"]  # the same batch, in the same order
    (tmp_path / "file.safetensors").write_bytes(data.tobytes())
    model = xpnet.load(tmp_path / "file.safetensors")  # as any network of xpnet's
    lab = page.session.lab
    assert model.predict(lab.x).shape == (250, 1) and type(model.optimizer).__name__ == "SGD"


def test_files_that_are_none_are_refused_and_nothing_changes(page: Page, tmp_path: Any) -> None:
    from safetensors.numpy import load, save

    page.set_state({"data": "xor"})
    page.ask("file")
    data = page.wait_for("file")[0].arrays["bytes"].tobytes()

    def refused(content: bytes) -> str:
        return refusal(page, "open", bytes=np.frombuffer(content, np.uint8))

    assert "is no network's file (.safetensors): it is a text file" in refused(b"nothing")
    assert "is no network's file (.safetensors), or it is damaged" in refused(data[:-10])
    assert "does not come from the playground" in refused(save(load(data)))
    assert "state in this file is damaged: lr must be" in refused(data.replace(b'"lr\\": 0.03', b'"lr\\": -0.3'))
    about = '{"state": {"hidden": []}, "step": 1, "epoch": 0, "place": 0}'
    assert "weights in this file do not fit the network" in refused(save(load(data), {KEY: about}))
    whole = {name: tensor.astype("int32") for name, tensor in load(data).items()}
    about = '{"state": {"data": "xor"}, "step": 1, "epoch": 0, "place": 0}'
    assert "no floating point numbers" in refused(save(whole, {KEY: about}))
    many = about.replace('"step": 1', '"step": ' + "9" * 400)
    assert "step must be an integer" in refused(save(load(data), {KEY: many}))
    page.ask("step")
    assert page.wait_for("numbers")[0].fields["step"] == 1
    assert page.session.lab.state.data == "xor"


def test_divergence_stops_the_run_with_one_message(page: Page) -> None:
    page.set_state({"problem": "regression", "data": "plane", "hidden": [], "lr": 1})
    page.ask("run", {"on": True})
    (error,) = page.wait_for("error")
    assert error.fields["about"] == "work"
    assert "the training diverged in step" in error.fields["text"]
    numbers = [frame for frame in page.frames if frame.kind == "numbers"][-1]
    assert not numbers.fields["running"] and not page.session.running
    page.ask("reset")
    assert page.wait_for("built", "numbers")[1].fields["train_loss"] is not None
    assert len([frame for frame in page.frames if frame.kind == "error"]) == 1


def test_requests_of_the_wrong_form_are_answered_and_the_page_goes_on(
    page: Page, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each with one clear error, which is no fault of ours: nothing of it on the terminal."""
    page.set_state({})
    assert "'csv' must have a field 'text'" in refusal(page, "csv")
    assert "'add' must have a field 'points'" in refusal(page, "add")
    assert "'edit' must have a field 'row'" in refusal(page, "edit")
    assert "'open' must have an array 'bytes'" in refusal(page, "open")
    assert "line 1 cannot be read" in refusal(page, "csv", {"text": f"1,{'2' * 200_000},3"})
    assert "line 2 must be x1, x2 and target" in refusal(page, "csv", {"text": f"1,2,0\n1,{'2' * 400},1"})
    large = 10**400
    for state in ({"seed": large}, {"lr": large}, {"noise": -large}, {"points": [[large, 0, 0]]}, {"hidden": [large]}):
        assert refusal(page, "state", {"state": state, "keep": True, "number": 2})
    assert "number must be an integer" in refusal(page, "state", {"state": {}, "keep": True, "number": large})
    assert "pace must be a positive number" in refusal(page, "run", {"on": True, "pace": large})
    assert "value must be a finite number" in refusal(
        page, "edit", {"layer": 0, "what": "bias", "row": 0, "value": large}
    )
    assert refusal(page, "edit", {"layer": 0, "what": "bias", "row": large, "value": 1})
    for kind in ("state", "add", "csv", "edit", "open", "run", "phase"):
        assert refusal(page, kind)
        assert refusal(page, kind, {"layer": [], "state": 3, "points": 4, "on": "yes", "name": None})
    assert refusal(page, "watch", {"layer": [], "unit": 0})
    page.ask("script")
    page.wait_for("script")
    assert capfd.readouterr().err == ""


def test_a_run_keeps_the_pace_that_is_asked_for(page: Page) -> None:
    page.set_state({})
    page.ask("run", {"on": True, "pace": 20})
    began = time.monotonic()
    while time.monotonic() < began + 1.5:
        page.wait_for("numbers")
    assert 10 <= page.session.lab.step <= 20 * (time.monotonic() - began) + 4
    page.ask("run", {"on": True})  # as fast as it can
    before, began = page.session.lab.step, time.monotonic()
    while time.monotonic() < began + 1:
        page.wait_for("numbers")
    assert page.session.lab.step - before > 50


def test_the_rate_of_steps_is_never_negative(page: Page) -> None:
    page.set_state({})
    page.ask("run", {"on": True})
    for name in ("he", "xavier", "small"):
        page.wait_for("numbers")
        page.ask("state", {"state": {"initializer": name}, "keep": False, "number": 2})
        page.wait_for("built")
    page.wait_for("numbers")
    rates = [frame.fields["steps_per_second"] for frame in page.frames if frame.kind == "numbers"]
    assert all(rate is None or rate >= 0 for rate in rates)


def test_a_page_is_told_while_kernels_are_compiled(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for them meanwhile: the network learns once they are there, and can be paused before."""
    warming = True
    monkeypatch.setattr("xpnet.serving.playground.session.is_warming", lambda: warming)
    page.set_state({"hidden": [{}]})
    page.set_state({"hidden": [{"batch_norm": True}]})
    told = [frame.fields["on"] for frame in page.frames if frame.kind == "compiling"]
    assert told == [True]
    page.ask("run", {"on": True})
    page.wait_for("numbers")
    time.sleep(0.1)
    assert page.session.lab.step == 0
    warming = False
    (frame,) = page.wait_for("compiling")
    assert not frame.fields["on"]
    while page.wait_for("numbers")[0].fields["step"] == 0:
        pass


def test_kernels_are_compiled_once_in_a_thread_beside() -> None:
    warm_up()
    thread = warm._thread
    warm_up()
    assert warm._thread is thread and thread.daemon
    thread.join(120)
    assert not is_warming()
