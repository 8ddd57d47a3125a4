"""The state of the playground: everything that makes its numbers, in one object that is also JSON.

A page holds it in its address, so that it can be shared. `read_state` fills in what is missing, checks every field, and
brings the rest into its normal form: two equal playgrounds have equal states.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from xpnet.base.checks import at_least_zero, finite, flag, positive, whole
from xpnet.errors import OptionError
from xpnet.optimizers import OPTIMIZERS

PROBLEMS = ("classification", "regression")
DATA = {
    "classification": ("circle", "xor", "gauss", "spiral", "blobs", "own"),
    "regression": ("plane", "multigauss", "own"),
}
SEVERAL_CLASSES = ("spiral", "blobs", "own")  # data sets that can have more than two
INPUTS = ("x1", "x2", "x1^2", "x2^2", "x1x2", "sin x1", "sin x2")
ACTIVATIONS = ("relu", "tanh", "sigmoid", "linear")
LOSSES = {  # the first is what "auto" means
    "two classes": ("binary_cross_entropy", "mean_squared_error", "hinge", "squared_hinge"),
    "several classes": ("softmax_cross_entropy", "mean_squared_error", "multi_class_hinge"),
    "regression": ("mean_squared_error", "mean_absolute_error", "huber"),
}
REGULARIZATIONS = ("none", "L1", "L2")
INITIALIZERS = ("xavier", "he", "small", "uniform", "large", "zeros")
EDGE = 6.0  # points lie between -EDGE and EDGE
MOST_CLASSES, MOST_LAYERS, MOST_UNITS, MOST_POINTS, LARGEST_BATCH = 6, 6, 8, 1000, 30
MOST_NOISE, MOST_DROPOUT = 50, 0.8

Point = tuple[float, float, float]  # x1, x2, target: the number of a class, from 0, or a number from -1 to 1


@dataclass(frozen=True)
class Hidden:
    """A hidden layer: a dense layer, perhaps normalised, its activation, and perhaps dropout behind it."""

    units: int = 4
    activation: str = "tanh"
    batch_norm: bool = False
    dropout: float = 0.0


@dataclass(frozen=True)
class State:
    """By default that of TensorFlow Playground: a circle, and a network of 4 and 2 units between x1, x2 and the answer.

    `show_test` and `discrete` concern the page alone. The rate is what the sum of |w|, or of w**2, is multiplied by
    (TensorFlow Playground halves the squares).
    """

    problem: str = "classification"
    data: str = "circle"
    points: tuple[Point, ...] = ()  # of one's own
    classes: int = 2
    noise: float = 0  # percent
    train: float = 50  # percent of the points
    batch: int = 10
    seed: int = 1
    inputs: tuple[str, ...] = ("x1", "x2")
    hidden: tuple[Hidden, ...] = (Hidden(4), Hidden(2))
    loss: str = "auto"
    optimizer: str = "sgd"
    lr: float = 0.03
    regularization: str = "none"
    rate: float = 0
    initializer: str = "xavier"
    show_test: bool = False
    discrete: bool = False

    @property
    def task(self) -> str:
        """The key of LOSSES."""
        return self.problem if self.problem == "regression" else TASKS[self.classes == 2]

    @property
    def loss_name(self) -> str:
        """The loss, also where it is "auto"."""
        return LOSSES[self.task][0] if self.loss == "auto" else self.loss

    @property
    def outputs(self) -> int:
        """Units of the last layer: a score for each of several classes, else one."""
        return self.classes if self.task == "several classes" else 1

    def as_json(self) -> dict[str, Any]:
        """What `read_state` takes."""
        return asdict(self)


TASKS = ("several classes", "two classes")


def read_state(given: Any) -> State:
    """The state that JSON describes; OptionError for the first field that is wrong."""
    known = _known_fields("the state", State, given)
    problem = _one_of("problem", known["problem"], PROBLEMS)
    data = known["data"]
    if data not in DATA[problem]:
        raise OptionError(f"data must be one of {', '.join(DATA[problem])} for a {problem}, not {data!r}")
    points = read_points(known["points"])
    classes = _read_classes(known["classes"], problem, data, points)
    loss = _one_of("loss", known["loss"], ("auto", *sorted({name for names in LOSSES.values() for name in names})))
    state = State(
        problem=problem,
        data=data,
        points=points,
        classes=classes,
        noise=_between("noise", known["noise"], 0, MOST_NOISE),
        train=_between("train", known["train"], 10, 90),
        batch=_whole_between("batch", known["batch"], 1, LARGEST_BATCH),
        seed=_whole_between("seed", known["seed"], 0, 2**53 - 1),  # what JavaScript can count
        inputs=_read_inputs(known["inputs"]),
        hidden=_read_hidden(known["hidden"]),
        loss=loss,
        optimizer=_one_of("optimizer", known["optimizer"], tuple(OPTIMIZERS)),
        lr=positive("lr", known["lr"]),
        regularization=_one_of("regularization", known["regularization"], REGULARIZATIONS),
        rate=at_least_zero("rate", known["rate"]),
        initializer=_one_of("initializer", known["initializer"], INITIALIZERS),
        show_test=flag("show_test", known["show_test"]),
        discrete=flag("discrete", known["discrete"]),
    )
    if loss != "auto" and loss not in LOSSES[state.task]:
        raise OptionError(f"the loss of {state.task} must be auto, {', '.join(LOSSES[state.task])}, not {loss!r}")
    return state


def read_points(given: Any) -> tuple[Point, ...]:
    """Points of one's own; what their targets may be depends on the problem, and `check_targets` sees to it."""
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise OptionError(f"points must be a list of [x1, x2, target], not {given!r}")
    if len(given) > MOST_POINTS:
        raise OptionError(f"there can be {MOST_POINTS} points of your own at most, not {len(given)}")
    points: list[Point] = []
    for point in given:
        if not isinstance(point, Sequence) or isinstance(point, str) or len(point) != 3:
            raise OptionError(f"a point must be [x1, x2, target], not {point!r}")
        x1, x2, target = (finite("each number of a point", number) for number in point)
        if max(abs(x1), abs(x2)) > EDGE:
            raise OptionError(f"a point must lie between -{EDGE:g} and {EDGE:g}, not at ({x1:g}, {x2:g})")
        points.append((x1, x2, target))
    return tuple(points)


