"""PyTorch as an oracle for losses, optimizers and whole networks: forward, backward and steps give the same numbers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.small import digits
from tests.kit.strategies import normal, seeds
from xpnet import losses, networks, optimizers
from xpnet.backend import Backend, make_backend
from xpnet.core.parameter import Parameter
from xpnet.layers import Conv2D, Dense, Flatten, MaxPool2D
from xpnet.model import Model
from xpnet.optimizers import Optimizer

torch = pytest.importorskip("torch", reason='PyTorch is the oracle here: pip install "xpnet[oracle]"')
F = torch.nn.functional
pytestmark = pytest.mark.oracle

rates = st.floats(1e-4, 0.5)
decays = st.sampled_from([0.0, 0.01, 0.3])
epsilons = st.floats(1e-9, 1e-2)
betas = st.floats(0.0, 0.999)


@pytest.fixture(params=["numpy", "reference"])
def here(request: pytest.FixtureRequest) -> Backend:
    return make_backend(request.param)


# ---- losses ----------------------------------------------------------------------------------------------------------


def softmax(y: np.ndarray) -> np.ndarray:
    e = np.exp(y)
    return e / e.sum(axis=1, keepdims=True)


LOSSES: dict[str, tuple[str | losses.Loss, Callable[[int, int, int], np.ndarray], Any]] = {
    "integers": ("softmax_cross_entropy", lambda N, C, s: np.random.default_rng(s).integers(0, C, N), F.cross_entropy),
    "probabilities": ("softmax_cross_entropy", lambda N, C, s: softmax(normal((N, C), s)), F.cross_entropy),
    "binary": ("binary_cross_entropy", lambda N, C, s: softmax(normal((N, C), s)), F.binary_cross_entropy_with_logits),
    "likelihood": ("negative_log_likelihood", lambda N, C, s: np.random.default_rng(s).integers(0, C, N), F.nll_loss),
    "squares": ("mean_squared_error", lambda N, C, s: normal((N, C), s), F.mse_loss),
    "absolutes": ("l1", lambda N, C, s: normal((N, C), s), F.l1_loss),
    "huber": (losses.Huber(0.3), lambda N, C, s: normal((N, C), s), partial(F.huber_loss, delta=0.3)),
    "smooth": (losses.SmoothL1(0.3), lambda N, C, s: normal((N, C), s), partial(F.smooth_l1_loss, beta=0.3)),
    "margin": ("multi_margin", lambda N, C, s: np.random.default_rng(s).integers(0, C, N), F.multi_margin_loss),
    "divergence": ("kld", lambda N, C, s: softmax(normal((N, C), s)), partial(F.kl_div, reduction="batchmean")),
    "logarithms": (
        losses.KLDivergence(log_targets=True),
        lambda N, C, s: np.log(softmax(normal((N, C), s))),
        partial(F.kl_div, reduction="batchmean", log_target=True),
    ),
}


@pytest.mark.parametrize("case", LOSSES)
@given(N=st.integers(1, 6), C=st.integers(2, 7), scale=st.sampled_from([1.0, 30.0, 1000.0]), seed=seeds)
def test_losses_and_their_gradients(here: Backend, case: str, N: int, C: int, scale: float, seed: int) -> None:
    name, targets, theirs = LOSSES[case]
    y, t = scale * normal((N, C), seed), targets(N, C, seed + 1)
    value, back = losses.get(name).forward(here.asarray(y), here.asarray(t), here)
    y_torch = torch.tensor(y, requires_grad=True)
    expected = theirs(y_torch, torch.tensor(t))
    expected.backward()
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-10, abs=1e-12)
    np.testing.assert_allclose(here.to_numpy(back()), y_torch.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "negative_log_likelihood"])
@given(
    inner=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    ignored=st.sampled_from([-100, 0, 1]),
    smoothing=st.sampled_from([0.0, 0.2]),
    rows=st.booleans(),
    seed=seeds,
)
def test_losses_of_elements_without_those_of_an_ignored_label(
    backend: Backend, name: str, inner: list[int], ignored: int, smoothing: float, rows: bool, seed: int
) -> None:
    """PyTorch's classes are on axis 1, also those of sequences."""
    rng, C = np.random.default_rng(seed), 4
    y, t = 3 * normal((3, C, *inner), seed), rng.integers(0, C, (3, *inner))
    if rows:
        t = softmax(normal(y.shape, seed + 1))
    else:
        t[0] = ignored
        t[-1].flat[0] = 2
    options: Any = {} if rows else {"ignored_label": ignored}
    theirs: Any = {} if rows else {"ignore_index": ignored}
    y_torch = torch.tensor(y, requires_grad=True)
    if name == "softmax_cross_entropy":
        ours: losses.Loss = losses.SoftmaxCrossEntropy(smoothing, axis=1, **options)
        expected = F.cross_entropy(y_torch, torch.tensor(t), label_smoothing=smoothing, **theirs)
    elif rows:
        ours, expected = losses.NegativeLogLikelihood(axis=1), -(torch.tensor(t) * y_torch).sum(1).mean()
    else:
        ours, expected = losses.NegativeLogLikelihood(axis=1, **options), F.nll_loss(y_torch, torch.tensor(t), **theirs)
    expected.backward()
    value, back = ours.forward(backend.asarray(y), backend.asarray(t), backend)
    assert float(value) == pytest.approx(float(expected.detach()), rel=1e-10, abs=1e-12)
    np.testing.assert_allclose(backend.to_numpy(back()), y_torch.grad.numpy(), rtol=1e-9, atol=1e-12)


