"""The playground in a real browser: every control changes what it should, and its numbers are those of Python."""

import math
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.serving.browser import OpenTab, becomes, comes
from tests.serving.kit import Served
from xpnet import random
from xpnet.optimizers import OPTIMIZERS
from xpnet.serving.frames import Frame
from xpnet.serving.playground import state
from xpnet.serving.playground.lab import Lab
from xpnet.serving.playground.state import Hidden, State, read_state

pytestmark = pytest.mark.browser


class Playground:
    """The page, opened; `heard` has the newest frame of each kind."""

    def __init__(self, open_tab: OpenTab, served: Served, address: str = "", **options: Any) -> None:
        self.heard: dict[str, Frame] = {}
        path = f"playground#{address}" if address else "playground"
        self.tab = open_tab(served.address, path, heard=self.heard, **options)
        comes(self.tab, lambda: "numbers" in self.heard and "maps" in self.heard)

    def click(self, name: str) -> None:
        self.tab.locator(f"#{name}").click()

    def until(self, holds: Callable[[], bool]) -> None:
        comes(self.tab, holds)

    def shown(self, name: str) -> str:
        return self.tab.locator(f"#{name}").inner_text()

    @property
    def numbers(self) -> dict[str, Any]:
        return self.heard["numbers"].fields

    @property
    def state(self) -> State:
        """What the server has built."""
        return read_state(self.heard["built"].fields["state"])

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            before = self.numbers["step"]
            self.click("step")
            self.until(lambda: self.numbers["step"] == before + 1)  # noqa: B023

    def is_as(self, lab: Lab) -> None:
        """Weights, losses and maps are bit for bit those of the lab, and the page shows them."""
        assert self.numbers["step"] == lab.step
        assert self.numbers["layers"] == lab.weights()
        losses = lab.losses()
        assert {name: self.numbers[name] for name in losses} == losses
        if losses["train_loss"] is not None:
            shown = float(self.shown("train-loss").replace("\u2212", "-"))
            assert math.isclose(shown, losses["train_loss"], rel_tol=0.006, abs_tol=1e-9)
        assert self.shown("steps").replace(",", "") == str(lab.step)


def lab_of(state: State, steps: int = 0) -> Lab:
    with random.preserved_state():
        lab = Lab(state)
        for _ in range(steps):
            lab.train_step()
    return lab


class Control(NamedTuple):
    """What is done, and what becomes of the state."""

    name: str
    do: Callable[[Any], object]
    changes: dict[str, Any]


def click(name: str) -> Callable[[Any], object]:
    return lambda tab: tab.locator(f"#{name}").click()


def select(name: str, value: str) -> Callable[[Any], object]:
    return lambda tab: tab.locator(f"#{name}").select_option(value)


def slide(name: str, value: int) -> Callable[[Any], object]:
    return lambda tab: tab.locator(f"#{name}").fill(str(value))


def write(name: str, value: int) -> Callable[[Any], object]:
    def do(tab: Any) -> None:
        tab.locator(f"#{name}").fill(str(value))
        tab.keyboard.press("Enter")

    return do


