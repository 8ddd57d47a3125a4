"""PyTorch's own list of module samples: every module of one or two dimensions is a layer or a loss here, and all of its
samples agree in value and gradient, or it stands in a list with the reason.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.kit.helpers import assert_close
from tests.oracle.samples import module_infos
from xpnet.backend import make_backend
from xpnet.core.layer import Layer
from xpnet.core.parameter import Parameter
from xpnet.errors import ShapeError

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
pytest.importorskip("expecttest", reason='PyTorch\'s samples need it: pip install "xpnet[oracle]"')

from tests.oracle.bridge import run_layer, run_loss  # noqa: E402
from tests.oracle.twins import ABSENT, TWINS  # noqa: E402

pytestmark = pytest.mark.oracle
tree = torch.utils._pytree

TOLERANCES = {"float64": 1e-10, "float32": 1e-4}
COUNTED = pytest.mark.skipif(
    not torch.__version__.startswith("2.13."), reason="the numbers of modules and samples are those of PyTorch 2.13"
)


def samples(name: str, dtype: str) -> Iterator[tuple[Any, bool]]:
    """Of a module, each with whether it is for training."""
    info = module_infos()[name]
    for training in (False, True):
        torch.manual_seed(0)
        for sample in info.module_inputs_func(
            info, device="cpu", dtype=getattr(torch, dtype), requires_grad=True, training=training
        ):
            if name == "KLDivLoss":  # logarithms of numbers below zero, too: PyTorch compares NaN with NaN
                y, t = (x.detach().nan_to_num(-0.5) for x in sample.forward_input.args)
                sample.forward_input.args = (y, t.abs())
            yield sample, training


def option_left_out(sample: Any) -> str | None:
    """The option of PyTorch's that xpnet does not have, if the sample has one."""
    options = sample.constructor_input.kwargs
    if options.get("reduction", "mean") not in ("mean", "batchmean"):
        return "reduction"
    return next((name for name in ("proj_size", "add_bias_kv", "add_zero_attn") if options.get(name)), None)


def fresh(inputs: Any, only_first: bool) -> Any:
    """Copies of the inputs; gradients are asked for of those that are floating point numbers, or of the first alone."""
    inputs = tree.tree_map(lambda x: x.detach().clone() if isinstance(x, torch.Tensor) else x, inputs)
    for number, x in enumerate(tensors(inputs)):
        x.requires_grad_(x.is_floating_point() and not (only_first and number))
    return inputs


def tensors(nested: Any) -> list[Any]:
    return [x for x in tree.tree_leaves(nested) if isinstance(x, torch.Tensor)]


def drawn(module: Any) -> Any:
    """The module with all its parameters and statistics drawn: values of 0 and 1 would hide an error."""
    draws = torch.Generator().manual_seed(1)
    for key, value in learned(module).items():
        value.copy_(torch.randn(value.shape, dtype=value.dtype, generator=draws) / 2)
        if key.endswith("var"):
            value.copy_(value.abs() + 0.5)
    return module


def learned(module: Any) -> dict[str, Any]:
    """Its parameters and statistics by name; PyTorch counts batches, too."""
    return {key: value for key, value in module.state_dict().items() if value.is_floating_point()}


def outputs_and_gradients(call: Any, args: Any, kwargs: Any) -> list[Any]:
    """What the call gives, and the gradients of its inputs, for gradients of the outputs that are drawn.

    Outputs that are integers, the places of the largest pixels, are known here to the way back alone.
    """
    outputs = [y for y in tensors(call(*args, **kwargs)) if y.is_floating_point()]
    draws = torch.Generator().manual_seed(2)
    torch.autograd.backward(outputs, [torch.randn(y.shape, dtype=y.dtype, generator=draws) for y in outputs])
    gradients = [x.grad for x in tensors((args, kwargs)) if x.requires_grad]
    return [array.detach().numpy() for array in outputs + gradients]


def each_axis(x: Any, times: int, change: Callable[[Any], Any]) -> Any:
    """A tensor, changed as often as there are axes to add or to take away."""
    for _ in range(times if isinstance(x, torch.Tensor) else 0):
        x = change(x)
    return x


