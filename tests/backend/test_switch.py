"""Choosing a backend, moving layers between backends, and parameters that live on one."""

import importlib.util
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tests.conftest import MISSING
from tests.kit.helpers import assert_lives_on, assert_same, bits
from tests.kit.strategies import normal
from xpnet.backend import Array, Backend, backend_names, get_backend, make_backend, use_backend
from xpnet.core.layer import Layer
from xpnet.core.parameter import Parameter
from xpnet.errors import BackendError, OptionError, ShapeError
from xpnet.layers import BatchNorm2D, Conv2D, Dense, ReLU

without_cupy = pytest.mark.skipif(
    importlib.util.find_spec("cupy") is not None,
    reason="CuPy is installed: what happens without it cannot be seen here",
)


def in_a_new_process(name: str | None) -> subprocess.CompletedProcess[str]:
    """What a script finds when XPNET_BACKEND is `name`."""
    environment = {key: value for key, value in os.environ.items() if key != "XPNET_BACKEND"}
    environment |= {} if name is None else {"XPNET_BACKEND": name}
    script = "from xpnet.backend import get_backend; print(get_backend().name)"
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "expected"), [(None, "numpy"), ("", "numpy"), (" numpy ", "numpy"), ("reference", "reference")]
)
def test_the_environment_names_the_backend(name: str | None, expected: str) -> None:
    result = in_a_new_process(name)
    assert (result.stdout.strip(), result.returncode, result.stderr) == (expected, 0, "")


def test_an_unknown_name_is_refused_with_the_choices() -> None:
    result = in_a_new_process("numpi")
    assert result.returncode != 0
    choices = "choose one of numpy, cupy, auto, reference, array_api_strict, torch"
    assert f"BackendError: there is no backend 'numpi'; {choices}" in result.stderr
    assert choices.endswith(", ".join(backend_names()))
    with pytest.raises(BackendError, match="no backend 'numpi'"):
        use_backend("numpi")


@without_cupy
def test_cupy_without_cuda_says_what_to_install() -> None:
    before = get_backend()
    with pytest.raises(BackendError) as caught:
        use_backend("cupy")
    assert 'pip install "xpnet[cuda13]"' in str(caught.value)
    assert 'pip install "xpnet[cuda12]"' in str(caught.value)
    assert get_backend() is before


@without_cupy
def test_auto_falls_back_to_numpy_and_says_so() -> None:
    result = in_a_new_process("auto")
    assert result.stdout.strip() == "numpy"
    assert result.stderr.startswith("xpnet: backend auto chose numpy (backend 'cupy': CuPy is not installed")
    assert result.stderr.count("\n") == 1


def test_use_backend_sets_it_from_now_on() -> None:
    use_backend("reference")
    assert get_backend() is make_backend("reference")
    use_backend("numpy")
    assert get_backend().name == "numpy"


def test_use_backend_nests_and_restores_after_errors() -> None:
    use_backend("numpy")
    with use_backend("reference") as outer:
        assert get_backend() is outer
        with use_backend("array_api_strict") as inner:
            assert get_backend() is inner is make_backend("array_api_strict")
        assert get_backend() is outer
        with pytest.raises(ZeroDivisionError), use_backend("numpy"):
            raise ZeroDivisionError
        assert get_backend() is outer
    assert get_backend().name == "numpy"


def test_a_plain_use_backend_inside_a_block_holds_to_the_end_of_the_block() -> None:
    use_backend("numpy")
    with use_backend("reference"):
        use_backend("array_api_strict")
        assert get_backend().name == "array_api_strict"
        with use_backend("torch" if MISSING.get("torch", "left out") is None else "numpy") as inner:
            use_backend("reference")
            use_backend("numpy")
            assert get_backend().name == "numpy"
        assert inner is not get_backend()
        assert get_backend().name == "array_api_strict"
        use_backend("reference")
    assert get_backend().name == "numpy"
    use_backend("reference")
    assert get_backend().name == "reference"


