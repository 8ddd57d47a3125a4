"""What a page asks for, and what it is told."""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.serving.digit.talk import Page, drawn, opened
from xpnet import Sequential, analysis, networks
from xpnet.errors import FormatError
from xpnet.layers import Dense, Flatten
from xpnet.serving.digit.session import DigitSession
from xpnet.serving.digit.shelf import NEW, Shelf
from xpnet.serving.digit.training import PLANS, Plan
from xpnet.serving.frames import Frame


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in PLANS:
        monkeypatch.setitem(PLANS, key, Plan(2, 200, 50, 0.005))


def of(slot: str, **fields: Any) -> Any:
    return lambda frame: frame.fields["slot"] == slot and all(frame.fields[k] == v for k, v in fields.items())


def error(page: Page, kind: str, fields: dict[str, Any] | None = None, **arrays: np.ndarray) -> str:
    """What the page is told about a request that cannot be answered."""
    page.ask(kind, fields, **arrays)
    frame = page.wait("error")
    assert frame.fields["about"] == kind
    return str(frame.fields["text"])


# ---- networks ------------------------------------------------------------------------------------------------------


def test_a_page_begins_with_the_catalogue_and_the_first_network(shelf: Shelf) -> None:
    with opened(shelf) as page:
        catalogue, network = page.frames
        assert [frame.kind for frame in page.frames] == ["catalogue", "network"]
        listed = catalogue.fields["networks"]
        assert [each["key"] for each in listed] == ["package", *NEW]
        assert listed[0] == {
            "key": "package", "name": "DeepConvNet", "note": "package", "where": "", "trained": True,
            "accuracy": 0.9958, "parameters": 123552,
        }  # fmt: skip
        assert network.fields["slot"] == "a" and network.fields["key"] == "package"
        assert network.arrays["filters"].shape == (16, 1, 3, 3)
        layers = network.fields["layers"]
        assert [layer["index"] for layer in layers] == list(range(14))
        assert layers[0] == {
            "index": 0, "path": "conv1", "kind": "conv", "shape": [16, 28, 28], "shown": "maps", "from": -1,
        }  # fmt: skip
        assert layers[-1]["kind"] == "softmax" and layers[-1]["shown"] == "units" and layers[-1]["shape"] == [10]


def test_a_network_is_chosen_and_taken_away(shelf: Shelf) -> None:
    with opened(shelf) as page:
        page.ask("choose", {"slot": "b", "network": "package"})
        assert page.wait("network", of("b")).fields["trained"]
        page.ask("choose", {"slot": "b", "network": None})
        assert page.wait("network", of("b")).fields["key"] is None
        assert (
            error(page, "choose", {"slot": "a", "network": None}) == "the first place always has a network: choose one"
        )
        assert "no network 'x'" in error(page, "choose", {"slot": "a", "network": "x"})
        assert "places a and b" in error(page, "choose", {"slot": "c", "network": "package"})
        assert "no network in the place b" in error(page, "mistakes", {"slot": "b"})


def test_a_file_of_ones_own_is_opened_in_parts(shelf: Shelf, tmp_path: Path) -> None:
    model = Sequential([Flatten(), Dense(10)])
    model.build((1, 28, 28))
    model.save(tmp_path / "x.safetensors")
    data = np.frombuffer((tmp_path / "x.safetensors").read_bytes(), np.uint8)
    with opened(shelf) as page, opened(shelf) as other:
        half = len(data) // 2
        page.ask("open", {"name": "mine", "part": 0, "parts": 2}, bytes=data[:half])
        page.ask("open", {"name": "mine", "part": 1, "parts": 2}, bytes=data[half:])
        key = page.wait("opened").fields["key"]
        assert key == "own:1"
        page.ask("choose", {"slot": "a", "network": key})
        frame = page.wait("network")
        assert frame.fields["name"] == "Sequential: mine" and not frame.arrays
        assert "mine" in error(page, "open", {"name": "mine", "part": 0, "parts": 1}, bytes=data[:half])
        assert "no network" in error(other, "choose", {"slot": "a", "network": key})  # it is this page's alone


