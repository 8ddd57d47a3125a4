"""What a page of the playground has on this machine: a lab, and the answers to what the page asks of it."""

import time
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from xpnet.base.checks import finite, flag, positive, whole
from xpnet.errors import OptionError, XpnetError
from xpnet.serving.frames import Frame
from xpnet.serving.playground.curves import Curves
from xpnet.serving.playground.lab import Lab
from xpnet.serving.playground.points import read_csv
from xpnet.serving.playground.saved import NAME, Opened, to_file
from xpnet.serving.playground.script import make_script
from xpnet.serving.playground.state import LOSSES, State, bounded, read_points, read_state
from xpnet.serving.playground.warm import is_warming, needs_kernels, warm_up
from xpnet.serving.session import Session

SLICE = 0.01  # seconds of training between two looks at what the page asks
FRAMES = 10  # a second, at most, while it runs


class PlaygroundSession(Session):
    """The first request is a state. Whatever changes something is answered with frames of all that it changed."""

    newest: ClassVar[frozenset[str]] = frozenset({"watch"})

    def __init__(self) -> None:
        super().__init__()
        self._lab: Lab | None = None
        self.number = 0  # of the last state that the page sent, as the page counts
        self.running = False
        self.pace: float | None = None  # steps per second, at most
        self.watched: tuple[int, int] | None = None
        self.curves = Curves()
        self._scaled = False  # whether points were fitted to the plane
        self._shown_at = self._owed = 0.0
        self._rate: tuple[float, int] | None = None  # when, and at which step, the run was last looked at
        self._compiling = False  # whether the page was told that its network waits for kernels

    def begin(self) -> None:
        warm_up()

    def receive(self, frame: Frame, size: int = 0) -> None:
        super().receive(frame._replace(fields=bounded(frame.fields)), size)

    @property
    def lab(self) -> Lab:
        if self._lab is None:
            raise OptionError("there is no network yet: the first request must be a state")
        return self._lab

    # ---- the state -------------------------------------------------------------------------------------------------

    def on_state(self, frame: Frame) -> None:
        state, keep = read_state(frame.fields.get("state")), flag("keep", frame.fields.get("keep", True))
        number = whole("number", frame.fields.get("number", 0), least=0)
        new_points = self._change(state, keep)
        self.number = number
        self._show_built(new_points)

    def on_regenerate(self, frame: Frame) -> None:
        """Other points, and the same weights."""
        self._change_some(seed=(self.lab.state.seed + 1) % 2**31)

    def on_add(self, frame: Frame) -> None:
        added = read_points(_field(frame, "points"))
        self._change_some(data="own", points=[*self.lab.state.points, *added])

    def on_clear(self, frame: Frame) -> None:
        self._change_some(data="own", points=[])

    def on_csv(self, frame: Frame) -> None:
        points, self._scaled = read_csv(str(_field(frame, "text")), self.lab.state.problem)
        self._change_some(data="own", points=points, classes=2)

    def on_reset(self, frame: Frame) -> None:
        self._pause()
        self.lab.begin_anew()
        self.curves = Curves()
        self._show_built(False)

    def _change_some(self, **fields: Any) -> None:
        before = self.lab.state
        state = read_state(before.as_json() | {"loss": "auto"} | fields)
        if before.loss in LOSSES[state.task]:  # else there are more classes now, or fewer, and it is not for so many
            state = replace(state, loss=before.loss)
        self._change(state, keep=True)
        self._show_built(True)

    def _change(self, state: State, keep: bool) -> bool:
        """The lab as the state says; whether there are other points than before."""
        if self._lab is None:
            self._lab, built = Lab(state), {"points"}
        else:
            built = self._lab.change(state, keep)
        if not keep:
            self.curves = Curves()
        self._forget_watched()
        self._say_whether_compiling()
        return "points" in built

    # ---- training --------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self.running or self._compiling

    def work(self) -> None:
        """Some milliseconds of training; maps and numbers every tenth of a second."""
        if self._compiling:  # a step would wait for it, and nothing that the page asks would be answered
            time.sleep(SLICE)
            return self._say_whether_compiling()
        began = now = time.perf_counter()
        try:
            while now < began + SLICE:
                if self.pace is not None and not self._is_due(now):
                    time.sleep(min(began + SLICE - now, 1 / self.pace))
                else:
                    self.lab.train_step()
                now = time.perf_counter()
        except XpnetError:
            self._pause()
            self._show()
            raise
        if now >= self._shown_at + 1 / FRAMES and self._show() is None:  # not every backend looks at each loss
            self._pause()
            self._show()
            raise self.lab.diverged()

    def _say_whether_compiling(self) -> None:
        """Tell the page if that has changed."""
        compiling = is_warming() and needs_kernels(self.lab.state)
        if compiling != self._compiling:
            self._compiling = compiling
            self.send("compiling", {"on": compiling})

    def _is_due(self, now: float) -> bool:
        """Whether the next step of a run with a pace should be made by now; it does not make up for what it missed."""
        assert self.pace is not None
        if now < self._owed:
            return False
        self._owed = max(self._owed, now - 1 / FRAMES) + 1 / self.pace
        return True

    def on_run(self, frame: Frame) -> None:
        on, pace = flag("on", frame.fields.get("on")), frame.fields.get("pace")
        self.pace = None if pace is None else positive("pace", pace)
        if on and not len(self.lab.x):
            raise OptionError("there are no points to learn from: click some into the plane, or choose a data set")
        self.running, self._rate, self._owed = on, None, time.perf_counter()
        self._show()

    def on_step(self, frame: Frame) -> None:
        self._train_by_hand(self.lab.train_step)

    def on_epoch(self, frame: Frame) -> None:
        self._train_by_hand(self.lab.train_epoch)

    def on_phase(self, frame: Frame) -> None:
        fields: dict[str, Any] = {}
        ran, name = self.running, str(frame.fields.get("name"))
        self._pause()
        try:
            fields = self.lab.go_through(name)
            self.send("phase", fields)
        finally:
            if ran or name == "update" or not fields:
                self._show()

    def on_edit(self, frame: Frame) -> None:
        fields = frame.fields
        row, column = _field(frame, "row"), fields.get("column") or 0
        if not isinstance(row, int) or not isinstance(column, int):
            raise OptionError(f"row and column must be integers, not {row!r:.40} and {column!r:.40}")
        self.lab.edit(fields.get("layer"), fields.get("what"), row, column, finite("value", fields.get("value")))
        self._show()

    def _train_by_hand(self, train: Any) -> None:
        self._pause()
        try:
            train()
        finally:
            self._show()

    def _pause(self) -> None:
        self.running = False

    # ---- what else a page asks -------------------------------------------------------------------------------------

    def on_watch(self, frame: Frame) -> None:
        """The unit whose large map is shown beside that of the output."""
        layer, unit = frame.fields.get("layer"), frame.fields.get("unit")
        chosen = None
        if layer is not None and unit is not None:
            units = self._units()
            if not isinstance(layer, int) or not 0 <= layer < len(units):
                raise OptionError(f"layers are counted from 0, the inputs, to {len(units) - 1}; not {layer!r:.40}")
            if not isinstance(unit, int) or not 0 <= unit < units[layer]:
                raise OptionError(f"layer {layer} has units from 0 to {units[layer] - 1}; not {unit!r:.40}")
            chosen = layer, unit
        self.watched = chosen
        self._show_maps()

    def on_script(self, frame: Frame) -> None:
        lab = self.lab
        self.send("script", {"text": make_script(lab.state, lab.step, lab.exact), "exact": lab.exact})

    def on_file(self, frame: Frame) -> None:
        lab = self.lab
        data = to_file(lab.network, lab.state, lab.step, lab.epoch, lab.place)
        self.send("file", {"name": NAME}, bytes=np.frombuffer(data, np.uint8))

    def on_open(self, frame: Frame) -> None:
        """What `file` gave goes on; only the memory of the optimizer begins anew."""
        if "bytes" not in frame.arrays:
            raise OptionError("the request 'open' must have an array 'bytes', those of a file")
        opened = Opened(frame.arrays["bytes"].tobytes())
        lab = Lab(opened.state)
        opened.load_into(lab.network)
        lab.go_to(opened.step, opened.epoch, opened.place)
        self._pause()
        self._lab, self.curves = lab, Curves()
        self._forget_watched()
        self._say_whether_compiling()
        self._show_built(True)

    # ---- frames ----------------------------------------------------------------------------------------------------

    def _show_built(self, with_points: bool) -> None:
        lab = self.lab
        self.send("built", {
            "state": lab.state.as_json(), "number": self.number, "layers": lab.described_layers(),
            "epoch": lab.epoch, "step": lab.step, "exact": lab.exact,
            "points": {"train": len(lab.points.train), "test": len(lab.points.test)},
        })  # fmt: skip
        if with_points:
            train, test = (rows.astype("float32") for rows in lab.points)
            self.send("points", {"scaled": self._scaled}, train=train, test=test)
            self._scaled = False
        self._show()

    def _show(self) -> float | None:
        """Maps, numbers and the newest points of the curves; the training loss."""
        now, lab = time.perf_counter(), self.lab
        speed = None
        if self.running:
            if self._rate is not None and now > self._rate[0] and lab.step >= self._rate[1]:  # not begun anew
                speed = (lab.step - self._rate[1]) / (now - self._rate[0])
            self._rate = now, lab.step
        losses = lab.losses()
        numbers = {
            "step": lab.step, "epoch": lab.epoch, "running": self.running, **losses, "penalty": lab.penalty(),
            "steps_per_second": speed, "exact": lab.exact, "layers": lab.weights(),
        }  # fmt: skip
        self._show_maps()
        self.send("numbers", numbers, newest_of="numbers")
        self.curves.add(lab.step, losses["train_loss"], losses["test_loss"])
        unsent = self.curves.unsent()
        if unsent is not None:
            self.send("curves", unsent)
        self._shown_at = time.perf_counter()
        return losses["train_loss"]

    def _show_maps(self) -> None:
        lab, watched = self.lab, self.watched
        fields = {"step": lab.step, "watch": watched and {"layer": watched[0], "unit": watched[1]}}
        self.send("maps", fields, newest_of="maps", **lab.maps.draw(lab.network, lab.state, watched))

    def _units(self) -> list[int]:
        """Of each layer, the inputs first."""
        return [len(self.lab.state.inputs), *(layer["units"] for layer in self.lab.described_layers())]

    def _forget_watched(self) -> None:
        """If it is not there any more."""
        units = self._units()
        if self.watched and (self.watched[0] >= len(units) or self.watched[1] >= units[self.watched[0]]):
            self.watched = None


def _field(frame: Frame, name: str) -> Any:
    if name not in frame.fields:
        raise OptionError(f"the request {frame.kind!r} must have a field {name!r}")
    return frame.fields[name]
