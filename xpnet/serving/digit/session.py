"""What a page on which digits are drawn has on this machine: its requests, and what goes on by itself."""

import time
from typing import Any, ClassVar

import numpy as np

from xpnet import random
from xpnet.data.digit_image import digit_from_drawing, ink_of_picture
from xpnet.errors import DataError, OptionError
from xpnet.model import Model
from xpnet.serving.digit.exam import UNKNOWN
from xpnet.serving.digit.explain_unit import explain_unit
from xpnet.serving.digit.heat import explanation
from xpnet.serving.digit.lessons import History, Lesson
from xpnet.serving.digit.look import Floats
from xpnet.serving.digit.parcels import Parcel, opened
from xpnet.serving.digit.shelf import CLASSES, Entry, Shelf
from xpnet.serving.digit.slots import Slot
from xpnet.serving.digit.training import Training
from xpnet.serving.frames import Frame
from xpnet.serving.session import Session

NAMES = ("a", "b")
CANVAS = 280  # pixels along a side
MOST_MISTAKES, MOST_OPENED = 60, 4
TOLD, READ_AGAIN = 0.1, 0.5  # seconds between two frames of a training, and between two looks at the digit in it


class DigitSession(Session):
    """A slot has the name "a" or "b". Requests and frames are listed in pages/digit."""

    newest: ClassVar[frozenset[str]] = frozenset({"read", "catalogue"})

    def __init__(self, shelf: Shelf) -> None:
        super().__init__()
        self.shelf = shelf
        self.slots: dict[str, Slot] = {}
        self.opened: list[Entry] = []  # from files, of this page alone
        self.digit: Floats | None = None  # that was read last, as the networks see it
        self.number = 0  # of that request
        self.lessons: list[tuple[Slot, Lesson]] = []
        self.history = History()
        self.wishes: dict[tuple[str, str], Frame] = {}  # to explain: the newest for each slot
        self.listing: set[str] = set()  # slots whose mistakes are being looked for
        self.searching = False  # for the next digit that slot a gets wrong
        self.last_sample = -1
        self._picture, self._file = Parcel("file"), Parcel("bytes")
        self._told: dict[str, float] = {}  # when a frame of this kind and slot was sent last

    def begin(self) -> None:
        self.shelf.listeners.add(self._shelf_changed)
        self.on_catalogue()
        self._put("a", self.shelf.entries()[0])
        digit_from_drawing(np.pad(np.ones((4, 4)), 4))  # what it imports, so that the first stroke need not wait

    def end(self) -> None:
        self.shelf.listeners.discard(self._shelf_changed)
        self.slots.clear()
        self.lessons, self.history, self.opened = [], History(), []

    def _shelf_changed(self) -> None:
        """Called in any thread."""
        self.inbox.put(Frame("catalogue", {}, {}), "catalogue")

    # ---- which networks --------------------------------------------------------------------------------------------

    def on_catalogue(self, frame: Frame | None = None) -> None:
        entries = [*self.shelf.entries(), *self.opened]
        self.send("catalogue", {"networks": [entry.described() for entry in entries]}, newest_of="catalogue")

    def on_choose(self, frame: Frame) -> None:
        name, key = _slot_name(frame), frame.fields["network"]
        if key is None:
            if name == "a":
                raise OptionError("the first place always has a network: choose one")
            self._take_away(name)
            self.send("network", {"slot": name, "key": None, "layers": []})
            return
        own = next((entry for entry in self.opened if entry.key == key), None)
        self._put(name, own or self.shelf.entry(str(key)))

    def on_open(self, frame: Frame) -> None:
        data = self._file.take(frame)
        if data is None:
            return
        numbers = [int(entry.key.partition(":")[2]) for entry in self.opened]
        entry = opened(data, str(frame.fields.get("name", "")), f"own:{max(numbers, default=0) + 1}")
        self.opened = [*self.opened, entry][-MOST_OPENED:]
        self.on_catalogue()
        self.send("opened", {"key": entry.key, "name": entry.name})

    def _put(self, name: str, entry: Entry) -> None:
        """The network of this entry comes into the slot; one that is new begins to learn."""
        slot = Slot(name, entry)
        self._take_away(name)
        self.slots = {each: held for each in NAMES if (held := slot if each == name else self.slots.get(each))}
        self._tell_network(slot)
        self._read_again([slot])
        if not entry.trained:
            self._train(slot, True)

    def _take_away(self, name: str) -> None:
        slot = self.slots.pop(name, None)
        if slot is not None:
            self.history.forget(slot.model)
            self.lessons = [(each, lesson) for each, lesson in self.lessons if each is not slot]
        self.listing.discard(name)

    def _tell_network(self, slot: Slot) -> None:
        self.send("network", slot.described(), None, **slot.filters())

    def _slot(self, frame: Frame) -> Slot:
        name = _slot_name(frame)
        if name not in self.slots:
            raise OptionError(f"there is no network in the place {name}: choose one")
        return self.slots[name]

    # ---- what they read --------------------------------------------------------------------------------------------

    def on_read(self, frame: Frame) -> None:
        begin = time.perf_counter()
        self.number = int(frame.fields["number"])
        try:
            self.digit = digit_from_drawing(frame.arrays["pixels"])
        except DataError:  # there is nothing on it
            self.digit = None
            for slot in self.slots.values():
                self.send("reading", {"slot": slot.name, "number": self.number, "blank": True})
            return
        self._read_again(list(self.slots.values()), begin)

    def _read_again(self, slots: list[Slot], begin: float | None = None) -> None:
        """The bars of all these networks first, then the maps."""
        if self.digit is None:
            return
        for slot in slots:
            start = time.perf_counter() if begin is None else begin
            seen = slot.read(self.digit)
            fields = {"slot": slot.name, "number": self.number, "blank": False}
            answer = int(seen.probabilities.argmax())
            fields |= {"answer": "?" if np.isnan(seen.probabilities).any() else answer}
            fields |= {"milliseconds": 1000 * (time.perf_counter() - start)}
            place = f"reading {slot.name}"
            self.send("reading", fields, place, digit=self.digit[0], probabilities=seen.probabilities)
        for slot in slots:
            arrays = slot.maps()
            fields = {"slot": slot.name, "number": self.number, "layers": [int(index) for index in arrays]}
            self.send("maps", fields, f"maps {slot.name}", **arrays)

    def on_unit(self, frame: Frame) -> None:
        self._wish("unit", frame)

    def on_explain(self, frame: Frame) -> None:
        self._wish("explain", frame)

    def _wish(self, kind: str, frame: Frame) -> None:
        """Answered when no request is waiting: of several for one slot only the newest is."""
        self.wishes[kind, self._slot(frame).name] = frame

    def _grant(self) -> None:
        kind, name = key = min(self.wishes, key=lambda key: key[0] != "unit")  # units first: they are quick
        frame = self.wishes.pop(key)
        if name in self.slots:
            tell = self._tell_unit if kind == "unit" else self._tell_explanation
            self._guarded(kind, tell, self.slots[name], frame.fields)  # an error stops nothing else that goes on

    def _tell_unit(self, slot: Slot, asked: dict[str, Any]) -> None:
        index, calls = int(asked["layer"]), slot.look.calls
        if not 0 <= index < len(calls):
            raise OptionError(f"the network has {len(calls)} layers, and no layer {index}")
        channel, row, column = (int(asked.get(name) or 0) for name in ("channel", "row", "column"))
        found = explain_unit(calls[index], channel, row, column)
        fields = {"slot": slot.name, "layer": index, "channel": channel, "row": row, "column": column}
        fields |= {"from": found.came_from, "window": None}
        if found.rows and found.columns:
            fields["window"] = {"rows": list(found.rows), "columns": list(found.columns)}
        fields |= {"operation": found.kind}  # "kind" is the frame's own
        names = ("bias", "sum", "activation", "activation_formula", "value", "formula", "channels")
        fields |= {name: getattr(found, name) for name in names} | {"dilation": list(found.dilation)}
        arrays = {name: getattr(found, name) for name in ("inputs", "weights", "products")}
        present = {name: np.asarray(array, np.float32) for name, array in arrays.items() if array is not None}
        self.send("unit", fields, f"unit {slot.name}", **present)

    def _tell_explanation(self, slot: Slot, asked: dict[str, Any]) -> None:
        digit = self._drawn()
        label = int(slot.look.probabilities.argmax() if asked.get("label") is None else asked["label"])
        heat = explanation(slot.model, digit, str(asked["method"]), label)
        fields = {"slot": slot.name, "method": asked["method"], "label": label}
        self.send("explanation", fields, f"explanation {slot.name}", map=heat)

    def _drawn(self) -> Floats:
        if self.digit is None:
            raise DataError("nothing is drawn: draw a digit first")
        return self.digit

    # ---- other digits ----------------------------------------------------------------------------------------------

    def on_picture(self, frame: Frame) -> None:
        data = self._picture.take(frame)
        if data is not None:
            ink = ink_of_picture(data, CANVAS)
            self.send("picture", pixels=np.round(255 * ink).astype(np.uint8))

    def on_sample(self, frame: Frame) -> None:
        which = frame.fields["which"]
        if which == "misclassified":
            self.searching = True
            return
        count = len(self.shelf.digits("test")[1])
        index = int(random.generator("sample").integers(count)) if which == "random" else int(which)
        if not 0 <= index < count:
            raise OptionError(f"there are test digits 0 to {count - 1}, and no {index}")
        self._tell_sample(index)

    def _tell_sample(self, index: int) -> None:
        self.last_sample = index
        images, labels = self.shelf.digits("test")
        self.send("sample", {"index": index, "label": int(labels[index])}, pixels=images[index, 0])

    def on_mistakes(self, frame: Frame) -> None:
        self.listing.add(self._slot(frame).name)

    def _search(self) -> None:
        """For the next digit that slot a reads wrong."""
        exam = self.slots["a"].exam(self.shelf)
        index = exam.next_wrong(self.last_sample)
        if index is not None:
            self.searching = False
            self._tell_sample(index)
        elif exam.done:
            self.searching = False
            self.send("error", {"about": "sample", "text": "the network reads all test digits right"})
        else:
            exam.advance()

    def _list_mistakes(self, name: str) -> None:
        slot = self.slots[name]
        exam = slot.exam(self.shelf)
        if not exam.done:
            exam.advance()
        if exam.done:
            self.listing.discard(name)
            if slot.entry.trained and not slot.taught:
                self.shelf.judge(slot.entry, exam.accuracy)
        elif not self._is_time("mistakes", name, READ_AGAIN):
            return
        wrong = exam.wrong[:MOST_MISTAKES]
        fields = {"slot": name, "indices": wrong.tolist(), "labels": exam.t[wrong].tolist()}
        answers = ["?" if answer == UNKNOWN else answer for answer in exam.answers[wrong].tolist()]
        fields |= {"answers": answers, "wrong": len(exam.wrong)}
        fields |= {"seen": exam.seen, "of": len(exam.t), "done": exam.done}
        self.send("mistakes", fields, f"mistakes {name}", pixels=exam.x[wrong, 0])

    # ---- to learn --------------------------------------------------------------------------------------------------

    def on_teach(self, frame: Frame) -> None:
        digit, label = self._drawn(), int(frame.fields["label"])
        if not 0 <= label < CLASSES:
            raise OptionError(f"a digit is 0 to 9, not {label}")
        if any(slot.training for slot in self.slots.values()):
            raise OptionError("a network is still being trained: teach it when it is done")
        others = self.shelf.digits("train")
        lessons = [(slot, Lesson(slot.model, digit, label, others)) for slot in self.slots.values()]
        if not self.lessons:  # else what undo goes back to is what was before them
            self.history.remember([slot.model for slot in self.slots.values()])
            for slot in self.slots.values():
                slot.lessons += 1
        self.lessons = lessons

    def on_undo(self, frame: Frame) -> None:
        self.lessons = []
        models = self.history.undo()
        for slot in self.slots.values():
            slot.lessons -= any(slot.model is model for model in models)
        self.send("undone", {"undo": len(self.history) > 0})
        self._changed(models)

    def _go_on_with_lesson(self) -> None:
        for slot, lesson in self.lessons:
            if lesson.done:
                continue
            lesson.advance()
            chances = slot.read(lesson.x).probabilities
            lesson.tell(float(chances[lesson.label]))
            fields = {"slot": slot.name, "step": lesson.step, "steps": lesson.steps, "loss": lesson.loss}
            self.send("lesson", fields, probabilities=chances)
        if all(lesson.done for _, lesson in self.lessons):
            models, self.lessons = [slot.model for slot, _ in self.lessons], []
            self.send("taught", {"undo": True})
            self._changed(models)

    def _changed(self, models: list[Model]) -> None:
        slots = [slot for slot in self.slots.values() if any(slot.model is model for model in models)]
        for slot in slots:
            slot.changed()
            self._tell_network(slot)
        self._read_again(slots)

    def on_train(self, frame: Frame) -> None:
        self._train(self._slot(frame), bool(frame.fields["on"]))

    def _train(self, slot: Slot, on: bool) -> None:
        if on and slot.training is None:
            slot.training = Training.of(slot.entry.key, slot.model, *self.shelf.digits("train"))
            self.history.forget(slot.model)
        if slot.training is not None:
            slot.training.on = on
            self._tell_training(slot, slot.training)

    def _go_on_with_training(self, slot: Slot, training: Training) -> None:
        if not training.done:
            training.advance()
            slot.changed()
            if self._is_time("training", slot.name, TOLD) or training.done:
                self._tell_training(slot, training)
            if self._is_time("read again", slot.name, READ_AGAIN):
                self._read_again([slot])
            return
        exam = slot.exam(self.shelf)
        exam.advance()
        if not exam.done:
            return
        slot.training = None
        slot.entry = self.shelf.add_trained(slot.model, slot.entry.name, exam.accuracy)
        self._tell_network(slot)
        self._tell_training(slot, training, done=True)
        self._read_again([slot])

    def _tell_training(self, slot: Slot, training: Training, done: bool = False) -> None:
        fields = {"slot": slot.name, "key": slot.entry.key, "epochs": training.plan.epochs, "done": done}
        names = ("step", "steps", "epoch", "loss", "accuracy", "seconds_left", "samples")
        fields |= {name: getattr(training, name) for name in names} | {"on": training.on and not done}
        self.send("training", fields, f"training {slot.name}", **slot.filters())

    # ---- what goes on by itself ------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return bool(self.wishes or self.lessons or self.searching or self.listing or self._trainings())

    def _trainings(self) -> list[tuple[Slot, Training]]:
        return [(slot, slot.training) for slot in self.slots.values() if slot.training and slot.training.on]

    def work(self) -> None:
        """A slice of what is most urgent. What cannot be done is told once, and not tried again."""
        if self.wishes:
            return self._grant()
        try:
            self._go_on()
        except Exception:
            self.lessons, self.searching = [], False
            self.listing.clear()
            for slot, training in self._trainings():
                training.on = False
                self._tell_training(slot, training)
            raise

    def _go_on(self) -> None:
        if self.lessons:
            self._go_on_with_lesson()
        elif self.searching:
            self._search()
        elif self.listing:
            self._list_mistakes(min(self.listing))
        else:
            for slot, training in self._trainings():
                self._go_on_with_training(slot, training)

    def _is_time(self, kind: str, slot: str, seconds: float) -> bool:
        """Whether so long has passed since this was last so."""
        now, key = time.perf_counter(), f"{kind} {slot}"
        if now - self._told.get(key, -seconds) < seconds:
            return False
        self._told[key] = now
        return True


def _slot_name(frame: Frame) -> str:
    name = frame.fields["slot"]
    if name not in NAMES:
        raise OptionError(f"a page has the places a and b, not {str(name)[:20]!r}")
    return str(name)