MIDDLE_OF_LINK = """(id) => {
  const link = document.getElementById(id);
  const point = link.getPointAtLength(link.getTotalLength() / 2).matrixTransform(link.getScreenCTM());
  return [point.x, point.y];
}"""
FOUR, TWO = Hidden(4), Hidden(2)
# each group begins with the page as it opens, and each control finds what those before it have left
GROUPS = {
    "data": [
        Control("xor", click("data-xor"), {"data": "xor"}),
        Control("gauss", click("data-gauss"), {"data": "gauss"}),
        Control("noise", slide("noise", 25), {"noise": 25}),
        Control("share", slide("train", 70), {"train": 70}),
        Control("batch", slide("batch", 7), {"batch": 7}),
        Control("seed", write("seed", 12), {"seed": 12}),
        Control("regenerate", click("regenerate"), {"seed": 13}),
        Control("spiral", click("data-spiral"), {"data": "spiral"}),
        Control("three arms", slide("classes", 3), {"classes": 3}),
        Control("circle", click("data-circle"), {"data": "circle", "classes": 2}),
    ],
    "several classes": [
        Control("blobs", click("data-blobs"), {"data": "blobs", "classes": 3}),
        Control("classes", slide("classes", 5), {"classes": 5}),
        Control("hinge", select("loss", "multi_class_hinge"), {"loss": "multi_class_hinge"}),
        Control("squares", select("loss", "mean_squared_error"), {"loss": "mean_squared_error"}),
    ],
    "regression": [
        Control("problem", select("problem", "regression"), {"problem": "regression", "data": "plane"}),
        Control("multigauss", click("data-multigauss"), {"data": "multigauss"}),
        Control("absolute", select("loss", "mean_absolute_error"), {"loss": "mean_absolute_error"}),
        Control("huber", select("loss", "huber"), {"loss": "huber"}),
    ],
    "network": [
        Control("input on", click("neuron-0-2"), {"inputs": ("x1", "x2", "x1^2")}),
        Control("sine on", click("neuron-0-5"), {"inputs": ("x1", "x2", "x1^2", "sin x1")}),
        Control("input off", click("neuron-0-0"), {"inputs": ("x2", "x1^2", "sin x1")}),
        Control("a neuron more", click("more-neurons-0"), {"hidden": (Hidden(5), TWO)}),
        Control("a neuron fewer", click("fewer-neurons-1"), {"hidden": (Hidden(5), Hidden(1))}),
        Control("a layer more", click("more-layers"), {"hidden": (Hidden(5), Hidden(1), TWO)}),
        Control("its activation", select("activation-2", "relu"), {
            "hidden": (Hidden(5), Hidden(1), Hidden(2, "relu")),
        }),
        Control("all activations", select("activation", "sigmoid"), {
            "hidden": (Hidden(5, "sigmoid"), Hidden(1, "sigmoid"), Hidden(2, "sigmoid")),
        }),
        Control("dropout", select("dropout-0", "0.3"), {
            "hidden": (Hidden(5, "sigmoid", dropout=0.3), Hidden(1, "sigmoid"), Hidden(2, "sigmoid")),
        }),
        Control("batch norm", click("batch-norm-0"), {
            "hidden": (Hidden(5, "sigmoid", True, 0.3), Hidden(1, "sigmoid"), Hidden(2, "sigmoid")),
        }),
        Control("a layer fewer", click("fewer-layers"), {
            "hidden": (Hidden(5, "sigmoid", True, 0.3), Hidden(1, "sigmoid")),
        }),
        Control("none", lambda tab: [click("fewer-layers")(tab) for _ in range(2)], {"hidden": ()}),
    ],
    "training": [
        Control("rate", select("learning-rate", "0.3"), {"lr": 0.3}),
        Control("loss", select("loss", "mean_squared_error"), {"loss": "mean_squared_error"}),
        Control("hinge", select("loss", "hinge"), {"loss": "hinge"}),
        Control("adam", select("optimizer", "adam"), {"optimizer": "adam"}),
        Control("momentum", select("optimizer", "momentum"), {"optimizer": "momentum"}),
        Control("L2", select("regularization", "L2"), {"regularization": "L2", "rate": 0.003}),
        Control("its rate", select("regularization-rate", "0.1"), {"rate": 0.1}),
        Control("L1", select("regularization", "L1"), {"regularization": "L1"}),
        Control("He", select("initializer", "he"), {"initializer": "he"}),
    ],
}  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
def test_every_control_changes_the_state_and_the_numbers_are_those_of_python(
    played: Served, open_tab: OpenTab, group: str
) -> None:
    page = Playground(open_tab, played)
    expected: dict[str, Any] = State().as_json()
    page.is_as(lab_of(State()))
    for control in GROUPS[group]:
        control.do(page.tab)
        expected = read_state(expected | _plain(control.changes)).as_json()
        state = read_state(expected)
        try:
            page.until(lambda: page.state == state)  # noqa: B023
        except AssertionError:
            pytest.fail(f"{control.name}: {page.state} instead of {state}")
        del page.heard["built"]
        page.click("reset")
        page.until(lambda: "built" in page.heard and page.numbers["step"] == 0)
        page.step(2)
        page.is_as(lab_of(state, 2))


