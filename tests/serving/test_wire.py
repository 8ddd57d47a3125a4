"""The two ends of the wire: frames of Python are read in the browser, and the browser's in Python."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings

from tests.serving.browser import OpenTab, becomes
from tests.serving.kit import Served, Trial, eventually, serving, threads
from tests.serving.test_frames import arrays, fields
from xpnet.serving.app import MOST_BYTES
from xpnet.serving.frames import pack, unpack

pytestmark = pytest.mark.browser

ROUND_TRIP = """async (bytes) => {
  const { pack, unpack } = await import("/pages/shared/wire.js");
  const { kind, arrays, ...fields } = unpack(new Uint8Array(bytes).buffer);
  const seen = Object.entries(arrays).map(([name, { data, shape }]) => [name, [...data], shape, data.constructor.name]);
  return { kind, fields, seen, back: [...pack(kind, fields, arrays)] };
}"""
ARRAYS = {"float32": "Float32Array", "uint8": "Uint8Array", "int32": "Int32Array"}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving({"trial": Trial}) as served:
        yield served


def test_python_and_the_browser_agree(served: Served, open_tab: OpenTab) -> None:
    tab = open_tab(served.address)

    @given(fields, arrays)
    @settings(max_examples=25)
    def check(given: dict[str, Any], arrays: dict[str, npt.NDArray[Any]]) -> None:
        seen = tab.evaluate(ROUND_TRIP, list(pack("this kind", given, **arrays)))
        assert (seen["kind"], seen["fields"]) == ("this kind", given)
        assert {name for name, *_ in seen["seen"]} == set(arrays)
        for name, data, shape, kind in seen["seen"]:
            array = arrays[name]
            assert (kind, tuple(shape)) == (ARRAYS[array.dtype.name], array.shape)
            np.testing.assert_array_equal(np.array(data, array.dtype), array.ravel())
        back = unpack(bytes(seen["back"]))
        assert (back.kind, back.fields, set(back.arrays)) == ("this kind", given, set(arrays))
        for name, array in arrays.items():
            np.testing.assert_array_equal(back.arrays[name], array)
            assert back.arrays[name].dtype == array.dtype and back.arrays[name].shape == array.shape

    check()


def test_numbers_that_are_not_finite_are_null(served: Served, open_tab: OpenTab) -> None:
    tab = open_tab(served.address)
    seen = tab.evaluate(ROUND_TRIP, list(pack("k", {"a": float("nan")}, x=np.array([np.nan, np.inf], np.float32))))
    assert seen["fields"] == {"a": None}
    assert unpack(bytes(seen["back"])).arrays["x"].tolist()[1] == np.inf


CONNECT = """async () => {
  const { Wire } = await import("/pages/shared/wire.js");
  window.heard = [];
  window.wire = new Wire("trial");
  for (const kind of ["open", "closed", "refused", "error", "echo", "newest"]) {
    window.wire.on(kind, (frame) => window.heard.push({ kind, ...frame }));
  }
  return window.wire.ask("echo");
}"""


def test_a_page_asks_and_hears(served: Served, open_tab: OpenTab) -> None:
    tab = open_tab(served.address)
    assert tab.evaluate(CONNECT) is False  # not connected yet: nothing is kept for later
    becomes(tab, "heard.length === 1")
    assert tab.evaluate("wire.ask('echo', {a: [1, 'ü']}, {x: {data: new Float32Array([0.5, 2]), shape: [2, 1]}})")
    becomes(tab, "heard.length === 2")
    answer = tab.evaluate("({...heard[1], x: [...heard[1].arrays.x.data], shape: heard[1].arrays.x.shape})")
    assert (answer["kind"], answer["a"], answer["x"], answer["shape"]) == ("echo", [1, "ü"], [0.5, 2], [2, 1])


def test_a_page_that_was_refused_does_not_come_back(served: Served, open_tab: OpenTab) -> None:
    tab = open_tab(served.address)
    tab.evaluate(CONNECT)
    becomes(tab, "wire.isOpen")
    tab.evaluate("wire.ask('nothing')")
    becomes(tab, "heard.at(-1)?.kind === 'closed'")
    assert tab.evaluate("heard.map((frame) => frame.kind)") == ["open", "refused", "closed"]
    assert "there is no request 'nothing'" in tab.evaluate("heard[1].text")
    tab.wait_for_timeout(600)
    assert tab.evaluate("heard.length") == 3 and threads("Trial") == 0


def test_it_connects_again_when_the_server_is_back(open_tab: OpenTab) -> None:
    with serving({"trial": Trial}) as served:
        tab = open_tab(served.address, expected=("WebSocket connection", "ERR_CONNECTION_REFUSED"))
        tab.evaluate(CONNECT)
        becomes(tab, "wire.isOpen")
    becomes(tab, "heard.at(-1).kind === 'closed'")
    assert not tab.evaluate("wire.isOpen || wire.refused")
    with serving({"trial": Trial}, port=served.port):
        becomes(tab, "heard.at(-1).kind === 'open'")
        assert tab.evaluate("wire.ask('echo', {again: 1})")
        becomes(tab, "heard.at(-1).again === 1")


def test_a_page_that_is_left_frees_its_session(served: Served, open_tab: OpenTab) -> None:
    tab = open_tab(served.address)
    tab.evaluate(CONNECT)
    becomes(tab, "wire.isOpen")
    assert eventually(lambda: threads("Trial") == 1)
    tab.goto(served.address)
    assert eventually(lambda: threads("Trial") == 0)


def test_another_site_gets_nothing(served: Served, open_tab: OpenTab) -> None:
    """A page of another origin on this machine: its socket is refused, and it reads no file."""
    with serving({}) as other:
        tab = open_tab(other.address, expected=("WebSocket connection", f"ws://{served.host}/"))
        tab.route("**/stranger", lambda route: route.fulfill(body="<title>stranger</title>", content_type="text/html"))
        tab.goto(f"{other.address}stranger")  # without our content security policy
        ended = tab.evaluate(
            "(url) => new Promise((done) => { const s = new WebSocket(url);"
            " s.onopen = () => done('open'); s.onclose = () => done('refused'); })",
            f"ws://{served.host}/trial/socket",
        )
    assert ended == "refused" and threads("Trial") == 0


def test_what_is_too_large_is_not_sent(served: Served, open_tab: OpenTab) -> None:
    """The server would end the connection, and the page would lose its session."""
    tab = open_tab(served.address)
    tab.evaluate(CONNECT)
    becomes(tab, "wire.isOpen")
    ask = "(bytes) => wire.ask('echo', {}, {x: {data: new Uint8Array(bytes), shape: [bytes]}})"
    header = len(pack("echo", {}, x=np.zeros(MOST_BYTES, np.uint8))) - MOST_BYTES
    assert tab.evaluate(ask, MOST_BYTES - header) is True
    becomes(tab, "heard.at(-1).kind === 'echo'")
    assert tab.evaluate(ask, MOST_BYTES) is False
    assert tab.evaluate("[heard.at(-1).kind, heard.at(-1).about, wire.isOpen]") == ["error", "echo", True]
