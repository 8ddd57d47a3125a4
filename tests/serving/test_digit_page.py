"""The page on which digits are drawn, in a real browser: with the mouse, and what it shows held against Python."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serving.browser import OpenTab, becomes, comes
from tests.serving.kit import Served, serving
from xpnet.data import datasets
from xpnet.serving.digit.session import DigitSession
from xpnet.serving.digit.shelf import Shelf
from xpnet.serving.frames import Frame

pytestmark = pytest.mark.browser

# strokes on a sheet of 1 x 1, as a person would write them
STROKES = {
    0: [[
        (0.5, 0.15), (0.32, 0.25), (0.25, 0.5), (0.32, 0.78), (0.5, 0.87), (0.68, 0.78), (0.75, 0.5), (0.68, 0.25),
        (0.5, 0.15),
    ]],
    1: [[(0.52, 0.15), (0.5, 0.85)]],
    2: [[(0.28, 0.3), (0.4, 0.17), (0.6, 0.17), (0.7, 0.3), (0.62, 0.5), (0.28, 0.82), (0.75, 0.82)]],
    3: [[
        (0.3, 0.2), (0.5, 0.14), (0.68, 0.25), (0.63, 0.42), (0.45, 0.48), (0.66, 0.55), (0.72, 0.72), (0.55, 0.86),
        (0.28, 0.8),
    ]],
    4: [[(0.32, 0.15), (0.27, 0.52), (0.7, 0.52)], [(0.64, 0.15), (0.62, 0.87)]],
    7: [[(0.26, 0.18), (0.72, 0.18), (0.45, 0.86)]],
}  # fmt: skip


class Sheet:
    """The page, opened; `heard` has the newest frame of each kind."""

    def __init__(self, open_tab: OpenTab, served: Served, **options: Any) -> None:
        self.heard: dict[str, Frame] = {}
        self.tab = open_tab(served.address, "digit", heard=self.heard, height=1000, **options)
        self.until(lambda: "network" in self.heard)
        becomes(self.tab, "document.querySelector('#choose-a').value !== ''")

    def until(self, holds: Callable[[], bool], patience: float = 20) -> None:
        comes(self.tab, holds, patience)

    def click(self, name: str) -> None:
        self.tab.locator(f"#{name}").click()

    def shown(self, name: str) -> str:
        return self.tab.locator(f"#{name}").inner_text()

    def draw(self, digit: int) -> None:
        """With the mouse, on a sheet that is cleared before."""
        self.click("clear")
        box = self.tab.locator("#digit").bounding_box()
        for (x, y), *points in STROKES[digit]:
            self.tab.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            self.tab.mouse.down()
            for x, y in points:
                self.tab.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=4)
            self.tab.mouse.up()

    def answers(self, digit: int) -> None:
        try:
            becomes(self.tab, f"document.getElementById('answer').textContent === '{digit}'")
        except AssertionError:
            pytest.fail(f"a drawn {digit} is read as {self.shown('answer')!r}")

    def bars(self) -> list[str]:
        return self.tab.locator("#bars .bar.a .number").all_inner_texts()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    shelf = Shelf(None)
    with serving({"digit": lambda: DigitSession(shelf)}) as served:
        yield served


@pytest.fixture
def sheet(served: Served, open_tab: OpenTab) -> Sheet:
    return Sheet(open_tab, served)


def test_digits_drawn_with_the_mouse_are_read(sheet: Sheet) -> None:
    for digit in STROKES:
        sheet.draw(digit)
        sheet.answers(digit)
        assert sheet.tab.locator("#answer").text_content() == str(digit)  # and nothing else
        assert sheet.tab.locator("#bars .best").count() == 1 and len(sheet.bars()) == 10
    sheet.click("clear")
    becomes(sheet.tab, "document.getElementById('answer').textContent === ''")


def test_while_one_draws_the_answer_follows_quickly(sheet: Sheet) -> None:
    """From the movement of the mouse to the answer, in the browser: the median, as long as nobody else computes."""
    sheet.tab.evaluate(
        """() => {
          window.took = [];
          let moved = 0;
          document.getElementById("digit").addEventListener("pointermove", () => (moved ||= performance.now()), true);
          const bar = document.querySelector("#bars .fill");
          new MutationObserver(() => { if (moved) window.took.push(performance.now() - moved); moved = 0; })
            .observe(bar, { attributes: true });
        }"""
    )
    sheet.draw(3)
    sheet.answers(3)
    took = sorted(sheet.tab.evaluate("window.took"))
    print(f"{len(took)} answers while one drew; milliseconds: {[round(each) for each in took]}")
    assert took and took[len(took) // 2] < 500  # on a machine of which the tests have a part only


def test_what_is_shown_is_what_the_network_computes(sheet: Sheet) -> None:
    sheet.draw(2)
    sheet.answers(2)
    sheet.tab.wait_for_timeout(300)
    reading, model = sheet.heard["reading"], Shelf(None).entries()[0].make()
    scores = np.asarray(model.predict(reading.arrays["digit"].reshape(1, 1, 28, 28))[0], float)
    chances = np.exp(scores - scores.max())
    np.testing.assert_allclose(reading.arrays["probabilities"], chances / chances.sum(), atol=1e-5)
    assert reading.fields["answer"] == reading.arrays["probabilities"].argmax() == 2
    assert sheet.bars()[2].startswith(f"{100 * float(reading.arrays['probabilities'][2]):.1f}"[:2])


def test_one_unit_number_by_number_under_the_pointer_and_by_keys(sheet: Sheet) -> None:
    sheet.draw(7)
    sheet.answers(7)
    maps = sheet.tab.locator("#strips-a .strip canvas[role=application]")
    seen = set()
    for i in range(maps.count()):
        strip = maps.nth(i)
        strip.scroll_into_view_if_needed()
        box = strip.bounding_box()
        sheet.heard.pop("unit", None)
        strip.hover(position={"x": box["width"] * 0.3, "y": box["height"] * 0.5})
        sheet.until(lambda: "unit" in sheet.heard)
        becomes(sheet.tab, "document.querySelector('#unit-body .total') !== null")
        unit = sheet.heard["unit"]
        seen.add(unit.fields["operation"])
        if {"weights", "products"} <= unit.arrays.keys():
            products = unit.arrays["products"].astype(float)
            np.testing.assert_allclose(
                products, unit.arrays["inputs"] * unit.arrays["weights"].astype(float), rtol=1e-4, atol=1e-6
            )
            total = products.sum() + (unit.fields["bias"] or 0.0)
            if unit.fields["sum"] is not None:
                assert total == pytest.approx(unit.fields["sum"], rel=1e-3, abs=1e-3)
    assert {"convolution", "max", "dense"} <= seen
    strip = maps.first
    strip.scroll_into_view_if_needed()
    strip.focus()
    for key in ("ArrowRight", "ArrowDown", "PageDown"):
        before, place = sheet.shown("unit-title"), sheet.heard["unit"]
        sheet.tab.keyboard.press(key)
        sheet.until(lambda: sheet.heard["unit"] is not place)  # noqa: B023
        becomes(sheet.tab, f"document.getElementById('unit-title').innerText !== {before!r}")
    strip.click(position={"x": 20, "y": 20})  # held
    title = sheet.shown("unit-title")
    sheet.tab.mouse.move(3, 3)
    assert sheet.shown("unit-title") == title
    sheet.click("unit-close")
    assert sheet.tab.locator("#unit-none").is_visible()


def test_saliency_occlusion_and_grad_cam(sheet: Sheet) -> None:
    sheet.draw(4)
    sheet.answers(4)
    for method in ("saliency", "occlusion", "grad_cam"):
        sheet.tab.locator("#method").select_option(method)
        sheet.until(lambda: "explanation" in sheet.heard and sheet.heard["explanation"].fields["method"] == method)  # noqa: B023
        heat = sheet.heard["explanation"].arrays["map"]
        assert heat.shape == (28, 28) and np.isfinite(heat).all() and heat.max() > 0


def test_that_was_a_9_and_back(sheet: Sheet) -> None:
    sheet.draw(4)
    sheet.answers(4)
    sheet.tab.wait_for_timeout(300)
    before = sheet.bars()
    sheet.tab.locator("#teach button").nth(9).click()
    sheet.until(lambda: "taught" in sheet.heard)
    becomes(sheet.tab, "!document.getElementById('unteach').hidden")
    sheet.answers(9)
    assert sheet.bars() != before and "9" in sheet.shown("lesson")
    sheet.click("unteach")
    sheet.answers(4)
    sheet.until(lambda: sheet.bars() == before)
    assert sheet.tab.locator("#unteach").is_hidden()


def test_what_one_page_teaches_another_does_not_know(served: Served, open_tab: OpenTab) -> None:
    one, other = Sheet(open_tab, served), Sheet(open_tab, served)
    for sheet in (one, other):
        sheet.draw(4)
        sheet.answers(4)
    one.tab.locator("#teach button").nth(9).click()
    one.until(lambda: "taught" in one.heard)
    one.answers(9)
    other.draw(4)
    other.answers(4)
    assert other.tab.locator("#answer").text_content() == "4"


def test_two_networks_side_by_side_one_of_which_learns_meanwhile(sheet: Sheet) -> None:
    """One that is not trained yet is trained in front of one's eyes: its loss falls, and it can be paused."""
    sheet.draw(3)
    sheet.answers(3)
    untrained = [each["key"] for each in sheet.heard["catalogue"].fields["networks"] if not each["trained"]]
    assert untrained
    sheet.tab.locator("#choose-b").select_option(untrained[0])
    sheet.until(lambda: "training" in sheet.heard)
    losses: list[float] = []

    def falls() -> bool:
        losses.append(sheet.heard["training"].fields["loss"])
        return sheet.heard["training"].fields["step"] > 5 and losses[-1] < 0.7 * max(losses)

    sheet.until(falls, 60)
    assert (
        sheet.tab.locator("#reads-b").is_visible()
        and sheet.tab.locator("#trainings section:not([hidden]) progress").is_visible()
    )
    pause = sheet.tab.locator("#trainings section:not([hidden]) button")
    pause.click()
    sheet.until(lambda: not sheet.heard["training"].fields["on"])
    step = sheet.heard["training"].fields["step"]
    sheet.draw(1)
    sheet.answers(1)
    assert sheet.heard["training"].fields["step"] == step
    sheet.tab.locator("#choose-b").select_option("")
    becomes(sheet.tab, "document.getElementById('reads-b').hidden")