def test_a_block_holds_for_its_own_thread_only() -> None:
    use_backend("numpy")
    meet, found = threading.Barrier(2), {}

    def work(name: str) -> None:
        for _ in range(20):
            with use_backend(name):
                meet.wait(10)  # both are inside
                found.setdefault(name, set()).add((get_backend().name, Dense(2).backend.name))
                meet.wait(10)
            found[name].add(("outside", get_backend().name))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("reference", "array_api_strict")]
    with use_backend("reference"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {name: {(name, name), ("outside", "numpy")} for name in ("reference", "array_api_strict")}
    assert get_backend().name == "numpy"


def test_a_plain_use_backend_holds_for_threads_too() -> None:
    found: list[str] = []
    use_backend("reference")
    thread = threading.Thread(target=lambda: found.append(get_backend().name))
    thread.start()
    thread.join()
    assert found == ["reference"]


def test_a_backend_object_of_ones_own_can_be_used() -> None:
    mine = Backend(name="mine")
    with use_backend(mine):
        assert get_backend() is mine
        assert Dense(2).backend is mine


def test_each_backend_is_made_once(backend: Backend) -> None:
    assert make_backend(backend.name) is backend
    assert get_backend() is backend


def test_arrays_go_there_and_back(backend: Backend) -> None:
    x = normal((2, 3), 1, "float32")
    array = backend.asarray(x)
    assert_lives_on(backend, array, "float32")
    np.testing.assert_array_equal(backend.to_numpy(array), x)
    assert_lives_on(backend, backend.asarray(x, "float64"), "float64")
    assert_lives_on(backend, backend.zeros((2,), np.float64), "float64")
    copied = backend.copy(array)
    copied[0, 0] = 7
    np.testing.assert_array_equal(backend.to_numpy(array), x)


def test_a_layer_stays_where_it_was_made() -> None:
    with use_backend("reference") as reference:
        layer = Dense(2)
    use_backend("numpy")
    assert layer.backend is reference
    layer.build((3,))
    assert layer.weight.backend is reference


def network() -> Layer:
    class Network(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.conv = Conv2D(2, 3, activation="relu")
            self.norm = BatchNorm2D()

        def forward(self, x, train=False):  # type: ignore[no-untyped-def]
            y, conv_back = self.conv.forward(x, train=train)
            y, norm_back = self.norm.forward(y, train=train)
            return y, lambda dy: conv_back(norm_back(dy))

    layer = Network()
    layer.forward(layer.backend.asarray(normal((2, 3, 5, 5), 1, "float32")), train=True)
    return layer


def test_moving_a_layer_keeps_its_values(backend: Backend) -> None:
    use_backend("numpy")
    layer = network()
    x = normal((2, 3, 5, 5), 2, "float32")
    expected, _ = layer.forward(x)
    before = [np.array(p.value) for p in layer.parameters()]
    assert layer.to(backend) is layer
    for parameter, value in zip(layer.parameters(), before, strict=True):
        assert parameter.backend is backend
        assert_same(parameter.value, value, backend)
    y, _ = layer.forward(backend.asarray(x))
    np.testing.assert_allclose(backend.to_numpy(y), expected, atol=1e-5)
    layer.to("numpy")
    np.testing.assert_array_equal(layer.forward(x)[0], expected)


def test_moving_copies_so_that_the_old_array_is_free(backend: Backend) -> None:
    layer = network()
    weight = layer.parameters()[0]
    old, before = weight.value, bits(weight.value)
    layer.to(backend)
    old[...] = 0
    assert bits(weight.value) == before


def test_astype_converts_everything(backend: Backend) -> None:
    layer = network()
    values = [backend.to_numpy(p.value) for p in layer.parameters()]
    assert layer.astype("float64") is layer
    for parameter, value in zip(layer.parameters(), values, strict=True):
        assert_same(parameter.value, value.astype("float64"))
        assert_lives_on(backend, parameter.grad, "float64")
    y, _ = layer.forward(backend.asarray(normal((1, 3, 5, 5), 1)))
    assert_lives_on(backend, y, "float64")
    with pytest.raises(OptionError, match="float32 or float64, not in float16"):
        layer.astype("float16")


def test_a_layer_converted_before_it_is_built_is_built_so(backend: Backend) -> None:
    layer = Dense(2).astype(np.float64)
    layer.build((3,))
    assert_lives_on(backend, layer.weight.value, "float64")


def test_assigning_a_value_copies_into_place(backend: Backend) -> None:
    parameter = Parameter(np.zeros((2, 3), np.float32), "w")
    array, new = parameter.value, normal((2, 3), 1)
    parameter.value = new
    assert parameter.value is array
    assert_same(array, new.astype("float32"))
    new[...] = 9
    assert not np.any(backend.to_numpy(array) == 9)
    for assign in ("value", "grad"):
        with pytest.raises(ShapeError, match=r"'w' has shape \(2, 3\) and cannot take values of shape \(3,\)"):
            setattr(parameter, assign, np.zeros(3, np.float32))  # no broadcasting


def test_gradients_add_up_until_they_are_zeroed(backend: Backend) -> None:
    parameter = Parameter(np.zeros(3, np.float32))
    g = backend.asarray(np.array([1.0, 2.0, 3.0], np.float32))
    assert_same(parameter.grad, np.zeros(3, np.float32))
    parameter.zero_grad()
    parameter.add_grad(g)
    first = parameter.grad
    parameter.add_grad(g)
    parameter.grad += g
    assert parameter.grad is first
    assert_same(parameter.grad, np.array([3, 6, 9], np.float32))
    assert_same(g, np.array([1, 2, 3], np.float32))  # never taken over as the gradient itself
    parameter.zero_grad()
    assert_same(parameter.grad, np.zeros(3, np.float32))
    parameter.zero_grad()
    parameter.add_grad(g)
    assert_same(parameter.grad, g)
    parameter.grad = np.array([7, 8, 9])
    assert_same(parameter.grad, np.array([7, 8, 9], np.float32))


def test_threads_lose_no_gradient() -> None:
    class Slow(Backend):
        def copy(self, x: Array) -> Array:  # what the first gradient goes through
            time.sleep(0.05)
            return super().copy(x)

    parameter = Parameter(np.zeros(3, np.float32), backend=Slow())
    threads = [threading.Thread(target=parameter.add_grad, args=(np.ones(3, np.float32),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(parameter.grad, [4, 4, 4])


def test_a_gradient_of_the_wrong_shape_is_refused() -> None:
    parameter = Parameter(np.zeros((2, 3), np.float32), "w")
    with pytest.raises(ShapeError, match=r"'w' has shape \(2, 3\), its gradient came with \(3,\)"):
        parameter.add_grad(np.zeros(3, np.float32))


def test_what_a_parameter_says_of_itself(backend: Backend) -> None:
    parameter = Parameter(np.zeros((2, 3), np.float32), "w", trainable=False)
    assert (parameter.shape, parameter.size) == ((2, 3), 6)
    assert repr(parameter) == "Parameter('w', shape=(2, 3), dtype=float32, trainable=False)"


def test_a_copy_is_independent(backend: Backend) -> None:
    layer = network()
    y, back = layer.forward(backend.asarray(normal((2, 3, 5, 5), 1, "float32")), train=True)
    back(y)
    twin = layer.copy()
    before = [(backend.to_numpy(p.value).copy(), backend.to_numpy(p.grad).copy()) for p in layer.parameters()]
    for parameter, (value, grad) in zip(twin.parameters(), before, strict=True):
        assert parameter.backend is backend
        assert_same(parameter.value, value)
        assert_same(parameter.grad, grad)
        parameter.value, parameter.grad = 0 * value + 5, 0 * grad + 5
    for parameter, (value, grad) in zip(layer.parameters(), before, strict=True):
        assert_same(parameter.value, value)
        assert_same(parameter.grad, grad)


def test_parameters_are_named_in_the_order_of_definition() -> None:
    layer = network()
    assert [name for name, _ in layer.named_parameters()] == [
        "conv.weight", "conv.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var",
    ]  # fmt: skip
    assert [p.name for p in layer.parameters()] == [name for name, _ in layer.named_parameters()]
    assert [p.trainable for p in layer.parameters()] == [True] * 4 + [False] * 2


def test_a_shared_layer_counts_once_and_lists_give_numbers() -> None:
    shared = Dense(3, name="tied")
    shared.build((3,))
    model = Layer()
    model.first, model.blocks, model.last = shared, [ReLU(), shared, {"deep": Dense(3)}], shared  # type: ignore[attr-defined]
    model.blocks[2]["deep"].build((3,))  # type: ignore[attr-defined]
    names = [name for name, _ in model.named_parameters()]
    assert names == ["first.weight", "first.bias", "blocks.2.deep.weight", "blocks.2.deep.bias"]
    assert [path for path, _ in model.named_layers()] == ["", "first", "blocks.0", "blocks.2.deep"]
    assert (shared.name, model.blocks[2]["deep"].name) == ("tied", "blocks.2.deep")  # type: ignore[attr-defined]


def test_the_switch_is_put_back_between_tests() -> None:
    assert get_backend().name == os.environ.get("XPNET_BACKEND", "numpy")


@pytest.mark.parametrize("name", MISSING)
def test_the_suite_runs_on(name: str) -> None:
    """Everything that takes the fixture `backend` runs on this backend, or here is why not."""
    if MISSING[name] is not None:
        pytest.skip(MISSING[name])
    backend = make_backend(name)
    assert backend.name == name and float(backend.to_numpy(backend.zeros((1,)) + 1)[0]) == 1.0
