"""The search for a learning rate: what it finds, and that it leaves no trace."""

from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.helpers import bits
from tests.kit.pictures import assert_readable, panel
from tests.kit.small import Written, clusters, network, normed_network
from xpnet import Sequential, optimizers, random, schedules, visualize
from xpnet.backend import Backend
from xpnet.data import Batches
from xpnet.errors import DataError, OptionError, ShapeError
from xpnet.layers import Dense

DATA = clusters()


def trace(model: Any) -> list[Any]:
    """All that a search could change."""
    optimizer = model.optimizer
    state = [optimizer.state[p] for p in model.parameters() if p in optimizer.state]
    arrays = [bits(p.value, p.backend) for p in model.parameters()]
    arrays += [bits(p.grad, p.backend) for p in model.parameters()]
    arrays += [bits(array, model.backend) for each in state for array in each.values()]
    counts = [each.steps for each in state]
    rates = optimizer.lr, optimizer.lr_scale, optimizer.current_lr
    return [arrays, counts, optimizer.steps, rates, random.get_state(), model.history]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adagrad"])
def test_a_search_leaves_no_trace(optimizer: str, backend: Backend) -> None:
    model = normed_network(optimizer)
    model.fit(*DATA)
    before = trace(model)
    xpnet.find_lr(model, *DATA, steps=20)
    assert trace(model) == before


def test_training_goes_on_as_if_there_had_been_no_search() -> None:
    weights = []
    for search in (False, True):
        xpnet.seed(3)
        model = network(optimizers.SGD(schedules.Cosine(0.1, 40), momentum=0.9), dropout=0.3)
        for _ in range(2):
            if search:
                xpnet.find_lr(model, *DATA, steps=12)  # the first time before the model is built
            model.fit(*DATA)
        weights.append([bits(w) for w in model.get_weights()])
    assert weights[0] == weights[1]


def test_the_scale_that_a_plateau_left_does_not_count() -> None:
    found = []
    for scale in (1.0, 0.01):
        xpnet.seed(3)
        model = network("sgd")
        model.optimizer.lr_scale = scale  # type: ignore[union-attr]
        found.append(xpnet.find_lr(model, *DATA).losses.tolist())
        assert model.optimizer.lr_scale == scale  # type: ignore[union-attr]
    assert found[0] == found[1]


def test_a_model_that_is_not_built_stays_so() -> None:
    model = network()
    xpnet.find_lr(model, *DATA, steps=10)
    assert model.input_shapes == () and model.parameters() == []


def test_rates_grow_by_one_factor_and_the_losses_are_those_of_training() -> None:
    model = network("sgd")
    model.build((2,))
    twin = model.copy()
    batches = list(Batches(*DATA, 24))
    found = xpnet.find_lr(model, batches, lowest=1e-3, highest=0.1, steps=11)
    assert np.allclose(found.rates, np.geomspace(1e-3, 0.1, 11))
    for i, (rate, loss) in enumerate(zip(found.rates, found.losses, strict=True)):  # five batches, again and again
        twin.optimizer.lr = float(rate)
        assert twin.train_on_batch(*batches[i % 5]) == loss


def test_the_suggestion_is_where_the_loss_falls_fastest_and_it_trains() -> None:
    model = network("sgd")
    found = xpnet.find_lr(model, *DATA)
    assert found.suggestion is not None and 1e-2 < found.suggestion < 2
    assert found.suggestion in found.rates
    assert found.suggestion <= found.rates[found.smoothed.argmin()]
    model.compile(optimizers.SGD(found.suggestion), metrics=["accuracy"])
    model.fit(*DATA, epochs=10)
    assert model.evaluate(*DATA)[1] > 0.95


def test_the_search_ends_where_training_diverges() -> None:
    model = Sequential([Dense(8), Dense(2)])
    model.compile("sgd", loss="mean_squared_error")
    for diverged in (4.0, 1e300):  # in the second search up to the step whose loss is infinite
        found = xpnet.find_lr(model, DATA[0], DATA[0], highest=1e6, steps=200, diverged=diverged)
        assert len(found.rates) == len(found.losses) == len(found.smoothed) < 200
        assert np.isfinite(found.losses).all()
        assert found.suggestion is not None and found.suggestion < 1