@given(N=st.integers(1, 6), ignored=st.sampled_from([None, 1, -5]), smoothing=st.sampled_from([0.0, 0.2]), seed=seeds)
def test_weights_of_classes(here: Backend, N: int, ignored: int | None, smoothing: float, seed: int) -> None:
    rng, C = np.random.default_rng(seed), 4
    y, t, v = 3 * normal((N, C), seed), rng.integers(0, C, N), rng.uniform(0.1, 2, C)
    t[0] = 2
    ours: Any = {"class_weights": v} | ({} if ignored is None else {"ignored_label": ignored})
    theirs: Any = {"weight": torch.tensor(v)} | ({} if ignored is None else {"ignore_index": ignored})
    probabilities = softmax(normal((N, C), seed + 1))
    pairs: list[tuple[losses.Loss, Any, np.ndarray]] = [
        (
            losses.SoftmaxCrossEntropy(smoothing, **ours),
            partial(F.cross_entropy, label_smoothing=smoothing, **theirs),
            t,
        ),
        (losses.NegativeLogLikelihood(**ours), partial(F.nll_loss, **theirs), t),
    ]
    if ignored is None:
        smooth = partial(F.cross_entropy, label_smoothing=smoothing, **theirs)
        pairs += [
            (losses.SoftmaxCrossEntropy(smoothing, **ours), smooth, probabilities),
            (losses.MultiClassHinge(0.7, 2, **ours), partial(F.multi_margin_loss, p=2, margin=0.7, **theirs), t),
        ]
    for loss, function, targets in pairs:
        value, back = loss.forward(here.asarray(y), here.asarray(targets), here)
        y_torch = torch.tensor(y, requires_grad=True)
        expected = function(y_torch, torch.tensor(targets))
        expected.backward()
        assert float(value) == pytest.approx(float(expected.detach()), rel=1e-10, abs=1e-12)
        np.testing.assert_allclose(here.to_numpy(back()), y_torch.grad.numpy(), rtol=1e-9, atol=1e-12)