def test_digits_of_others_and_those_that_are_misread(sheet: Sheet) -> None:
    _, (images, labels) = datasets.mnist(normalize=False)
    sheet.tab.locator("#index").fill("42")
    sheet.tab.keyboard.press("Enter")
    sheet.answers(int(labels[42]))
    np.testing.assert_array_equal(sheet.heard["sample"].arrays["pixels"], images[42, 0])
    sheet.click("random")
    sheet.until(lambda: sheet.heard["sample"].fields["index"] != 42)
    sample = sheet.heard.pop("sample")
    assert sample.fields["label"] == labels[sample.fields["index"]]
    sheet.click("misread")
    sheet.until(lambda: "sample" in sheet.heard, 60)
    becomes(sheet.tab, "document.getElementById('answer').textContent !== ''")
    sheet.click("mistakes")
    sheet.until(lambda: "mistakes" in sheet.heard, 60)
    mistakes = sheet.heard["mistakes"].fields
    assert all(answer != label for answer, label in zip(mistakes["answers"], mistakes["labels"], strict=True))


def test_a_picture_and_a_file_that_is_none(served: Served, open_tab: OpenTab, tmp_path: Path) -> None:
    from PIL import Image

    sheet = Sheet(open_tab, served)
    _, (images, _) = datasets.mnist(normalize=False)
    Image.fromarray(255 - images[0, 0]).resize((140, 140)).save(tmp_path / "seven.png")
    sheet.tab.locator("#picture-file").set_input_files(tmp_path / "seven.png")
    sheet.answers(7)
    (tmp_path / "none.png").write_bytes(b"no picture")
    sheet.tab.locator("#picture-file").set_input_files(tmp_path / "none.png")
    sheet.until(lambda: "error" in sheet.heard)
    becomes(sheet.tab, "document.getElementById('notice').textContent !== ''")
    sheet.draw(1)
    sheet.answers(1)
    assert sheet.tab.locator("#answer").text_content() == "1"