@pytest.mark.parametrize("scale", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("diverged", [1.5, 4.0])
def test_diverged_is_a_factor_of_the_lowest_mean_whatever_the_size_of_the_loss(scale: float, diverged: float) -> None:
    losses = [scale * loss for loss in (1.0, 0.8, 0.6, 0.5, 0.5, 0.6, 0.9, 1.5, 3.0, 6.0, 12.0, 25.0, 50.0, 100.0)]

    class Told(Sequential):
        def train_on_batch(self, *args: Any, **options: Any) -> float:
            return next(left)

    left = iter(losses)
    model = Told([Dense(3)])
    model.compile("sgd")
    found = xpnet.find_lr(model, [DATA] * len(losses), steps=len(losses), diverged=diverged).losses
    mean, best, expected = 0.0, np.inf, 0
    for expected, loss in enumerate(losses, start=1):
        mean = 0.9 * mean + 0.1 * loss
        unbiased = mean / (1 - 0.9**expected)
        best = min(best, unbiased)
        if unbiased > diverged * best:
            break
    assert 5 < expected < len(losses) and found.tolist() == losses[:expected]


def test_no_suggestion_where_the_loss_falls_nowhere() -> None:
    def constant(m: Any, x: Any) -> Any:
        return m.dense(m.zero(x))

    model = Written(constant, zero=Dense(2, bias=False, initializer=0.0), dense=Dense(3, bias=False, initializer=0.0))
    model.compile("sgd")
    found = xpnet.find_lr(model, *DATA, steps=10)
    assert found.suggestion is None and np.allclose(found.losses, np.log(3))
    assert_readable(visualize.plot_lr_search(found))


def test_noise_is_no_fall() -> None:
    """Labels that have nothing to do with the samples, in batches of four."""
    rng = np.random.default_rng(0)
    x, t = rng.random((200, 6), dtype="float32"), rng.integers(0, 4, 200)
    for seed in range(3):
        xpnet.seed(seed)
        model = Sequential([Dense(4)])
        model.compile("sgd")
        assert xpnet.find_lr(model, x, t, batch_size=4).suggestion is None


def test_batches_of_any_origin() -> None:
    model = network()

    class Endless:
        def __iter__(self) -> Any:
            while True:
                yield DATA

    assert len(xpnet.find_lr(model, Endless(), steps=10, highest=0.1).losses) == 10
    assert len(xpnet.find_lr(model, (DATA for _ in range(7)), steps=10, highest=0.1).losses) == 7
    with pytest.raises(DataError, match="the data ended, or the loss was not finite, after 0 steps"):
        xpnet.find_lr(model, [], steps=10)
    for wrong in ([DATA[0]], [1, 2]):
        with pytest.raises(DataError, match="an iterable of batches"):
            xpnet.find_lr(model, wrong, steps=10)
    with pytest.raises(DataError, match="not int"):
        xpnet.find_lr(model, 3)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(OptionError, match="not compiled"):
        xpnet.find_lr(Sequential([Dense(3)]), *DATA)
    model = network()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"lowest": 0}, "lowest must be a positive"),
        ({"lowest": 1, "highest": 1}, "lowest must be below highest"),
        ({"steps": 5}, "steps must be an integer of at least 10"),
        ({"diverged": 1}, "diverged must be above 1"),
        ({"batch_size": 0}, "batch_size must be"),
    ]
    for options, message in wrong:
        with pytest.raises(OptionError, match=message):
            xpnet.find_lr(model, *DATA, **options)
    model.build((2,))
    with pytest.raises(ShapeError, match="needed is"):
        xpnet.find_lr(model, np.zeros((4, 3), np.float32), np.zeros(4, np.int64))


def test_the_picture_shows_the_curve_and_the_suggestion() -> None:
    found = xpnet.find_lr(network("sgd"), *DATA)
    figure = visualize.plot_lr_search(found)
    axes = figure.axes[0]
    raw, smooth, line = axes.lines
    assert np.array_equal(raw.get_ydata(), found.losses) and np.array_equal(smooth.get_ydata(), found.smoothed)
    assert line.get_xdata()[0] == found.suggestion
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "learning rate", "loss")
    assert axes.get_legend().get_texts()[2].get_text() == f"suggested: {found.suggestion:.2g}"
    assert_readable(figure)
    ax = panel()
    assert visualize.plot_lr_search(found, ax=ax) is ax.figure
    assert_readable(ax.figure)
