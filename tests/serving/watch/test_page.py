"""The page of a Watch in a real browser: what it shows, in both languages, and what its buttons do."""

import time
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from tests.kit.small import clusters, network
from tests.serving.browser import OpenTab, becomes
from tests.serving.watch.helpers import Page, Slow, in_thread, train
from xpnet import Sequential, layers, serving

pytestmark = pytest.mark.browser
pytest.importorskip("uvicorn", reason="pages need the extra web")


@pytest.fixture
def watch() -> Iterator[serving.Watch]:
    found = serving.Watch(0)
    yield found
    found.close()


@pytest.fixture
def running(watch: serving.Watch) -> Iterator[Thread]:
    """A training that goes on until it is stopped."""
    watch.open()
    thread = in_thread(lambda: train(watch, Slow(0.02), epochs=1000))
    yield thread
    if thread.is_alive():
        page = Page(watch.address)
        page.ask("stop")
        thread.join(20)
        page.close()
    assert not thread.is_alive()


def says(tab: Any, words: str, where: str = "phase") -> None:
    becomes(tab, f"document.getElementById('{where}').textContent.includes({words!r})")


def read_chart(tab: Any, number: int = 0) -> str:
    return str(tab.locator(".chart canvas").nth(number).get_attribute("aria-label"))


def becomes_read(tab: Any, words: str) -> None:
    """What the first chart tells a screen reader."""
    becomes(tab, f"document.querySelector('.chart canvas').getAttribute('aria-label').includes({words!r})")


def test_a_training_is_seen_while_it_goes_on(watch: serving.Watch, running: Thread, open_tab: OpenTab) -> None:
    tab = open_tab(watch.address)
    says(tab, "Training")
    for panel in ("mistakes", "filters", "histograms"):
        becomes(tab, f"!document.getElementById('{panel}').hidden")
    becomes(tab, "document.querySelectorAll('.chart').length === 4")
    becomes(tab, "document.querySelectorAll('#mistakes-list figure').length > 3")
    assert tab.locator(".chart figcaption").all_inner_texts() == [
        "Loss", "Accuracy", "Learning rate", "Throughput (samples per second)",
    ]  # fmt: skip
    first = tab.locator("#numbers dd").first.inner_text()
    becomes(tab, f"document.querySelector('#numbers dd').textContent !== {first!r}")
    assert "validation" in read_chart(tab) and "conv1.weight" in tab.locator("#histograms-list").inner_text()


def test_it_is_paused_changed_and_stopped(watch: serving.Watch, running: Thread, open_tab: OpenTab) -> None:
    tab = open_tab(watch.address)
    says(tab, "Training")
    tab.locator("#pause").click()
    says(tab, "Paused")
    at = tab.locator("#place").inner_text()
    tab.locator("#rate-lr").fill("0.0125")
    tab.keyboard.press("Enter")
    becomes(tab, "document.getElementById('rates').textContent.includes('12.5 times what was planned')")
    tab.get_by_role("button", name="Halve the learning rate").click()
    becomes(tab, "document.getElementById('rate-lr').value === '0.00625'")
    assert tab.locator("#place").inner_text() == at and watch.model.optimizer is not None
    assert watch.model.optimizer.current_lr == pytest.approx(0.00625)
    tab.locator("#rate-lr").fill("fast")
    tab.keyboard.press("Enter")
    says(tab, "must be a positive number", "complaint")
    tab.locator("#pause").click()
    says(tab, "Training")
    tab.locator("#stop").click()
    assert tab.evaluate("document.activeElement.id") == "no"
    tab.keyboard.press("Escape")
    assert tab.locator("#sure").is_hidden() and running.is_alive()
    tab.locator("#stop").click()
    tab.locator("#yes").click()
    says(tab, "Stopped before its time")
    running.join(20)
    assert tab.locator("#pause").is_disabled() and tab.locator("#rate-lr").is_disabled()


def test_a_page_that_comes_late_shows_all_of_it(watch: serving.Watch, open_tab: OpenTab) -> None:
    model = train(watch, epochs=3)
    tab = open_tab(watch.address)
    says(tab, "Finished")
    becomes(tab, "document.querySelectorAll('.chart').length === 4")
    tab.locator("#by-epoch").click()
    history: Any = model.history
    loss, held = history.history["loss"], history.history["val_loss"]
    becomes_read(tab, f"training {loss[-1]:.4g}, validation {held[-1]:.4g}")
    tab.locator(".chart canvas").first.focus()
    tab.keyboard.press("Home")
    becomes_read(tab, f"training {loss[0]:.4g}, validation {held[0]:.4g}, epoch 1")


def test_it_speaks_chinese_is_dark_and_fits_a_phone(watch: serving.Watch, open_tab: OpenTab) -> None:
    train(watch, epochs=2)
    tab = open_tab(watch.address, language="zh-CN", width=360, color_scheme="dark")
    says(tab, "训练完成")
    becomes(tab, "!document.getElementById('mistakes').hidden")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"
    words = tab.locator("main").inner_text()
    assert "undefined" not in words and "{" not in words and "watch." not in words
    tab.locator("#language").select_option("en")
    says(tab, "Finished")


def test_units_of_a_dense_layer_do_not_look_everywhere(watch: serving.Watch, open_tab: OpenTab) -> None:
    model = Sequential([layers.Flatten(), layers.Dense(10)])
    model.compile("adam")
    train(watch, epochs=1, model=model)
    tab = open_tab(watch.address)
    says(tab, "a weight for every pixel", "filters-what")


def test_a_rate_that_is_none_is_complained_of_until_the_next(
    watch: serving.Watch, open_tab: OpenTab, running: Thread
) -> None:
    tab = open_tab(watch.address)
    field = tab.locator("#rate-lr")
    for rate, words in (("-1", "positive number"), ("1e9", "100 times")):
        field.fill(rate)
        field.press("Enter")
        says(tab, words, "complaint")
    tab.locator("#rates button").nth(1).click()
    assert tab.locator("#complaint").inner_text() == ""


def test_points_in_the_plane_have_neither_filters_nor_images(watch: serving.Watch, open_tab: OpenTab) -> None:
    network().fit(*clusters(), epochs=2, verbose=0, callbacks=watch, validation_split=0.2)
    tab = open_tab(watch.address)
    says(tab, "Finished")
    becomes(tab, "!document.getElementById('histograms').hidden")
    assert tab.locator("#filters").is_hidden() and tab.locator("#mistakes").is_hidden()


def test_what_was_seen_stays_when_the_server_has_gone(watch: serving.Watch, open_tab: OpenTab) -> None:
    train(watch, epochs=1)
    tab = open_tab(watch.address, expected=("WebSocket", "ERR_CONNECTION_REFUSED"))
    says(tab, "Finished")
    watch.close()
    says(tab, "so is the process that served this page", "notice")
    time.sleep(0.3)
    assert tab.locator(".chart").count() == 4