# ---- reading -------------------------------------------------------------------------------------------------------


def test_a_digit_is_read_by_both_and_the_maps_follow(shelf: Shelf, mnist_test: Any) -> None:
    pixels = mnist_test[0][0, 0]
    with opened(shelf) as page:
        page.ask("choose", {"slot": "b", "network": "package"})
        page.wait("network")
        del page.frames[:]
        page.draw(pixels, 5)
        maps = page.wait("maps", of("b", number=5))
        assert [(frame.kind, frame.fields["slot"]) for frame in page.frames] == [
            ("reading", "a"), ("reading", "b"), ("maps", "a"), ("maps", "b"),
        ]  # fmt: skip
        reading = page.frames[0]
        assert reading.fields["answer"] == 7 and reading.fields["blank"] is False
        assert reading.fields["milliseconds"] > 0
        model, digit = shelf.entry("package").make(), reading.arrays["digit"]
        outputs = [*analysis.activations(model, digit[None]).values(), analysis.probabilities(model, digit[None, None])]
        assert maps.fields["layers"] == list(range(14))
        for index, output in enumerate(outputs):
            np.testing.assert_allclose(maps.arrays[str(index)], output[0], rtol=1e-5, atol=1e-6)


def test_a_blank_canvas_says_so(shelf: Shelf, mnist_test: Any) -> None:
    with opened(shelf) as page:
        page.ask("read", {"number": 3, "picture": False}, pixels=np.zeros((280, 280), np.uint8))
        assert page.wait("reading").fields == {"slot": "a", "number": 3, "blank": True}
        assert "nothing is drawn" in error(page, "teach", {"label": 3})
        assert "nothing is drawn" in error(page, "explain", {"slot": "a", "method": "saliency", "label": None})
        assert "shape" in error(page, "read", {"number": 3}, pixels=np.zeros(4, np.uint8))
        page.draw(mnist_test[0][0, 0])  # and all goes on


def test_of_several_readings_that_wait_the_newest_counts(shelf: Shelf, mnist_test: Any) -> None:
    session = DigitSession(shelf)
    for number in range(3):
        session.receive(Frame("read", {"number": number}, {"pixels": drawn(mnist_test[0][number, 0])}))
    page = Page(session)
    page.start()
    assert page.wait("reading").fields["number"] == 2
    session.stop()


def test_a_unit_is_told_number_by_number(shelf: Shelf, mnist_test: Any) -> None:
    with opened(shelf) as page:
        page.draw(mnist_test[0][0, 0])
        maps = page.wait("maps").arrays
        page.ask("unit", {"slot": "a", "layer": 1, "channel": 3, "row": 0, "column": 27})
        frame = page.wait("unit")
        fields = frame.fields
        assert fields["window"] == {"rows": [-1, 2], "columns": [26, 29]} and fields["from"] == 0
        assert (fields["operation"], fields["activation"]) == ("convolution", "relu")
        assert {name: array.shape for name, array in frame.arrays.items()} == dict.fromkeys(
            ("inputs", "weights", "products"), (16, 3, 3)
        )
        assert fields["sum"] == pytest.approx(fields["bias"] + frame.arrays["products"].sum(), abs=1e-5)
        assert fields["value"] == maps["1"][3, 0, 27] == pytest.approx(max(fields["sum"], 0), abs=1e-5)
        page.ask("unit", {"slot": "a", "layer": 13, "channel": 7})
        frame = page.wait("unit")
        assert frame.fields["operation"] == "softmax" and frame.fields["window"] is None
        assert frame.arrays["products"][7] / frame.fields["sum"] == pytest.approx(frame.fields["value"])
        assert "no layer 14" in error(page, "unit", {"slot": "a", "layer": 14, "channel": 0})
        assert "no unit" in error(page, "unit", {"slot": "a", "layer": 1, "channel": 99, "row": 0, "column": 0})