class Ours:
    """What stands in the table for a module, called as the module is."""

    def __init__(self, name: str, sample: Any, training: bool, dtype: str, weights: dict[str, Any]) -> None:
        self.twin, self.training, self.dtype, self.weights = TWINS[name], training, dtype, weights
        given = sample.constructor_input
        self.made = self.twin.make(*given.args, **given.kwargs)
        bound = inspect.signature(module_infos()[name].module_cls).bind(*given.args, **given.kwargs)
        bound.apply_defaults()
        self.given = bound.arguments | bound.arguments.get("kwargs", {})

    def __call__(self, *xs: Any, **named: Any) -> Any:
        missing = max(self.twin.axes - tensors((xs, named))[0].ndim, 0)  # a sample without a batch is a batch of one
        xs, named = tree.tree_map(lambda x: each_axis(x, missing, lambda x: x[None]), (xs, named))
        y = self.twin.call(self.run, self.given, *xs, **named)
        return (
            y if not isinstance(self.made, Layer) else tree.tree_map(lambda y: each_axis(y, missing, lambda y: y[0]), y)
        )

    def parameters(self) -> dict[str, Parameter]:
        """By PyTorch's names."""
        return {key.removesuffix(self.twin.suffix): p for key, p in self.made.named_parameters()}

    def run(self, *xs: Any, train: bool | None = None) -> Any:
        if not isinstance(self.made, Layer):
            return run_loss(self.made, *xs)
        if not self.made.is_built:
            self.made.to(make_backend("numpy")).astype(self.dtype).build(*(tuple(x.shape[1:]) for x in xs))
            parameters = self.parameters()
            assert self.weights.keys() <= parameters.keys() <= self.weights.keys() | set(self.twin.kept)
            for key, value in self.weights.items():
                parameters[key].value = value
        return run_layer(self.made, *xs, train=self.training if train is None else train)


def compare(name: str, sample: Any, training: bool, dtype: str) -> None:
    """Outputs, the gradients of inputs and parameters, and the statistics.

    A batch of none is refused here; and where all labels are ignored, the loss is 0, of which PyTorch makes 0 / 0.
    """
    made, called = sample.constructor_input, sample.forward_input
    torch.manual_seed(0)
    module = module_infos()[name].module_cls(*made.args, **made.kwargs).to(getattr(torch, dtype)).train(training)
    is_loss = name.endswith("Loss")
    if "Lazy" in name:
        module(*called.args, **called.kwargs)
    weights = {} if is_loss else {key: value.numpy().copy() for key, value in learned(drawn(module)).items()}
    ours = Ours(name, sample, training, dtype, weights)
    expected = outputs_and_gradients(module, *fresh((called.args, called.kwargs), is_loss))
    if tensors((called.args, called.kwargs))[0].numel() == 0:
        with pytest.raises(ShapeError, match="a batch of at least one"):
            ours(*called.args, **called.kwargs)
        return
    got = outputs_and_gradients(ours, *fresh((called.args, called.kwargs), is_loss))
    if is_loss:
        expected = [np.nan_to_num(array) for array in expected]
    if isinstance(ours.made, Layer):
        trained = {key: p.grad.numpy() for key, p in module.named_parameters()}
        statistics = {key: value.numpy() for key, value in learned(module).items() if key not in trained}
        parameters = ours.parameters()
        for key, array in (trained | statistics).items():
            got.append(parameters[key].grad if key in trained else parameters[key].value)
            expected.append(array)
    for mine, theirs in zip(got, expected, strict=True):
        assert_close(mine, theirs, tolerance=TOLERANCES[dtype], scale=1.0)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss:UserWarning")  # PyTorch's KLDivLoss
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True:UserWarning")  # and its TransformerEncoder
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", TWINS)
def test_samples_agree(name: str, dtype: str) -> None:
    compared = 0
    for sample, training in samples(name, dtype):
        if option_left_out(sample) is None:
            try:
                compare(name, sample, training, dtype)
            except Exception as error:
                made, called = sample.constructor_input, sample.forward_input
                shapes = [tuple(x.shape) for x in tensors((called.args, called.kwargs))]
                error.add_note(f"{name}(*{made.args}, **{made.kwargs}) of {shapes}, {training=}: {sample.desc}")
                raise
            compared += 1
    assert compared


@COUNTED
def test_every_module_is_in_the_table_or_in_the_list() -> None:
    names = module_infos().keys()
    assert names == TWINS.keys() | ABSENT.keys()
    assert len(names) == 97
    assert len(TWINS) == 81 and not TWINS.keys() & ABSENT.keys()


@COUNTED
def test_samples_are_left_out_for_the_options_that_are_named() -> None:
    left_out = Counter(option_left_out(sample) for name in TWINS for sample, _ in samples(name, "float64"))
    assert left_out == {
        None: 1200,
        "reduction": 208,
        "add_bias_kv": 64,
        "add_zero_attn": 32,
        "proj_size": 32,
    }