def bounded(value: Any) -> Any:
    """The same with infinity for integers that no float holds: JSON's may have any number of digits."""
    if isinstance(value, Mapping):
        return {key: bounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [bounded(each) for each in value]
    if isinstance(value, int) and abs(value) >= 2**1023:
        return math.inf if value > 0 else -math.inf
    return value


def check_targets(problem: str, points: Sequence[Point]) -> None:
    """OptionError for a target that the problem does not have."""
    for *_, target in points:
        if problem == "regression" and abs(target) > 1:
            raise OptionError(f"the target of a point must lie between -1 and 1 in a regression; it is {target:g}")
        if problem == "classification" and (target != math.floor(target) or not 0 <= target < MOST_CLASSES):
            raise OptionError(
                f"the target of a point is the number of its class, 0 to {MOST_CLASSES - 1}; it is {target:g}"
            )


def _read_classes(given: Any, problem: str, data: str, points: Sequence[Point]) -> int:
    """Two, unless the data set can have more; those of one's own are as many as there are."""
    classes = _whole_between("classes", given, 2, MOST_CLASSES)
    if data == "own":
        check_targets(problem, points)
    if problem == "regression" or data not in SEVERAL_CLASSES:
        return 2
    if data == "own":
        return max(classes, *(int(target) + 1 for *_, target in points), 2)
    return classes


def _read_inputs(given: Any) -> tuple[str, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise OptionError(f"inputs must be a list of at least one of {', '.join(INPUTS)}, not {given!r}")
    for name in given:
        _one_of("an input", name, INPUTS)
    return tuple(name for name in INPUTS if name in given)


def _read_hidden(given: Any) -> tuple[Hidden, ...]:
    if not isinstance(given, Sequence) or isinstance(given, str):
        raise OptionError(f"hidden must be a list of layers, not {given!r}")
    if len(given) > MOST_LAYERS:
        raise OptionError(f"there can be {MOST_LAYERS} hidden layers at most, not {len(given)}")
    layers = []
    for number, layer in enumerate(given, 1):
        known = _known_fields(f"hidden layer {number}", Hidden, layer)
        dropout = _between(f"dropout of hidden layer {number}", known["dropout"], 0, MOST_DROPOUT)
        layers.append(
            Hidden(
                _whole_between(f"units of hidden layer {number}", known["units"], 1, MOST_UNITS),
                _one_of(f"activation of hidden layer {number}", known["activation"], ACTIVATIONS),
                flag(f"batch_norm of hidden layer {number}", known["batch_norm"]),
                float(dropout),
            )
        )
    return tuple(layers)


def _known_fields(what: str, kind: type, given: Any) -> dict[str, Any]:
    """The fields that are given, and the defaults of the others."""
    if isinstance(given, kind):
        return {field.name: getattr(given, field.name) for field in fields(kind)}
    if not isinstance(given, Mapping):
        raise OptionError(f"{what} must be an object with fields, not {given!r}")
    names = [field.name for field in fields(kind)]
    unknown = sorted(set(map(str, given)) - set(names))
    if unknown:
        raise OptionError(f"{what} has no field {unknown[0][:40]!r}; it has {', '.join(names)}")
    return {name: given.get(name, getattr(kind, name, None)) for name in names}


def _one_of(what: str, value: Any, choices: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise OptionError(f"{what} must be one of {', '.join(choices)}, not {value!r}")
    return value


def _whole_between(what: str, value: Any, least: int, most: int) -> int:
    if whole(what, value, least) > most:
        raise OptionError(f"{what} must be an integer from {least} to {most}, not {value!r}")
    return int(value)


def _between(what: str, value: Any, least: float, most: float) -> float:
    """As it is, an integer or not: the state is shown to people."""
    if not least <= finite(what, value) <= most:
        raise OptionError(f"{what} must be a number from {least} to {most}, not {value!r}")
    return value if isinstance(value, int) else float(value)