def test_an_explanation_is_that_of_the_library(shelf: Shelf, mnist_test: Any) -> None:
    model = shelf.entry("package").make()
    with opened(shelf) as page:
        x = page.draw(mnist_test[0][0, 0]).arrays["digit"][None, None]
        for method, expected in (
            ("saliency", analysis.saliency(model, x, 7)[0]),
            ("grad_cam", analysis.grad_cam(model, x, 7)[0]),
            ("occlusion", analysis.occlusion(model, x, 7, 6, 3)[0]),
        ):
            page.ask("explain", {"slot": "a", "method": method, "label": None})
            frame = page.wait("explanation")
            assert frame.fields == {"slot": "a", "method": method, "label": 7}
            largest = 1 if method == "occlusion" else expected.max()
            np.testing.assert_allclose(frame.arrays["map"], expected / largest, rtol=1e-4, atol=1e-6)
        page.ask("explain", {"slot": "a", "method": "saliency", "label": 2})
        assert page.wait("explanation").fields["label"] == 2
        assert "'x'" not in error(page, "explain", {"slot": "a", "method": "lime", "label": None})
        assert "no class" in error(page, "explain", {"slot": "a", "method": "occlusion", "label": 12})


# ---- other digits --------------------------------------------------------------------------------------------------


def test_a_picture_becomes_ink(shelf: Shelf, mnist_test: Any) -> None:
    file = io.BytesIO()
    paper = 255 - np.pad(np.kron(mnist_test[0][0, 0], np.ones((5, 5), np.uint8)), ((40, 90), (70, 30)))
    Image.fromarray(paper).save(file, "PNG")
    with opened(shelf) as page:
        page.ask("picture", file=np.frombuffer(file.getvalue(), np.uint8))
        ink = page.wait("picture").arrays["pixels"]
        assert ink.shape == (280, 280) and ink.dtype == np.uint8 and ink.max() == 255
        page.ask("read", {"number": 1, "picture": True}, pixels=ink)
        assert page.wait("reading").fields["answer"] == 7
        assert "cannot be read as an image" in error(page, "picture", file=np.zeros(9, np.uint8))


def test_test_digits_come_by_number_at_random_and_when_they_are_misread(shelf: Shelf) -> None:
    x, t = shelf.digits("test")
    wrong = wrong_of(shelf, "package")
    with opened(shelf) as page:
        for which in (5, "random", "random", *["misclassified"] * (len(wrong) + 1)):
            page.ask("sample", {"which": which})
            frame = page.wait("sample")
            index = frame.fields["index"]
            np.testing.assert_array_equal(frame.arrays["pixels"], x[index, 0])
            assert frame.fields["label"] == t[index]
            assert which != "misclassified" or index in wrong
        assert len({frame.fields["index"] for frame in page.frames[-len(wrong) :]}) == len(wrong)
        assert "no 600" in error(page, "sample", {"which": 600})


def wrong_of(shelf: Shelf, key: str) -> list[int]:
    x, t = shelf.digits("test")
    return sorted(analysis.misclassified(shelf.entry(key).make(), x.astype(np.float32) / 255, t).indices.tolist())