def test_a_network_of_one_s_own(served: Served, open_tab: OpenTab, tmp_path: Path) -> None:
    from xpnet import networks

    model = networks.LeNet5()
    model.build((1, 28, 28))
    model.save(tmp_path / "mine.safetensors")
    (tmp_path / "none.safetensors").write_bytes(b"\xff" * 1000)
    sheet = Sheet(open_tab, served)
    sheet.tab.locator("#open-file").set_input_files(tmp_path / "none.safetensors")
    sheet.until(lambda: "error" in sheet.heard)
    assert "none.safetensors is no network's file" in sheet.heard["error"].fields["text"]
    sheet.tab.locator("#open-file").set_input_files(tmp_path / "mine.safetensors")
    sheet.until(lambda: "opened" in sheet.heard)
    becomes(sheet.tab, "document.getElementById('reader-a').textContent.includes('mine')")


def test_with_a_finger(served: Served, open_tab: OpenTab) -> None:
    sheet = Sheet(open_tab, served, width=390, has_touch=True, is_mobile=True)
    box = sheet.tab.locator("#digit").bounding_box()
    session = sheet.tab.context.new_cdp_session(sheet.tab)
    for i in range(20):
        point = {"x": box["x"] + 0.52 * box["width"], "y": box["y"] + (0.15 + 0.035 * i) * box["height"]}
        session.send("Input.dispatchTouchEvent", {"type": "touchMove" if i else "touchStart", "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    sheet.answers(1)
    assert sheet.tab.evaluate("scrollY") == 0


def test_back_takes_a_stroke_away(sheet: Sheet) -> None:
    sheet.draw(1)
    sheet.answers(1)
    sheet.click("back")
    becomes(sheet.tab, "document.getElementById('answer').textContent === ''")
    assert sheet.tab.locator("#answer").text_content() == ""


@pytest.mark.slow
def test_200_test_digits_through_the_browser_are_read_as_well_as_the_arrays(sheet: Sheet) -> None:
    _, (images, labels) = datasets.mnist()
    indices = range(0, 10_000, 50)
    model = Shelf(None).entries()[0].make()
    expected = (model.predict(images[indices]).argmax(axis=1) == labels[indices]).mean()
    right = 0
    sheet.until(lambda: "reading" in sheet.heard)  # of the empty sheet
    for index in indices:
        number = sheet.heard["reading"].fields["number"]
        sheet.tab.locator("#index").fill(str(index))
        sheet.tab.locator("#index").press("Enter")
        sheet.until(lambda: sheet.heard["reading"].fields["number"] > number)  # noqa: B023
        assert sheet.heard["sample"].fields["index"] == index
        answer = sheet.heard["reading"].fields["answer"]
        becomes(sheet.tab, f"document.getElementById('answer').textContent === '{answer}'")
        right += int(sheet.tab.locator("#answer").text_content()) == labels[index]
    print(f"from the arrays {expected:.1%}, through the browser {right / 200:.1%}")
    assert right / 200 >= expected - 0.01


# ---- what is easily got wrong ----------------------------------------------------------------------------------------


def test_a_click_leaves_a_dot(sheet: Sheet) -> None:
    sheet.tab.locator("#digit").click(position={"x": 100, "y": 100})
    sheet.until(lambda: "reading" in sheet.heard and not sheet.heard["reading"].fields["blank"])


def test_a_reload_keeps_the_drawing_and_the_networks(sheet: Sheet) -> None:
    keys = [each["key"] for each in sheet.heard["catalogue"].fields["networks"]]
    sheet.draw(2)
    sheet.answers(2)
    sheet.tab.locator("#choose-b").select_option(keys[0])
    becomes(sheet.tab, "!document.getElementById('reads-b').hidden")
    sheet.tab.reload()  # and nobody is asked
    sheet.answers(2)
    becomes(sheet.tab, f"document.getElementById('choose-b').value === '{keys[0]}'")
    assert sheet.tab.locator("#hint").is_hidden()


def test_what_was_taught_is_named_so_and_not_lost_without_a_question(served: Served, open_tab: OpenTab) -> None:
    sheet = Sheet(open_tab, served)
    sheet.tab.locator("#choose-b").select_option(sheet.tab.locator("#choose-a").input_value())
    becomes(sheet.tab, "!document.getElementById('reads-b').hidden")
    sheet.draw(4)
    sheet.answers(4)
    leaves = "!dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert not sheet.tab.evaluate(leaves)
    sheet.tab.locator("#teach button").nth(9).click()
    becomes(sheet.tab, "document.getElementById('reader-a').textContent.includes(', taught')")
    sheet.answers(9)
    said = sheet.shown("lesson")
    assert said.startswith("Both networks were taught") and said.count("reads 9") == 2
    assert "%" not in sheet.tab.locator("#choose-a option:checked").inner_text()
    assert sheet.tab.evaluate(leaves)
    sheet.click("unteach")
    becomes(sheet.tab, "!document.getElementById('reader-a').textContent.includes('taught')")
    assert not sheet.tab.evaluate(leaves)


def test_grad_cam_is_offered_where_there_is_a_convolution(sheet: Sheet) -> None:
    option = sheet.tab.locator("#method option[value=grad_cam]")
    assert not option.evaluate("option => option.disabled")
    sheet.draw(4)
    sheet.answers(4)
    sheet.tab.locator("#method").select_option("grad_cam")
    sheet.tab.locator("#choose-a").select_option("mlp")
    becomes(sheet.tab, "document.getElementById('method-note').textContent.includes('MLP has no convolution')")
    assert option.evaluate("option => option.disabled") and sheet.shown("notice") == ""
    sheet.tab.locator("#trainings section:not([hidden]) button").click()


def test_what_went_wrong_is_said_until_something_goes_right(sheet: Sheet, tmp_path: Path) -> None:
    from PIL import Image

    sheet.draw(1)
    sheet.answers(1)
    Image.new("L", (100, 100), 255).save(tmp_path / "blank.png")
    sheet.tab.locator("#picture-file").set_input_files(tmp_path / "blank.png")
    becomes(sheet.tab, "document.getElementById('notice').textContent !== ''")
    becomes(sheet.tab, "document.getElementById('answer').textContent === ''")  # nor is the old digit there any more
    sheet.draw(1)
    sheet.answers(1)
    assert sheet.shown("notice") == ""


def test_no_number_is_not_0(sheet: Sheet) -> None:
    sheet.tab.locator("#index").fill("")
    sheet.tab.keyboard.press("Enter")
    assert sheet.shown("sample-note") == "Type a number from 0 to 9999."
    sheet.tab.wait_for_timeout(200)
    assert "sample" not in sheet.heard


def test_a_kernel_under_the_pointer_shows_its_map(sheet: Sheet) -> None:
    sheet.draw(7)
    sheet.answers(7)
    kernels = sheet.tab.locator("#strips-a .strip").nth(1).locator("canvas.pixels")
    kernels.scroll_into_view_if_needed()
    kernels.hover(position={"x": 10, "y": 10})
    marked = sheet.tab.locator("#strips-a .strip .plane .over:not([hidden])")
    assert marked.count() >= 2 and kernels.get_attribute("title").startswith("pattern 0, row ")
    sheet.tab.mouse.move(3, 3)
    becomes(sheet.tab, "document.querySelectorAll('#strips-a .strip:nth-child(3) .over:not([hidden])').length === 0")


def test_a_low_window_says_that_there_is_more_of_a_unit(sheet: Sheet) -> None:
    sheet.tab.set_viewport_size({"width": 1280, "height": 520})
    sheet.draw(7)
    sheet.answers(7)
    strip = sheet.tab.locator("#strips-a canvas[role=application]").nth(3)
    strip.scroll_into_view_if_needed()
    strip.hover(position={"x": 20, "y": 20})
    becomes(sheet.tab, "document.querySelector('#unit-body .total') !== null")
    more = sheet.tab.locator("#unit-more")
    assert more.is_visible()
    strip.click(position={"x": 20, "y": 20})
    assert more.is_hidden()