@given(N=st.integers(1, 6), C=st.integers(1, 4), seed=seeds)
def test_losses_of_probabilities_and_of_directions(here: Backend, N: int, C: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, yes = rng.random((N, C)), rng.integers(0, 2, (N, C)).astype(float)
    p.flat[0], p.flat[-1] = 0, 1
    ones = torch.ones(N, dtype=torch.float64)
    of_one = lambda y, t: F.cosine_embedding_loss(y, t, ones)  # noqa: E731
    pairs: list[tuple[losses.Loss, Any, np.ndarray, np.ndarray]] = [
        (losses.BinaryCrossEntropyOfProbabilities(), F.binary_cross_entropy, p, yes),
        (losses.CosineSimilarity(), of_one, normal((N, C + 1), seed), normal((N, C + 1), seed + 1)),
    ]
    for loss, function, y, t in pairs:
        value, back = loss.forward(here.asarray(y), here.asarray(t), here)
        y_torch = torch.tensor(y, requires_grad=True)
        expected = function(y_torch, torch.tensor(t))
        expected.backward()
        assert float(value) == pytest.approx(float(expected.detach()), rel=1e-9, abs=1e-9)
        np.testing.assert_allclose(here.to_numpy(back()), y_torch.grad.numpy(), rtol=1e-8, atol=1e-9)


# ---- optimizers ------------------------------------------------------------------------------------------------------


def assert_same_steps(
    here: Backend, ours: Optimizer, theirs: Callable[[Any], Any], seed: int, limit: float | None = None
) -> None:
    """Six steps with the same gradients, in float64."""
    starts = [normal((3, 2), seed), normal((4,), seed + 1)]
    mine = [Parameter(here.asarray(start.copy()), backend=here) for start in starts]
    other = [torch.nn.Parameter(torch.tensor(start)) for start in starts]
    optimizer = theirs(other)
    for step in range(6):
        for i, (p, q) in enumerate(zip(mine, other, strict=True)):
            p.grad = g = normal(p.shape, seed + 10 * step + i)
            q.grad = torch.tensor(g)
        if limit is not None:
            torch.nn.utils.clip_grad_norm_(other, limit)
        ours.update(mine)
        optimizer.step()
    for p, q in zip(mine, other, strict=True):
        tolerance = 1e-10 if limit is None else 1e-5  # PyTorch adds 1e-6 to the norm
        np.testing.assert_allclose(here.to_numpy(p.value), q.detach().numpy(), rtol=tolerance, atol=tolerance)


@given(lr=rates, momentum=st.floats(0.01, 0.99), nesterov=st.booleans(), decay=decays, seed=seeds)
def test_momentum_and_nesterov(
    here: Backend, lr: float, momentum: float, nesterov: bool, decay: float, seed: int
) -> None:
    options = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": decay}
    assert_same_steps(here, optimizers.SGD(**options), lambda p: torch.optim.SGD(p, **options), seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("ours", [optimizers.Momentum, optimizers.Nesterov], ids=lambda ours: ours.__name__)
@given(
    lr=rates, momentum=st.floats(0.01, 0.99), decay=decays, limit=st.one_of(st.none(), st.floats(0.1, 5)), seed=seeds
)
def test_momentum_and_nesterov_by_name(
    here: Backend, ours: Any, lr: float, momentum: float, decay: float, limit: float | None, seed: int
) -> None:
    options = {"lr": lr, "momentum": momentum, "nesterov": ours is optimizers.Nesterov, "weight_decay": decay}
    theirs = lambda p: torch.optim.SGD(p, **options)  # noqa: E731
    assert_same_steps(here, ours(lr, momentum, decay, limit), theirs, seed, limit)
    default = lambda p: torch.optim.SGD(p, 0.01, 0.9, nesterov=ours is optimizers.Nesterov)  # noqa: E731
    assert_same_steps(here, ours(), default, seed)


@given(lr=rates, decay=decays, limit=st.one_of(st.none(), st.floats(0.1, 5)), seed=seeds)
def test_sgd_and_clipping(here: Backend, lr: float, decay: float, limit: float | None, seed: int) -> None:
    ours = optimizers.SGD(lr, weight_decay=decay, clip_norm=limit)
    assert_same_steps(here, ours, lambda p: torch.optim.SGD(p, lr=lr, weight_decay=decay), seed, limit)


@given(lr=rates, eps=epsilons, decay=decays, seed=seeds)
def test_adagrad(here: Backend, lr: float, eps: float, decay: float, seed: int) -> None:
    theirs = lambda p: torch.optim.Adagrad(p, lr=lr, eps=eps, weight_decay=decay)  # noqa: E731
    assert_same_steps(here, optimizers.AdaGrad(lr, eps, decay), theirs, seed)


@given(lr=rates, rho=betas, eps=epsilons, decay=decays, seed=seeds)
def test_rmsprop(here: Backend, lr: float, rho: float, eps: float, decay: float, seed: int) -> None:
    theirs = lambda p: torch.optim.RMSprop(p, lr=lr, alpha=rho, eps=eps, weight_decay=decay)  # noqa: E731
    assert_same_steps(here, optimizers.RMSProp(lr, rho, eps, decay), theirs, seed)


@pytest.mark.parametrize("decoupled", [False, True])
@given(lr=rates, beta1=betas, beta2=betas, eps=epsilons, decay=decays, seed=seeds)
def test_adam_and_adamw(
    here: Backend, decoupled: bool, lr: float, beta1: float, beta2: float, eps: float, decay: float, seed: int
) -> None:
    ours, theirs = (optimizers.AdamW, torch.optim.AdamW) if decoupled else (optimizers.Adam, torch.optim.Adam)
    options = {"lr": lr, "betas": (beta1, beta2), "eps": eps, "weight_decay": decay}
    assert_same_steps(here, ours(lr, beta1, beta2, eps, decay), lambda p: theirs(p, **options), seed)


@pytest.mark.parametrize("decoupled", [False, True])
@given(lr=rates, beta1=betas, beta2=st.floats(0.1, 0.999), eps=epsilons, decay=decays, k=st.floats(0, 1), seed=seeds)
def test_nadam_and_radam(
    here: Backend, decoupled: bool, lr: float, beta1: float, beta2: float, eps: float, decay: float, k: float, seed: int
) -> None:
    options: Any = {"lr": lr, "eps": eps, "weight_decay": decay}
    theirs: Any = options | {"betas": (beta1, beta2), "decoupled_weight_decay": decoupled}
    ours = optimizers.RAdam(beta1=beta1, beta2=beta2, decoupled=decoupled, **options)
    assert_same_steps(here, ours, lambda p: torch.optim.RAdam(p, **theirs), seed)
    options |= {"momentum_decay": k}
    theirs |= {"momentum_decay": k}
    nadam = optimizers.Nadam(beta1=beta1, beta2=beta2, decoupled=decoupled, **options)
    torch.set_default_dtype(torch.float64)  # in which it keeps the product of the momenta
    try:
        assert_same_steps(here, nadam, lambda p: torch.optim.NAdam(p, **theirs), seed)
    finally:
        torch.set_default_dtype(torch.float32)


@given(nesterov=st.booleans(), momentum=st.floats(0.1, 0.95), match=st.booleans(), seed=seeds)
def test_muon_as_well_as_pytorch_computes_it(
    here: Backend, nesterov: bool, momentum: float, match: bool, seed: int
) -> None:
    """It makes matrices orthogonal in bfloat16, which has 8 bits."""
    start = normal((6, 4), seed)
    p, q = Parameter(here.asarray(start.copy()), backend=here), torch.nn.Parameter(torch.tensor(start))
    ours = optimizers.Muon(0.1, momentum, nesterov, 0.3, match_adam=match)
    adjust = "match_rms_adamw" if match else None
    theirs = torch.optim.Muon([q], 0.1, 0.3, momentum, nesterov, adjust_lr_fn=adjust)
    for step in range(3):
        p.grad = g = normal((6, 4), seed + step + 1)
        q.grad = torch.tensor(g)
        ours.update([p])
        theirs.step()
    np.testing.assert_allclose(here.to_numpy(p.value), q.detach().numpy(), atol=0.03)


def test_gradients_clipped_by_value() -> None:
    p, q = Parameter(np.zeros(3)), torch.nn.Parameter(torch.zeros(3, dtype=torch.float64))
    p.grad = g = np.array([3.0, -0.2, -5.0])
    q.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_value_([q], 1.5)
    torch.optim.SGD([q], lr=0.1).step()
    optimizers.SGD(0.1, clip_value=1.5).update([p])
    np.testing.assert_allclose(p.value, q.detach().numpy(), rtol=1e-12)


@given(lr=rates, decay=decays, beta=betas, seed=seeds)
def test_groups_of_parameters(here: Backend, lr: float, decay: float, beta: float, seed: int) -> None:
    groups = [optimizers.Group(max_axes=1, weight_decay=0.0, beta1=beta, lr_scale=3.0)]

    def theirs(p: Any) -> Any:
        own = {"params": p[1:], "weight_decay": 0.0, "betas": (beta, 0.999), "lr": 3 * lr}
        return torch.optim.AdamW([{"params": p[:1]}, own], lr=lr, weight_decay=decay)

    assert_same_steps(here, optimizers.AdamW(lr, weight_decay=decay, groups=groups), theirs, seed)


def test_the_defaults_are_those_of_pytorch() -> None:
    for ours, theirs in (
        (optimizers.Adam(), torch.optim.Adam),
        (optimizers.AdamW(), torch.optim.AdamW),
        (optimizers.RMSProp(), torch.optim.RMSprop),
        (optimizers.AdaGrad(), torch.optim.Adagrad),
        (optimizers.RAdam(), torch.optim.RAdam),
    ):
        assert_same_steps(make_backend("numpy"), ours, lambda p, theirs=theirs, lr=ours.lr: theirs(p, lr=lr), 0)


# ---- whole networks --------------------------------------------------------------------------------------------------


def in_torch(model: Model) -> Any:
    """The same network with the same weights; Dropout, which stands for other random numbers there, is left out."""
    parts: list[Any] = []
    for _, layer in model.children():
        if isinstance(layer, Conv2D):
            O, C, *kernel = layer.weight.shape
            (top, _), (left, _) = layer.window((28, 28)).padding
            parts.append(torch.nn.Conv2d(C, O, kernel, layer.stride, (top, left)))
        elif isinstance(layer, Dense):
            parts.append(torch.nn.Linear(*reversed(layer.weight.shape)))
        elif isinstance(layer, MaxPool2D):
            parts.append(torch.nn.MaxPool2d(layer.pool_size))
        elif isinstance(layer, Flatten):
            parts.append(torch.nn.Flatten())
        if getattr(layer, "activation", None) == "relu":
            parts.append(torch.nn.ReLU())
    network = torch.nn.Sequential(*parts)
    ours = model.get_weights()
    assert [tuple(q.shape) for q in network.parameters()] == [w.shape for w in ours]
    with torch.no_grad():
        for q, w in zip(network.parameters(), ours, strict=True):
            q.copy_(torch.tensor(w))
    return network.double()


def gradients_agree(model: Model, network: Any) -> None:
    for p, q in zip(model.parameters(), network.parameters(), strict=True):
        g, expected = np.array(model.backend.to_numpy(p.grad)), q.grad.numpy()
        np.testing.assert_allclose(g, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max(), err_msg=p.name)


@pytest.mark.parametrize(
    "make",
    [networks.SimpleConvNet, lambda: networks.DeepConvNet(dropout=0.0), networks.LeNet5, networks.MLP],
    ids=["SimpleConvNet", "DeepConvNet", "LeNet5", "MLP"],
)
def test_a_network_trains_as_its_twin_does(here: Backend, make: Callable[[], Model]) -> None:
    """Outputs, loss and all gradients of the first step, and all weights after five steps of Adam, in float64."""
    model = make().to(here).astype("float64")
    network = in_torch(model)
    x, t = (a[:6] for a in digits())
    x = x.astype("float64") + 0.1 * normal(x.shape, 0)  # no two pixels alike, so that max pooling has no ties
    labels = torch.tensor(t)
    ours, theirs = optimizers.Adam(0.002), torch.optim.Adam(network.parameters(), lr=0.002)
    loss = losses.get("softmax_cross_entropy")
    for step in range(5):
        y, back = model.forward(here.asarray(x), train=True)
        value, loss_back = loss.forward(y, here.asarray(t), here)
        back(loss_back(), need_dx=False)
        theirs.zero_grad()
        y_torch = network(torch.tensor(x))
        expected = F.cross_entropy(y_torch, labels)
        expected.backward()
        assert float(value) == pytest.approx(float(expected.detach()), rel=1e-9)
        if step == 0:
            np.testing.assert_allclose(here.to_numpy(y), y_torch.detach().numpy(), rtol=1e-9, atol=1e-10)
            gradients_agree(model, network)
        ours.update(model.parameters())
        theirs.step()
    for w, q in zip(model.get_weights(), network.parameters(), strict=True):
        np.testing.assert_allclose(w, q.detach().numpy(), rtol=1e-5, atol=1e-7)


def test_weights_go_to_pytorch_and_come_back_in_a_file(tmp_path: Any) -> None:
    """Names and shapes are PyTorch's: a state_dict of modules of these names is the file."""
    from safetensors.torch import load_file, save_file

    model = networks.LeNet5()
    model.save_weights(tmp_path / "ours")
    modules = {
        "c1": torch.nn.Conv2d(1, 6, 5, padding=2),
        "c3": torch.nn.Conv2d(6, 16, 5),
        "c5": torch.nn.Linear(400, 120),
    }
    twin = torch.nn.ModuleDict(modules | {"f6": torch.nn.Linear(120, 84), "output": torch.nn.Linear(84, 10)})
    twin.load_state_dict(load_file(tmp_path / "ours"))
    np.testing.assert_array_equal(twin["c1"].weight.detach().numpy(), model.get_weights()[0])
    with torch.no_grad():
        twin["f6"].bias += 1
    save_file(twin.state_dict(), tmp_path / "theirs")
    model.load_weights(tmp_path / "theirs")
    np.testing.assert_array_equal(model.get_weights()[7], np.ones(84, np.float32))