def test_a_network_that_is_always_right_says_so(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    right = shelf.digits("test")[0][:100], shelf.digits("test")[1][:100]
    monkeypatch.setattr(shelf, "digits", lambda part: right)
    assert not wrong_of(shelf, "package")
    with opened(shelf) as page:
        assert "all test digits right" in error(page, "sample", {"which": "misclassified"})
        page.ask("mistakes", {"slot": "a"})
        assert page.wait("mistakes", of("a", done=True)).arrays["pixels"].shape == (0, 28, 28)


def test_mistakes_are_listed_while_they_are_found(shelf: Shelf) -> None:
    wrong = wrong_of(shelf, "package")
    with opened(shelf) as page:
        page.ask("mistakes", {"slot": "a"})
        frame = page.wait("mistakes", of("a", done=True))
        assert frame.fields["indices"] == wrong and frame.fields["seen"] == frame.fields["of"] == 600
        x, t = shelf.digits("test")
        np.testing.assert_array_equal(frame.arrays["pixels"], x[wrong, 0])
        assert frame.fields["labels"] == t[wrong].tolist()
        assert all(a != b for a, b in zip(frame.fields["answers"], frame.fields["labels"], strict=True))


# ---- learning ------------------------------------------------------------------------------------------------------


def test_a_page_is_taught_and_undone_and_no_other_is_changed(shelf: Shelf, mnist_test: Any) -> None:
    pixels = mnist_test[0][4, 0]  # a 4
    with opened(shelf) as page, opened(shelf) as other:
        first = page.draw(pixels).arrays["probabilities"]
        page.ask("teach", {"label": 7})
        assert page.wait("taught").fields == {"undo": True}
        lessons = [frame for frame in page.frames if frame.kind == "lesson"]
        assert [frame.fields["step"] for frame in lessons] == list(range(1, len(lessons) + 1))
        assert {frame.fields["steps"] for frame in lessons} == {24}
        assert lessons[-1].arrays["probabilities"].shape == (10,)
        assert page.wait("reading").fields["answer"] == 7
        page.wait("maps")
        np.testing.assert_array_equal(other.draw(pixels).arrays["probabilities"], first)
        page.ask("teach", {"label": 1})
        page.wait("taught")
        page.ask("undo")
        assert page.wait("undone").fields == {"undo": True}
        assert page.wait("reading").fields["answer"] == 7
        page.ask("undo")
        assert page.wait("undone").fields == {"undo": False}
        np.testing.assert_array_equal(page.wait("reading").arrays["probabilities"], first)
        assert "a digit is 0 to 9" in error(page, "teach", {"label": 10})


def test_both_networks_are_taught_and_undone(shelf: Shelf, mnist_test: Any) -> None:
    with opened(shelf) as page:
        page.ask("choose", {"slot": "b", "network": "package"})
        page.wait("network")
        page.draw(mnist_test[0][4, 0])
        page.ask("teach", {"label": 7})
        page.wait("taught")
        assert [page.wait("reading", of(slot)).fields["answer"] for slot in "ab"] == [7, 7]
        page.ask("undo")
        assert [page.wait("reading", of(slot)).fields["answer"] for slot in "ab"] == [4, 4]


def test_a_new_network_learns_in_front_of_ones_eyes_and_others_can_choose_it(shelf: Shelf, mnist_test: Any) -> None:
    with opened(shelf) as page, opened(shelf) as other:
        page.draw(mnist_test[0][0, 0], 4)
        page.ask("choose", {"slot": "a", "network": "lenet5"})
        assert page.wait("network").fields["trained"] is False
        steps = [page.wait("training", lambda frame: frame.fields["step"] >= 1)]
        assert steps[0].arrays["filters"].shape == (6, 1, 5, 5) and steps[0].fields["on"] is True
        assert steps[0].fields["steps"] == 8 and steps[0].fields["seconds_left"] >= 0
        network = page.wait("network", lambda frame: frame.fields["trained"])
        assert network.fields["key"] == "here-1" and network.fields["name"] == "LeNet-5"
        assert network.fields["note"] == "here" and 0 < network.fields["accuracy"] < 1
        end = page.wait("training", of("a", done=True))
        assert end.fields["on"] is False and end.fields["key"] == "here-1"
        reading = page.wait("reading", of("a", number=4))
        other.wait("catalogue", lambda frame: "here-1" in [each["key"] for each in frame.fields["networks"]])
        other.ask("choose", {"slot": "a", "network": "here-1"})
        assert other.wait("network").fields["accuracy"] == network.fields["accuracy"]
        seen = other.draw(mnist_test[0][0, 0])
        np.testing.assert_array_equal(seen.arrays["probabilities"], reading.arrays["probabilities"])


def test_a_training_pauses_and_goes_on(shelf: Shelf, monkeypatch: pytest.MonkeyPatch, mnist_test: Any) -> None:
    monkeypatch.setitem(PLANS, "mlp", Plan(100, 400, 20, 0.001))
    with opened(shelf) as page:
        page.ask("choose", {"slot": "b", "network": "mlp"})
        page.wait("training", lambda frame: frame.fields["step"] > 3)
        page.ask("train", {"slot": "b", "on": False})
        step = page.wait("training", of("b", on=False)).fields["step"]
        page.draw(mnist_test[0][0, 0])
        assert "still being trained" in error(page, "teach", {"label": 7})
        page.ask("train", {"slot": "b", "on": True})
        assert page.wait("training", of("b", on=True)).fields["step"] == step
        assert page.wait("training").fields["step"] > step
        assert "trained already" in error(page, "train", {"slot": "a", "on": True})


def test_pages_that_train_the_same_network_do_not_disturb_each_other(shelf: Shelf) -> None:
    with opened(shelf) as one, opened(shelf) as other:
        for page in (one, other):
            page.ask("choose", {"slot": "a", "network": "mlp"})
        found = [page.wait("network", lambda frame: frame.fields["trained"]).fields for page in (one, other)]
    assert {each["key"] for each in found} == {"here-1", "here-2"}
    assert all(each["accuracy"] > 0.5 for each in found)


def test_a_training_that_fails_is_told_of_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLANS, "mlp", Plan(100, 400, 20, 1e30))
    with opened(shelf) as page:
        page.ask("choose", {"slot": "b", "network": "mlp"})
        assert "error" in [page.wait("error").kind]
        time.sleep(0.2)
        page.ask("catalogue")
        page.wait("catalogue")