def _plain(changes: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it."""
    layers = {"hidden": [asdict(layer) for layer in changes["hidden"]]} if "hidden" in changes else {}
    return changes | layers


def test_run_and_pause_and_the_curve_falls(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played, "data=gauss")
    first = page.numbers["train_loss"]
    page.click("run")
    page.until(lambda: page.numbers["running"] and page.numbers["epoch"] >= 3)
    assert "Pause" in page.shown("run")
    page.click("run")
    page.until(lambda: not page.numbers["running"])
    assert page.numbers["train_loss"] < first / 2
    page.is_as(lab_of(read_state({"data": "gauss"}), page.numbers["step"]))
    said = page.tab.locator("#curves").get_attribute("aria-label")
    assert page.shown("train-loss") in said and page.shown("test-loss") in said
    steps = page.numbers["step"]
    page.tab.wait_for_timeout(300)
    assert page.numbers["step"] == steps  # paused
    page.click("epoch")
    page.until(lambda: page.numbers["step"] > steps)
    assert page.numbers["step"] % 25 == 0
    page.click("reset")
    page.until(lambda: page.numbers["step"] == 0)
    page.is_as(lab_of(read_state({"data": "gauss"})))


def test_a_rate_changed_while_it_runs_does_not_begin_anew(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played)
    page.click("run")
    page.until(lambda: page.numbers["step"] > 20)
    page.tab.locator("#learning-rate").select_option("0.1")
    page.until(lambda: page.state.lr == 0.1 and page.numbers["step"] > 20 and page.numbers["running"])


def test_forward_backward_and_update_with_every_gradient(played: Served, open_tab: OpenTab) -> None:
    page, lab = Playground(open_tab, played), lab_of(State())
    page.tab.locator("#weights summary").click()
    for name in ("forward", "backward", "update"):
        page.click(name)
        page.until(lambda: "phase" in page.heard and page.heard["phase"].fields["name"] == name)  # noqa: B023
        assert page.heard["phase"].fields == lab.go_through(name)
        if name == "backward":
            gradient = page.heard["phase"].fields["layers"][1]["weight_grad"][0][2]
            becomes(page.tab, "document.getElementById('weight-1-0-2-gradient').textContent !== ''")
            shown = page.shown("weight-1-0-2-gradient").removeprefix("∇").replace("\u2212", "-")
            assert math.isclose(float(shown), gradient, rel_tol=0.06, abs_tol=1e-9)
    page.until(lambda: page.numbers["step"] == 1)
    page.is_as(lab)


@pytest.mark.parametrize("change", ["more-layers", "more-neurons-0", "neuron-0-0", "lesson-xor"])
def test_another_network_in_the_middle_of_a_step(played: Served, open_tab: OpenTab, change: str) -> None:
    """Numbers on links that are there no more; the step begins anew."""
    page = Playground(open_tab, played)
    for name in ("forward", "backward"):
        page.click(name)
        page.until(lambda: "phase" in page.heard and page.heard["phase"].fields["name"] == name)  # noqa: B023
    becomes(page.tab, "document.querySelectorAll('#links .words tspan').length > 0")
    del page.heard["built"]
    page.click(change)
    page.until(lambda: "built" in page.heard)
    becomes(page.tab, "document.querySelectorAll('#links .words tspan').length === 0")
    page.click("forward")
    page.until(lambda: page.heard["phase"].fields["name"] == "forward")


def test_links_and_biases_say_their_numbers_and_are_edited(played: Served, open_tab: OpenTab) -> None:
    page, lab = Playground(open_tab, played), lab_of(State())
    tab, editor = page.tab, page.tab.locator("#editor")
    x, y = tab.evaluate(MIDDLE_OF_LINK, "link-0-1-0")
    tab.mouse.move(x, y)
    weight = lab.weights()[0]["weight"][1][0]
    assert f"{weight:.3g}".replace("-", "\u2212") in page.shown("tip")
    tab.mouse.click(x, y)
    tab.keyboard.type("0.75")
    tab.keyboard.press("Enter")
    lab.edit(0, "weight", 1, 0, 0.75)
    page.until(lambda: page.numbers["layers"] == lab.weights())
    assert editor.is_hidden()
    assert tab.locator("#bias-dot-1-1").get_attribute("title")
    page.click("bias-dot-1-1")
    tab.keyboard.type("-0.5")
    tab.keyboard.press("Enter")
    lab.edit(1, "bias", 1, 0, -0.5)
    page.until(lambda: page.numbers["layers"] == lab.weights())
    page.click("neuron-2-1")
    assert editor.locator("input").count() == 5  # a bias, and a weight from each neuron before
    tab.keyboard.press("Escape")
    assert editor.is_hidden()
    page.is_as(lab)


def test_a_weight_and_a_bias_set_by_hand(played: Served, open_tab: OpenTab) -> None:
    page, lab = Playground(open_tab, played), lab_of(State())
    page.tab.locator("#weights summary").click()
    for name, place in (("weight-0-1-0", (0, "weight", 1, 0)), ("bias-2-0", (2, "bias", 0, 0))):
        page.tab.locator(f"#{name}").fill("1.5")
        page.tab.keyboard.press("Enter")
        lab.edit(*place, 1.5)
        page.until(lambda: page.numbers["layers"] == lab.weights())
    page.is_as(lab)


def test_to_hover_over_a_neuron_shows_it_large(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played)
    title, picture = page.shown("map-title"), "document.getElementById('map').toDataURL()"
    before = page.tab.evaluate(picture)
    page.tab.locator("#neuron-1-0").hover()
    page.until(lambda: (page.heard["maps"].fields["watch"] or {}).get("layer") == 1)
    assert page.shown("map-title") != title
    becomes(page.tab, f"{picture} !== {before!r}")
    page.tab.mouse.move(5, 5)
    page.until(lambda: page.heard["maps"].fields["watch"] is None)
    becomes(page.tab, f"{picture} === {before!r}")


def test_test_points_and_discrete_output_are_seen(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played, expected=("willReadFrequently",))
    colours = """() => {
      const map = document.getElementById("map");
      const { data } = map.getContext("2d").getImageData(0, 0, map.width, map.height);
      return new Set(new Uint32Array(data.buffer)).size;
    }"""
    many = page.tab.evaluate(colours)
    points = page.tab.evaluate("document.getElementById('points').toDataURL()")
    page.click("discrete")
    assert many > 20 and page.tab.evaluate(colours) <= 3
    page.click("show-test")
    assert page.tab.evaluate("document.getElementById('points').toDataURL()") != points
    assert "discrete=yes" in page.tab.url and "show_test=yes" in page.tab.url


def test_the_address_holds_it_all_and_the_back_button_works(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played)
    for control in GROUPS["network"][:6]:
        control.do(page.tab)
    page.tab.locator("#optimizer").select_option("adam")
    page.until(lambda: page.state.optimizer == "adam")
    address = page.tab.locator("#address").input_value()
    assert address == page.tab.url
    other = Playground(open_tab, played, address.partition("#")[2])
    assert other.state == page.state
    other.step(2)
    other.is_as(lab_of(other.state, 2))
    page.tab.go_back()
    page.until(lambda: page.state.optimizer == "sgd")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("data=nothing&lr=x", "data=nothing → circle, lr=x → 0.03"),
        ("hidden=99,,&inputs=", "hidden=99,, → 8, inputs → x1,x2"),
        ("seed=-1&batch=1e9", "seed=-1 → 0, batch=1e9 → 30"),
        ("lr=0&noise=&discrete=maybe", "lr=0 → 0.03, noise → 0, discrete=maybe → no"),
        ("%zz", "%zz → –"),
        ("toString=1&lesson=constructor", "toString=1 → –, lesson=constructor → –"),
        ("problem=regression&loss=hinge", "loss=hinge → auto"),
        ("hidden=4relu+norm+drop0.3,2tanh&inputs=x2,sinx1&lr=1e-3&data=own&points=1,2,0;3,3,1", ""),
        ("hide=,<b>,nothing", ""),
        ("points=1,2&data=own", "points=1,2 → –"),
    ],
)
def test_an_address_with_mistakes_opens_and_says_what_was_taken(
    played: Served, open_tab: OpenTab, address: str, said: str
) -> None:
    page = Playground(open_tab, played, address)
    notice = page.tab.locator("#notice")
    becomes(page.tab, f"document.getElementById('notice').textContent.endsWith({said!r})")
    assert bool(notice.inner_text()) == bool(said)
    page.click("more-layers")  # what is changed is a state that was asked for
    becomes(page.tab, "document.getElementById('notice').textContent === ''")


@pytest.mark.parametrize(("given", "taken"), [("-3", 0), ("1.5", 2), ("1e20", 2147483647), ("", 1), ("7", 7)])
def test_a_seed_that_cannot_be_is_said(played: Served, open_tab: OpenTab, given: str, taken: int) -> None:
    page = Playground(open_tab, played)
    page.tab.locator("#seed").fill("5")
    page.tab.locator("#seed").fill(given)
    page.tab.keyboard.press("Enter")
    page.tab.locator("#seed").blur()
    page.until(lambda: page.state.seed == taken)
    assert page.tab.locator("#seed").input_value() == str(taken)
    said = page.tab.locator("#notice").inner_text()
    assert said.endswith(f"Seed {given} → {taken}") if given not in ("", "7") else not said


def test_after_a_reload_the_settings_are_kept_and_the_page_says_what_is_not(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played, "data=xor")
    page.step()
    page.tab.reload()
    becomes(page.tab, "document.getElementById('sentence').textContent.includes('loaded anew')")
    page.until(lambda: page.numbers["step"] == 0)
    assert page.state.data == "xor"
    page.step()
    assert "loaded anew" not in page.shown("sentence")
    page.click("reset")
    page.until(lambda: page.numbers["step"] == 0)
    page.tab.reload()
    page.tab.wait_for_timeout(500)
    assert "loaded anew" not in page.shown("sentence")


OVERLAPS = """() => {
  const shown = [...document.querySelectorAll("#heads :is(button, select, input, h3, p, output, span)")];
  const boxes = shown.map((element) => [element, element.getBoundingClientRect()]);
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 0.5
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 0.5;
  const found = [];
  for (const [i, [one, a]] of boxes.entries())
    for (const [other, b] of boxes.slice(i + 1))
      if (meet(a, b)) found.push(`${one.id || one.textContent} / ${other.id}`);
  return found;
}"""


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
@pytest.mark.parametrize("width", [360, 1280, 1920])
def test_six_layers_stand_beside_each_other(played: Served, open_tab: OpenTab, width: int, language: str) -> None:
    page = Playground(open_tab, played, "hidden=8,8,8,8,8,8", width=width, language=language)
    assert page.tab.evaluate(OVERLAPS) == []
    box = page.tab.locator("#network").evaluate("(e) => [e.scrollWidth, e.clientWidth]")
    assert (box[0] > box[1] + 1) == (width == 360)
    assert page.tab.locator("#wide-hint").is_visible() == (width == 360)


def test_on_a_phone_the_settings_stand_above_network_and_data(played: Served, open_tab: OpenTab) -> None:
    tab = Playground(open_tab, played, width=360).tab
    tops = [tab.locator(f".{name}").bounding_box()["y"] for name in ("output", "settings", "network", "data", "more")]
    assert tops == sorted(tops)


@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_every_setting_is_explained(played: Served, open_tab: OpenTab, language: str) -> None:
    tab = Playground(open_tab, played, language=language).tab
    tab.locator("#help summary").click()
    said = tab.locator("#help-list dd").all_inner_texts()
    assert len(said) == tab.locator("#help-list dt").count() >= 18
    assert all(len(words) >= 8 for words in said) and len(set(said)) == len(said)
    assert "Muon" in " ".join(said) and "Xavier" in " ".join(said)
    for label in tab.locator(".settings label").all() + tab.locator("#heads label").all():
        assert label.get_attribute("title") in said


def test_a_table_from_a_file_is_used_at_once(played: Served, open_tab: OpenTab, tmp_path: Path) -> None:
    page = Playground(open_tab, played, "data=own")
    (tmp_path / "points.csv").write_text("x1,x2,class\n1,2,0\n-1,-2,1\n3,3,1\n")
    page.tab.locator("#own summary").click()
    page.tab.locator("#csv-file").set_input_files(tmp_path / "points.csv")
    page.until(lambda: page.state.points == ((1, 2, 0), (-1, -2, 1), (3, 3, 1)))
    assert page.tab.locator("#csv").input_value().startswith("x1,x2,class")


@pytest.mark.parametrize(
    ("address", "target", "answer"),
    [
        ("", r"target (orange|blue) \(class \d\)", r"output score −?[\d.]+ = \d+ % blue \(class 1\)"),
        ("loss=hinge", r"target (orange|blue) \(class \d\)", r"output score −?[\d.]+: (orange|blue)"),
        ("data=blobs&classes=3", r"target Class \d", r"output (−?[\d.]+(, )?){3}$"),
        ("problem=regression", r"target −?[\d.]+", r"output −?[\d.]+$"),
    ],
)
def test_the_points_of_a_slow_step_are_told_in_words(
    played: Served, open_tab: OpenTab, address: str, target: str, answer: str
) -> None:
    page = Playground(open_tab, played, address)
    page.click("forward")
    page.until(lambda: "phase" in page.heard)
    becomes(page.tab, "document.getElementById('phase-point').textContent !== ''")
    samples = page.heard["phase"].fields["samples"]
    for place in (1, 3, len(samples)):
        page.tab.locator("#phase-sample").fill(str(place))
        said = page.shown("phase-point")
        assert re.search(target, said) and re.search(answer, said), said
        x1 = float(re.search(r"x₁ (\S+),", said)[1].replace("\u2212", "-"))
        assert math.isclose(x1, samples[place - 1][0], rel_tol=0.01, abs_tol=1e-3)
        out = page.heard["phase"].fields["outputs"][1][0][place - 1]
        shown = page.tab.locator("#neuron-1-0 + .value").inner_text().replace("\u2212", "-")
        assert math.isclose(float(shown), out, rel_tol=0.01, abs_tol=1e-3)
    page.tab.locator("#phase-sample").fill("999")  # there are not so many: the last
    assert page.tab.locator("#phase-sample").input_value() == str(len(samples))


def test_a_neuron_under_the_pointer_does_not_hide_the_numbers_of_a_slow_step(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played)
    neuron = page.tab.locator("#neuron-1-0")
    neuron.hover()
    becomes(page.tab, "getComputedStyle(document.getElementById('neuron-1-0')).transform.includes('1.7')")
    page.click("forward")
    page.until(lambda: "phase" in page.heard)
    neuron.hover()
    becomes(page.tab, "getComputedStyle(document.getElementById('neuron-1-0')).transform === 'none'")


def test_the_pace_that_is_chosen_is_the_one_it_runs_at(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played)
    page.tab.locator("#pace").select_option("2")
    page.click("run")
    page.until(lambda: page.numbers["running"])
    page.tab.wait_for_timeout(1500)
    assert 1 <= page.numbers["step"] <= 8
    page.tab.locator("#pace").select_option("0")
    page.until(lambda: page.numbers["step"] > 100)


def test_page_and_server_know_the_same_choices(played: Served, open_tab: OpenTab) -> None:
    tab = Playground(open_tab, played).tab
    known = tab.evaluate("import('/pages/playground/state.js').then((state) => ({ ...state }))")
    assert read_state(known["DEFAULTS"]) == State()
    assert set(known["DEFAULTS"]) == set(State.__dataclass_fields__)
    assert {name: tuple(sets) for name, sets in known["DATA"].items()} == state.DATA
    assert tuple(known["INPUTS"]) == state.INPUTS
    tasks = {"two": "two classes", "several": "several classes", "regression": "regression"}
    for short, task in tasks.items():
        assert sorted(known["LOSSES"][short]) == sorted(("auto", *state.LOSSES[task]))
    choices = {
        "problem": state.PROBLEMS, "optimizer": OPTIMIZERS, "activation": state.ACTIVATIONS,
        "regularization": state.REGULARIZATIONS, "initializer": state.INITIALIZERS,
    }  # fmt: skip
    for name, there in choices.items():
        assert set(known["CHOICES"][name]) <= set(there), name
        assert name == "optimizer" or set(known["CHOICES"][name]) == set(there), name
    assert known["MOST"] == {"layers": state.MOST_LAYERS, "units": state.MOST_UNITS, "classes": state.MOST_CLASSES}
    assert max(known["CHOICES"]["dropout"]) == state.MOST_DROPOUT
    for name, edges in known["RANGES"].items():
        for value in edges if name != "lr" else edges[1:]:
            more = {"data": "blobs"} if name == "classes" else {}
            assert getattr(read_state({name: value} | more), name) == value
    for name in ("lr", "rate"):
        for value in known["CHOICES"][name]:
            assert getattr(read_state({name: value}), name) == value


def test_controls_are_put_away_and_the_address_says_so(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played)
    page.tab.locator("#parts summary").click()
    boxes = page.tab.locator("#part-choices input")
    assert boxes.count() == page.tab.locator("[data-part]").count() > 20
    assert all(box.is_checked() for box in boxes.all())
    for name, control in (("noise", "noise"), ("lr", "learning-rate"), ("layers.count", "more-layers")):
        assert page.tab.locator(f"#{control}").is_visible()
        page.tab.locator(f"[id='part-{name}']").uncheck()
        assert page.tab.locator(f"#{control}").is_hidden()
    assert page.tab.url.endswith("#hide=noise,lr,layers.count")
    page.click("step")
    page.click("data-xor")  # an address of another state hides the same
    page.until(lambda: page.state.data == "xor")
    other = Playground(open_tab, played, page.tab.url.partition("#")[2])
    assert other.state == page.state
    assert other.tab.locator("#learning-rate").is_hidden() and other.tab.locator("#batch").is_visible()
    page.tab.locator("#part-lr").check()
    assert page.tab.locator("#learning-rate").is_visible()
    page.tab.go_back()
    assert page.tab.locator("#learning-rate").is_hidden()


def test_points_of_one_s_own(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played)
    page.click("data-own")
    page.until(lambda: page.state.data == "own")
    area = page.tab.locator("#points").bounding_box()
    for x, y, target in ((0.25, 0.25, 0), (0.75, 0.75, 1), (0.75, 0.25, 2)):
        page.tab.locator(f"#own-class-{target}").check()
        count = len(page.state.points)
        page.tab.mouse.click(area["x"] + x * area["width"], area["y"] + y * area["height"])
        page.until(lambda: len(page.state.points) == count + 1)  # noqa: B023
        assert page.state.points[-1] == pytest.approx((12 * x - 6, 6 - 12 * y, target), abs=0.06)
    page.until(lambda: page.heard["maps"].arrays["output"].shape[0] == 3)
    assert page.state.classes == 3
    page.tab.locator("#own summary").click()
    page.tab.locator("#csv").fill("1,2,0\n-1,-2,1\n3,3,1\n-4,1,0\n")
    page.click("add-csv")
    page.until(lambda: len(page.state.points) == 4)
    page.step()
    page.click("clear-points")
    page.until(lambda: page.state.points == ())
    page.click("run")
    page.until(lambda: "error" in page.heard)
    assert "no points" in page.tab.locator("#notice").inner_text()


def test_a_script_with_the_same_numbers_and_a_file_to_go_on_from(
    played: Served, open_tab: OpenTab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Playground(open_tab, played, "data=xor&hidden=3relu&lr=0.1")
    page.step(25)
    page.click("script")
    becomes(page.tab, "document.getElementById('script-text').textContent !== ''")
    script = page.tab.locator("#script-text").text_content()
    exec(compile(script, "playground.py", "exec"), {"__name__": "__main__"})  # whose own text it is
    last = capsys.readouterr().out.splitlines()[-1]
    assert f"step 25: training loss {page.numbers['train_loss']:.6f}, test loss {page.numbers['test_loss']:.6f}" in last
    with page.tab.expect_download() as download:
        page.click("file")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    other = Playground(open_tab, played)
    other.tab.locator("#open-file").set_input_files(file)
    other.until(lambda: other.numbers["step"] == 25)
    assert (other.state, other.numbers["layers"]) == (page.state, page.numbers["layers"])
    (tmp_path / "wrong.safetensors").write_bytes(b"nothing")
    other.tab.locator("#open-file").set_input_files(tmp_path / "wrong.safetensors")
    other.until(lambda: "error" in other.heard)
    becomes(other.tab, "document.getElementById('notice').textContent !== ''")
    assert other.numbers["step"] == 25


def test_six_lessons_each_with_a_text_and_a_state(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played)
    lessons = page.tab.locator("#lessons button")
    page.until(lambda: lessons.count() == 6)
    seen = set()
    for i in range(6):
        lessons.nth(i).click()
        becomes(page.tab, "!document.getElementById('lesson').hidden")
        page.until(lambda: page.numbers["step"] == 0)
        seen.add(page.shown("lesson-text"))
        assert len(page.shown("lesson-text")) > 100
        page.step()
    assert len(seen) == 6
    page.click("lesson-close")
    assert page.tab.locator("#lesson").is_hidden()


def test_what_diverges_is_said(played: Served, open_tab: OpenTab) -> None:
    page = Playground(open_tab, played, "problem=regression&data=plane&lr=10&hidden=8linear,8linear&initializer=large")
    page.click("run")
    page.until(lambda: "error" in page.heard)
    assert "diverged" in page.tab.locator("#notice").inner_text()
    assert "Run" in page.shown("run")


def test_two_pages_do_not_disturb_each_other(played: Served, open_tab: OpenTab) -> None:
    one, other = Playground(open_tab, played), Playground(open_tab, played, "data=xor")
    one.click("run")
    one.until(lambda: one.numbers["step"] > 10)
    other.step(3)
    other.is_as(lab_of(read_state({"data": "xor"}), 3))
    one.click("run")
    one.until(lambda: not one.numbers["running"])
    one.is_as(lab_of(State(), one.numbers["step"]))
