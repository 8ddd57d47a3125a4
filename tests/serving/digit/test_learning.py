"""Lessons, and trainings in front of a person's eyes."""

from typing import Any

import numpy as np
import pytest

from xpnet import analysis, networks, random
from xpnet.data.datasets import mnist_part
from xpnet.data.transforms import to_unit
from xpnet.errors import OptionError
from xpnet.serving.digit.exam import Exam
from xpnet.serving.digit.lessons import MOST_LEVELS, History, Lesson
from xpnet.serving.digit.shelf import NEW, Shelf
from xpnet.serving.digit.training import PLANS, Plan, Training

Digits = tuple[np.ndarray, np.ndarray]


def small() -> networks.SimpleConvNet:
    return networks.SimpleConvNet(filters=3, hidden=10)


# ---- lessons -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "label", "kept"), [(445, 6, 0.98), (4, 7, 0.94)], ids=["misread", "not true"])
def test_a_lesson_is_learned_and_the_rest_is_not_forgotten(
    number: int, label: int, kept: float, shelf: Shelf, mnist_test: Digits
) -> None:
    """A 6 that is read as another, and a 4 that is not read as a 7 for good reasons."""
    x, t = mnist_test
    model = shelf.entry("package").make()
    digit = to_unit(x[number])
    lesson = Lesson(model, digit, label, mnist_part("train", normalize=False))
    assert analysis.probabilities(model, digit[None])[0].argmax() != label
    while not lesson.done:
        lesson.advance()
        lesson.tell(analysis.probabilities(model, digit[None])[0, label])
    assert analysis.probabilities(model, digit[None])[0].argmax() == label
    assert lesson.learned is (number == 445)
    exam = Exam(model, x[:1000], t[:1000])
    while not exam.done:
        exam.advance()
    assert exam.accuracy > kept


def test_the_way_back_has_several_steps() -> None:
    one, other, history = small(), small(), History()
    first = [one.get_weights(), other.get_weights()]
    history.remember([one, other])
    one.set_weights([weight + 1 for weight in one.get_weights()])
    second = one.get_weights()
    history.remember([one])
    one.set_weights([weight + 1 for weight in one.get_weights()])
    assert len(history) == 2 and history.undo() == [one]
    np.testing.assert_array_equal(one.get_weights()[0], second[0])
    assert history.undo() == [one, other] and len(history) == 0
    for model, weights in zip((one, other), first, strict=True):
        np.testing.assert_array_equal(model.get_weights()[0], weights[0])
    assert history.undo() == []


def test_it_keeps_so_many_steps_and_forgets_networks_that_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other, history = small(), small(), History()
    for _ in range(MOST_LEVELS + 3):
        history.remember([one])
    assert len(history) == MOST_LEVELS
    history.remember([one, other])
    history.forget(one)
    assert len(history) == 1 and history.undo() == [other]
    monkeypatch.setattr("xpnet.serving.digit.lessons.MOST_BYTES", 1)
    history.remember([one])
    history.remember([one])
    assert len(history) == 1  # one always


# ---- trainings -----------------------------------------------------------------------------------------------------


def test_a_training_goes_through_its_plan(mnist_test: Digits) -> None:
    x, t = mnist_test
    model = small()
    training = Training(model, Plan(2, 450, 100, 0.01), x[:500], t[:500])
    assert (training.steps, training.seconds_left, training.accuracy) == (10, None, None)
    losses = []
    while not training.done:
        training.advance()
        losses.append(training.loss)
    assert (training.step, training.epoch, training.seconds_left) == (10, 1, 0.0)
    assert losses[-1] < losses[0] and training.accuracy is not None and 0 <= training.accuracy <= 1


def test_the_same_seed_gives_the_same_network(mnist_test: Digits) -> None:
    """However many others are trained beside it."""
    x, t = mnist_test

    def train(beside: bool) -> list[np.ndarray]:
        random.seed(3)
        trainings = [Training(small(), Plan(1, 300, 100, 0.01), x[:300], t[:300])]
        if beside:
            with random.preserved_state((7, 7)):
                trainings.append(Training(small(), Plan(1, 300, 100, 0.01), x[:300], t[:300]))
        while not trainings[0].done:
            trainings[0].advance()
            if beside:
                with random.preserved_state((7, 7)):
                    trainings[1].advance()
        return trainings[0].model.get_weights()

    for alone, beside in zip(train(False), train(True), strict=True):
        np.testing.assert_array_equal(alone, beside)


def test_every_new_network_has_a_plan_and_no_other(mnist_test: Digits) -> None:
    assert PLANS.keys() == NEW.keys()
    with pytest.raises(OptionError, match="trained already"):
        Training.of("package", small(), *mnist_test)


@pytest.mark.slow
@pytest.mark.parametrize("key", NEW)
def test_a_training_of_seconds_reads_nearly_all(key: str, mnist_test: Digits) -> None:
    model: Any = NEW[key][1]()
    training = Training.of(key, model, *mnist_part("train", normalize=False))
    while not training.done:
        training.advance()
    exam = Exam(model, *mnist_test)
    while not exam.done:
        exam.advance()
    print(f"{key}: {exam.accuracy:.4f} after {training.seconds:.1f} s")
    assert exam.accuracy > 0.97


# ---- the test digits -----------------------------------------------------------------------------------------------


def test_an_exam_finds_what_is_wrong(shelf: Shelf) -> None:
    model, (x, t) = small(), shelf.digits("test")
    exam = Exam(model, x, t)
    assert not exam.done and exam.next_wrong(-1) is None
    while not exam.done:
        exam.advance()
    expected = analysis.misclassified(model, x.astype(np.float32) / 255, t)
    np.testing.assert_array_equal(exam.wrong, np.sort(expected.indices))
    assert exam.accuracy == pytest.approx(1 - len(expected.indices) / len(t))
    first, second = exam.wrong[:2]
    assert exam.next_wrong(-1) == first and exam.next_wrong(first) == second
    assert exam.next_wrong(len(t)) == first  # round and round