def test_a_page_that_goes_away_frees_everything(shelf: Shelf) -> None:
    with opened(shelf) as page:
        page.ask("choose", {"slot": "a", "network": "mlp"})
        page.wait("training")
        assert len(shelf.listeners) == 1
    for _ in range(100):
        if not shelf.listeners:
            break
        time.sleep(0.05)
    assert not shelf.listeners and not page.session.slots


def test_requests_of_another_form_are_refused(shelf: Shelf) -> None:
    with opened(shelf) as page:
        with pytest.raises(FormatError):
            page.ask("nonsense")
        for kind in ("read", "choose", "unit", "explain", "teach", "sample", "mistakes", "picture", "open", "train"):
            assert error(page, kind)
        assert error(page, "unit", {"slot": "a", "layer": "x", "channel": 0})


def test_a_flat_network_is_read_and_explained(shelf: Shelf, mnist_test: Any, tmp_path: Path) -> None:
    model = Sequential([Dense(10)])
    model.build((784,))
    model.save(tmp_path / "flat.safetensors")
    flat = Shelf(tmp_path / "flat.safetensors", tmp_path / "runs")
    with opened(flat) as page:
        page.draw(mnist_test[0][0, 0])
        for method in ("saliency", "occlusion"):
            page.ask("explain", {"slot": "a", "method": method, "label": 3})
            assert page.wait("explanation").arrays["map"].shape == (28, 28)
        assert "no convolution" in error(page, "explain", {"slot": "a", "method": "grad_cam", "label": 3})


def test_the_networks_of_the_commands_can_be_shown(shelf: Shelf) -> None:
    assert isinstance(shelf.entry("lenet5-1998").make(), networks.LeNet5)
    assert shelf.entry("lenet5-1998").make().variant == "1998"


def test_nan_is_no_digit(shelf: Shelf, mnist_test: Any) -> None:
    with opened(shelf) as page:
        model = page.session.slots["a"].model
        model.set_weights([np.full_like(each, np.nan) for each in model.get_weights()])
        page.session.slots["a"].changed()
        assert page.draw(mnist_test[0][0, 0]).fields["answer"] == "?"
        page.ask("mistakes", {"slot": "a"})
        assert set(page.wait("mistakes").fields["answers"]) == {"?"}
