"""JSON lines and callbacks made of functions."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.callbacks.test_callbacks import Script, Teller, run
from tests.kit.small import clusters, network
from xpnet.base.atomic_files import replace_whole
from xpnet.callbacks import Callback, JSONLinesLogger, LambdaCallback
from xpnet.errors import FileError, OptionError
from xpnet.metrics import ConfusionMatrix

NAN, INF = float("nan"), float("inf")


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def epochs(path: Path) -> list[int]:
    return [line["epoch"] for line in lines(path)]


# ---- JSON lines ------------------------------------------------------------------------------------------------------


def test_a_line_for_each_epoch_with_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.jsonl"
    model = network(metrics=["accuracy", ConfusionMatrix(3)])
    run(JSONLinesLogger(path), epochs=3, validation_data=clusters(6), validation_freq=2, model=model)
    assert model.history is not None
    history = model.history.history
    names = ["epoch", "loss", "accuracy", "confusion_matrix"]
    for i, line in enumerate(lines(path)):
        assert list(line) == names + ([f"val_{name}" for name in names[1:]] if i == 1 else []) + ["lr"]
        assert (line["epoch"], line["loss"], line["accuracy"]) == (i + 1, history["loss"][i], history["accuracy"][i])
        assert np.array(line["confusion_matrix"]).shape == (3, 3)


def test_what_json_does_not_have_becomes_a_string_that_float_takes(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"

    class Odd(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            logs |= {"a": np.float32("nan"), "b": np.array([INF, 1.5]), "c": (-INF, np.int64(3)), "d": {1: Path("x")}}
            logs |= {"e": np.bool_(True), "f": None}

    run(Script(score=[NAN]), Odd(), JSONLinesLogger(path), epochs=1)
    (line,) = lines(path)
    assert line["score"] == line["a"] == "NaN" and np.isnan(float(line["a"]))
    assert line["b"] == ["Infinity", 1.5] and line["c"] == ["-Infinity", 3] and float(line["c"][0]) == -INF
    assert (line["d"], line["e"], line["f"]) == ({"1": "x"}, True, None)


def test_the_file_starts_anew_or_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for append, expected in ((False, [1, 2]), (True, [1, 2, 1, 2]), (False, [1, 2])):
        run(JSONLinesLogger(path, append=append), epochs=2)
        assert epochs(path) == expected


def test_a_file_that_is_there_is_replaced_by_the_first_epoch_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    run(JSONLinesLogger(path), epochs=2)
    before = path.read_bytes()
    for append in (False, True):
        with pytest.raises(KeyboardInterrupt):
            run(JSONLinesLogger(path, append), Teller(interrupt=(0, 1)))
        assert path.read_bytes() == before
    with pytest.raises(KeyboardInterrupt):
        run(JSONLinesLogger(path), Teller(interrupt=(1, 0)))
    assert epochs(path) == [1]
    os.unlink(path)
    with pytest.raises(KeyboardInterrupt):
        run(JSONLinesLogger(path), Teller(interrupt=(0, 1)))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("", []),
        ('{"epoch": 7}', [{"epoch": 7}]),
        ('{"epoch": 7}\n{"epoch": 8, "lo', [{"epoch": 7}]),
        ('{"note": 1}\n[3]\n', [{"note": 1}, [3]]),
    ],
)
def test_going_on_mends_a_line_that_was_cut_short(tmp_path: Path, content: str, kept: list[Any]) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(content, encoding="utf-8")
    run(JSONLinesLogger(path, append=True), epochs=1)
    assert lines(path)[:-1] == kept


@pytest.mark.parametrize("append", [False, True])
@pytest.mark.parametrize("damage", ["nothing", "torn", "gone"])
def test_a_resumed_training_has_each_line_once(tmp_path: Path, append: bool, damage: str) -> None:
    """It was killed in its fifth epoch, and its state is that after the second."""
    path = tmp_path / "log.jsonl"
    run(JSONLinesLogger(path), epochs=3)
    earlier = [1, 2, 3] if append else []
    state: dict[str, Any] = {}
    logger = JSONLinesLogger(path, append)

    class Save(Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            if epoch == 1:
                state.update(logger.get_state())

    class Restore(Callback):
        def on_train_begin(self, logs: Any) -> None:
            again.set_state(state)

    with pytest.raises(KeyboardInterrupt):
        run(logger, Save(), Teller(interrupt=(4, 0)), epochs=6)
    assert epochs(path) == [*earlier, 1, 2, 3, 4]
    before = lines(path)
    if damage == "torn":
        path.write_text(path.read_text() + '{"epoch": 5')
    if damage == "gone":
        path.write_text("".join(json.dumps(line) + "\n" for line in before[: len(earlier)]))
    again = JSONLinesLogger(path, append)
    run(Script(score=[0.5] * 4), again, Restore(), initial_epoch=2, epochs=4)
    assert epochs(path) == [*earlier, 1, 2, 3, 4]
    assert lines(path)[: len(earlier) + 2] == before[: len(earlier) + 2] and "score" in lines(path)[-1]


def test_a_file_that_has_become_shorter_cannot_be_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    logger = JSONLinesLogger(path, append=True)
    logger.on_train_begin({})
    with pytest.raises(FileError, match="it has become shorter than the 99 bytes that it had"):
        logger.set_state({"new": False, "start": 99, "text": "{}\n"})
    logger.on_train_end({})


def test_a_training_that_is_resumed_in_its_first_epoch_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    run(JSONLinesLogger(path), epochs=3)
    logger = JSONLinesLogger(path)

    class Restore(Callback):
        def on_train_begin(self, logs: Any) -> None:
            logger.set_state(logger.get_state())

    run(logger, Restore(), epochs=1)
    assert epochs(path) == [1]


def test_a_log_that_cannot_be_written_fails_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    teller = Teller()
    with pytest.raises(
        FileError, match=r"^JSONLinesLogger cannot write to .*: there is a file of that name\. Choose a folder"
    ):
        run(JSONLinesLogger(tmp_path / "file" / "log.jsonl"), teller)
    assert teller.told == []


# ---- functions -------------------------------------------------------------------------------------------------------


def test_functions_are_told_what_a_callback_is_told() -> None:
    teller, told = Teller(), []
    functions = {event: getattr(teller, event) for event in dir(Callback) if event.startswith("on_")}
    functions = {event: function for event, function in functions.items() if event in vars(Teller)}
    run(LambdaCallback(**functions), epochs=2)
    expected = Teller()
    run(expected, epochs=2)
    assert teller.told == expected.told

    def at_epoch(epoch: int, logs: Any) -> None:
        told.append((epoch, sorted(logs)))

    run(LambdaCallback(on_epoch_end=at_epoch), epochs=2)
    assert told == [(0, ["accuracy", "loss", "lr"]), (1, ["accuracy", "loss", "lr"])]


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(OptionError, match="LambdaCallback: on_epoch_end must be a function, not 'print'"):
        LambdaCallback(on_epoch_end="print")  # type: ignore[arg-type]
    with pytest.raises(
        OptionError, match=r"there is no event 'on_batch_end'; there are on_train_begin, .*on_nonfinite"
    ):
        LambdaCallback(on_batch_end=print)


def test_a_file_is_closed_before_it_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows refuses to replace one that is open."""
    log, closed = JSONLinesLogger(tmp_path / "log.jsonl"), []

    def replace(path: Path, write: Any) -> None:
        assert log.file is not None
        closed.append(log.file.closed)
        replace_whole(path, write)

    monkeypatch.setattr("xpnet.callbacks.epoch_log.replace_whole", replace)
    run(log)
    assert closed == [True] and lines(tmp_path / "log.jsonl")
