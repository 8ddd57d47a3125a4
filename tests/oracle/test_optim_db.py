"""PyTorch's own list of settings for optimizers: ten steps of those that both have give the same weights."""

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.kit.strategies import normal
from tests.oracle.samples import optimizer_infos
from xpnet import optimizers
from xpnet.backend import Backend, make_backend
from xpnet.core.parameter import Parameter
from xpnet.optimizers import Optimizer

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
pytest.importorskip("expecttest", reason='PyTorch\'s samples need it: pip install "xpnet[oracle]"')
pytestmark = pytest.mark.oracle

OURS: dict[str, Callable[..., Optimizer]] = {
    "Adagrad": optimizers.AdaGrad,
    "Adam": optimizers.Adam,
    "AdamW": optimizers.AdamW,
    "Muon": functools.partial(optimizers.Muon, match_adam=False),
    "NAdam": optimizers.Nadam,
    "RAdam": optimizers.RAdam,
    "RMSprop": optimizers.RMSProp,
    "SGD": optimizers.SGD,
}
NAMES = {"decoupled_weight_decay": "decoupled", "ns_coefficients": "coefficients", "ns_steps": "iterations"}
# Settings that are not here, in how many samples they are, and why.
LEFT_OUT: dict[str, tuple[int, str]] = {
    "maximize": (8, "a loss is made smaller; what is to grow has a minus in its loss"),
    "amsgrad": (2, "hardly anybody uses it: AdamW took its place"),
    "centered": (3, "RMSProp as its authors gave it; Adam is what came of it"),
    "dampening": (1, "momentum as its authors gave it"),
    "initial_accumulator_value": (1, "the sum of squares begins at 0, as in the paper"),
    "lr_decay": (1, "a schedule is for every optimizer"),
}
MATRICES = ((3, 2), (4, 5))


@pytest.fixture(params=["numpy", "reference"])
def here(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param)


def settings_of(name: str) -> Iterator[dict[str, Any]]:
    """Those of PyTorch's samples; a rate in a tensor is a number here."""
    for sample in optimizer_infos()[name].optim_inputs_func("cpu"):
        yield {key: value.item() if isinstance(value, torch.Tensor) else value for key, value in sample.kwargs.items()}


def setting_left_out(name: str, settings: dict[str, Any]) -> str | None:
    known = inspect.signature(OURS[name]).parameters
    return next((key for key in settings if NAMES.get(key, key) not in known), None)


@pytest.fixture
def muon_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's Muon rounds gradients to bfloat16 before it makes them orthogonal; here it does not."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())


@pytest.mark.usefixtures("muon_in_float64")
@pytest.mark.parametrize("name", OURS)
def test_ten_steps_agree(here: Backend, name: str) -> None:
    """Down a bowl, sum((A w - b)**2) / 2, whose gradient depends on all steps before."""
    compared = 0
    for settings in settings_of(name):
        if setting_left_out(name, settings):
            continue
        theirs = [torch.nn.Parameter(torch.tensor(normal(shape, i))) for i, shape in enumerate(MATRICES)]
        ours = [Parameter(here.asarray(normal(shape, i)), backend=here) for i, shape in enumerate(MATRICES)]
        other = optimizer_infos()[name].optim_cls(theirs, **settings)
        own = {NAMES.get(key, key): value for key, value in settings.items()}
        mine = OURS[name](**{"lr": other.defaults["lr"]} | own)
        bowls = [(normal((6, shape[0]), 10 + i), normal((6, shape[1]), 20 + i)) for i, shape in enumerate(MATRICES)]
        for _ in range(10):
            for (A, b), p, q in zip(bowls, ours, theirs, strict=True):
                p.grad = here.asarray(A.T @ (A @ here.to_numpy(p.value) - b))
                q.grad = torch.tensor(A.T @ (A @ q.detach().numpy() - b))
            mine.update(ours)
            other.step()
        for p, q in zip(ours, theirs, strict=True):
            got, expected = here.to_numpy(p.value), q.detach().numpy()
            np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-10, err_msg=str(settings))
        compared += 1
    assert compared >= 3


@pytest.mark.skipif(
    not torch.__version__.startswith("2.13."), reason="the numbers of samples are those of PyTorch 2.13"
)
def test_samples_are_left_out_for_the_settings_that_are_named() -> None:
    found = Counter(setting_left_out(name, settings) for name in OURS for settings in settings_of(name))
    assert found.pop(None) == 38
    assert found == {key: count for key, (count, _) in LEFT_OUT.items()}
