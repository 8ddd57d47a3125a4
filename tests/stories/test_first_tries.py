"""What people who know other libraries try first: it works, or one clear error says what to write instead."""

import functools
import inspect
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xpnet
from tests.kit.small import clusters, network
from xpnet import callbacks, data, layers, losses, metrics, networks, optimizers, schedules, visualize
from xpnet.base import hints
from xpnet.data import PCA, Arrays, KFold, Loader, Standardize, augment, read_npz
from xpnet.errors import DataError, FormatError, OptionError, ShapeError, XpnetError
from xpnet.networks import LeNet5

X, T = clusters(30)
IMAGES = np.zeros((4, 1, 6, 6), np.float32)


def several(loss: str, units: int = 3, **options: Any) -> None:
    model = xpnet.Sequential([layers.Dense(units)])
    model.compile("sgd", loss, **options)
    model.fit(X, T[:, None] if options else T)


NAMESPACE: Any = types.SimpleNamespace(split=print)  # as a KFold of scikit-learn has it
single = functools.partial(several, units=1)

TRIES: list[tuple[Callable[[], Any], type[XpnetError], str]] = [
    (lambda: Loader("digits.npz"), OptionError, r"takes no path.*data\.read_npz\('digits\.npz'\)"),
    (lambda: Loader(Path("x")), OptionError, "takes no path"),
    (lambda: Loader([X, T]), OptionError, r"in a tuple, Loader\(\(x, t\)\), not in a list"),
    (lambda: Loader({"x": X}), OptionError, "not in a dict"),
    (lambda: Loader((IMAGES,), augment=augment.Affine), OptionError, r"augment must be an object.*Affine\(\.\.\.\)"),
    (lambda: Loader((IMAGES,), augment=lambda x: x), OptionError, r"augment is called with \(x, rng\)"),
    (lambda: Loader((IMAGES,), transform=lambda x, rng: x), OptionError, r"transform is called with \(x\)"),
    (lambda: augment.Compose(augment.Flip()), OptionError, r"takes a list of transforms, such as \[Flip\(\)\]"),  # type: ignore[arg-type]
    (lambda: augment.Compose(3), OptionError, "takes a list of transforms"),  # type: ignore[arg-type]
    (lambda: xpnet.gradient_check("Dense", X), OptionError, "takes a layer or a model"),  # type: ignore[arg-type]
    (lambda: xpnet.gradient_check(layers.Dense, X), OptionError, "takes a layer or a model"),  # type: ignore[arg-type]
    (lambda: LeNet5().save(3), OptionError, "named by a string or a pathlib.Path, not by 3"),  # type: ignore[arg-type]
    (lambda: xpnet.load(3), OptionError, "not by 3"),  # type: ignore[arg-type]
    (lambda: optimizers.Adam("cosine"), OptionError, "or a schedule, an object such as schedules.Cosine"),  # type: ignore[arg-type]
    (lambda: optimizers.Adam(schedules.Cosine), OptionError, "or a schedule, an object"),  # type: ignore[arg-type]
    (lambda: optimizers.SGD(lambda step: 0.1), OptionError, "a function of the step is the __call__ of a subclass"),  # type: ignore[arg-type]
    (lambda: network().compile("adam", "nll"), OptionError, "ends with Dense.* end it with layers.LogSoftmax"),
    (lambda: LeNet5().compile("adam", "nll"), OptionError, "ends with Dense"),
    (lambda: callbacks.Backup("b", settings="seed"), OptionError, "a dict of values by name.*not 'seed'"),  # type: ignore[arg-type]
    (lambda: callbacks.Backup("b", settings={1: 2}), OptionError, "a dict of values by name"),  # type: ignore[dict-item]
    (
        lambda: callbacks.Backup("b", settings={"a": {1}}),
        OptionError,
        r"the setting 'a' is \{1\}; compared are numbers",
    ),
    (lambda: network().fit(Loader(X)), DataError, r"not ndarray; data\.Loader\(\(x, t\)\) has targets too"),
    (lambda: network().fit(lambda: iter([(X, T)]), steps_per_epoch=3), OptionError, "are a function; give what it ret"),
    (lambda: network().fit(iter([(X[0], T[0])]), steps_per_epoch=1), ShapeError, r"batch 1: .*one sample is x\[None\]"),
    (lambda: network().fit(Arrays(X, T)), OptionError, r"a source of samples, Arrays; .*data\.Loader\(x\)"),
    (lambda: network().fit(X, T, sample_weight=np.zeros(30)), DataError, "all of sample_weight is zero"),
    (lambda: network().fit(X, T, validation_split="0.1"), OptionError, "greater than 0 and less than 1, not '0.1'"),  # type: ignore[arg-type]
    (lambda: network().fit(X, T, callbacks=print), OptionError, "callbacks must be a Callback or a list"),  # type: ignore[arg-type]
    (lambda: callbacks.Backup(3), OptionError, "named by a string or a pathlib.Path, not by 3"),  # type: ignore[arg-type]
    (lambda: callbacks.CSVLogger(None), OptionError, "named by a string or a pathlib.Path"),  # type: ignore[arg-type]
    (lambda: callbacks.ModelCheckpoint("m", monitor=3), OptionError, "monitor must be the name of a value"),  # type: ignore[arg-type]
    (lambda: list(Loader((IMAGES,), augment=lambda x, rng: None)), ShapeError, "made NoneType of 4 samples"),
    (lambda: single("softmax_cross_entropy"), ShapeError, r"an output for each class.*take binary_cross_entropy"),
    (lambda: single("mse", metrics=["accuracy"]), OptionError, "metric accuracy: .* means nothing with mean_squared"),
    (lambda: single("mse"), ShapeError, r"targets have shape \(N,\), the network gives \(N, 1\); t\[:, None\] has it"),
    (lambda: several("mse"), ShapeError, r"xpnet\.data\.one_hot\(t, 3\) makes rows of class numbers"),
    (lambda: layers.Conv2D(4, 3)(np.ones((2, 28, 28, 1), "float32")), ShapeError, r"x\.transpose\(0, 3, 1, 2\), if ch"),
    (lambda: xpnet.cross_validate(network, X, T, 3, transform=Standardize()), OptionError, "transform must be a fun"),  # type: ignore[arg-type]
    (lambda: xpnet.cross_validate(network, Loader((X, T)), None), OptionError, "needs arrays x and t"),
    (
        lambda: xpnet.cross_validate(network, X, T, NAMESPACE),
        OptionError,
        r"or an xpnet\.data\.KFold, not",
    ),  # type: ignore[arg-type]
    (lambda: optimizers.Adam(network().parameters()), OptionError, "gets its parameters later, by model.compile"),  # type: ignore[arg-type]
    (lambda: Loader(X, T), OptionError, r"a tuple: Loader\(\(x, t\), batch_size=32\)"),  # type: ignore[arg-type]
    (lambda: network().build((None, 1, 28, 28)), ShapeError, r"without the batch, such as .* not \(None, 1, 28, 28\)"),  # type: ignore[arg-type]
    (lambda: network().build(784), ShapeError, r"such as \(1, 28, 28\) or \(784,\), not 784"),  # type: ignore[arg-type]
    (lambda: network().build((-1,)), ShapeError, r"not \(-1,\)"),
    (lambda: network().fit({"images": X}, T), DataError, "the inputs are images, and the model's call takes x: give"),
    (lambda: PCA(1.5), OptionError, "an integer of at least 1, or a share above 0 and below 1, not 1.5"),
    (
        lambda: read_npz(__file__),
        FormatError,
        r"an \.npz file of numbers \(it is a text .*\); np\.savez\(path, x=",
    ),
    (
        lambda: network().fit([X, T]),
        OptionError,
        r"a tuple or, by name, into a dict, and the targets are the next argum",
    ),
    (
        lambda: network().fit((X, T)),
        DataError,
        r"a single input is one array, and the targets are the next argument: fi",
    ),
    (
        lambda: network().fit(X, T, validation_split=0.2, validation_data=(X, T)),
        OptionError,
        "validation_data or validation_split, not both",
    ),
]


@pytest.mark.parametrize(("attempt", "error", "words"), TRIES)
def test_what_is_meant_in_another_way_is_explained(
    attempt: Callable[[], Any], error: type[XpnetError], words: str
) -> None:
    with pytest.raises(error, match=words):
        attempt()


def test_a_picture_of_what_is_no_history() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with pytest.raises(OptionError, match="takes what fit returns, or its dict, not 1"):
        visualize.plot_history(1)  # type: ignore[arg-type]


@pytest.mark.parametrize("function", [np.flip, lambda x, rng=None: x, lambda *given: given[0], augment.Flip().__call__])
def test_functions_that_can_be_called_as_augmentation_are_taken(function: Any) -> None:
    assert Loader((IMAGES,), augment=function).augment is function


def test_names_of_other_libraries_lead_to_those_here() -> None:
    for module, name, here in (
        (layers, "MaxPooling2D", "here it is MaxPool2D"),
        (layers, "Conv2d", "perhaps Conv2D is meant"),
        (losses, "CrossEntropyLoss", "here it is SoftmaxCrossEntropy"),
        (callbacks, "LearningRateScheduler", r"optimizers\.Adam\(schedules\.Cosine"),
        (schedules, "CosineAnnealingLR", "here it is Cosine"),
        (optimizers, "RMSprop", "here it is RMSProp"),
        (layers, "Dence", "perhaps Dense is meant"),
        (xpnet, "load_model", "here it is load"),
        (xpnet, "Sequental", "perhaps Sequential is meant"),
        (data, "DataLoader", "here it is Loader"),
        (layers, "GlobalAveragePooling1D", r"GlobalAvgPool1D, of \(N, C, T\): behind layers.Permute"),
        (networks, "generate", "here it is sampling.generate"),
        (layers, "LayerNormalization", "here it is LayerNorm"),
        (layers, "Dropout2d", "here it is SpatialDropout"),
        (layers, "Swish", "here it is SiLU"),
        (layers, "StochasticDepth", "here it is DropPath"),
    ):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}'; .*{here}"):
            getattr(module, name)
    with pytest.raises(AttributeError, match=r"has no attribute 'Frobnicate'$"):
        _ = layers.Frobnicate  # type: ignore[attr-defined]


def test_the_names_that_are_given_instead_exist() -> None:
    families = xpnet, data, data.datasets, layers, losses, metrics, optimizers, schedules, callbacks, networks
    modules = {module.__name__: module for module in (*families, xpnet.initializers, xpnet.regularizers)}
    assert set(hints.CALLED) == set(modules)
    for module, called in hints.CALLED.items():
        for there, here in called.items():
            assert there not in vars(modules[module])
            first = here.split(",")[0].split()[0]
            assert first in ("a", "not") or not first.isidentifier() or hasattr(modules[module], first)
    for there in hints.METHODS:
        with pytest.raises(AttributeError, match=f"object has no attribute '{there}'; here it is "):
            getattr(network(), there)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: layers.Conv2D(16, 3, strides=2),
            "Conv2D has no argument 'strides'; here it is stride; it has",
        ),
        (lambda: layers.Dense(10, use_bias=False), "here it is bias; it has units, bias, activation"),
        (lambda: layers.Dense(in_features=5, units=3), "here it is not needed: the first input tells; it has units"),
        (lambda: layers.MaxPool2D(pool_sise=2), "no argument 'pool_sise'; perhaps pool_size is meant"),
        (
            lambda: optimizers.Adam(learning_rate=0.1),
            "Adam has no argument 'learning_rate'; here it is lr; it has lr",
        ),
        (lambda: optimizers.AdamW(betas=(0.9, 0.99)), "AdamW has no argument 'betas'; here it is beta1 and beta2"),
        (lambda: losses.SoftmaxCrossEntropy(from_logits=True), "here it is not needed: losses take scores"),
        (lambda: callbacks.ModelCheckpoint(filepath="best"), "here it is path; it has path, monitor"),
        (lambda: callbacks.EarlyStopping(baseline=3), "no argument 'baseline'; it has monitor, min_delta"),
        (lambda: Loader((X, T), num_workers=2), "here it is workers; it has source, batch_size"),
        (lambda: KFold(n_splits=3), "here it is folds"),
        (lambda: optimizers.Adam([], lr=0.1), "Adam got lr twice: by its name, and as argument 1, []"),
        (lambda: layers.Embedding(input_dim=5, output_dim=3), "here it is vocabulary; it has vocabulary, size"),
        (lambda: layers.MultiHeadAttention(num_heads=2), "here it is heads; it has heads, bias"),
        (lambda: layers.MultiHeadAttention(2, embed_dim=8), "here it is not needed: the first input tells"),
        (lambda: layers.TransformerEncoderLayer(2, dim_feedforward=8), "here it is feedforward"),
        (lambda: PCA(n_components=3), "here it is components"),
        (lambda: networks.GPT(vocab_size=5), "here it is vocabulary; it has vocabulary, context"),
        (lambda: networks.VAE(latent_dim=5), "code of an autoencoder, latent of a VAE"),
        (
            lambda: schedules.Cosine(0.1, decay_steps=3),
            "'decay_steps'; here it is steps; it has lr, steps, end",
        ),
    ],
)
def test_arguments_that_other_libraries_have_are_explained(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(TypeError) as caught:
        make()
    assert words in str(caught.value)


class Own(layers.Layer):
    def __init__(self, stride: int = 1, **options: Any) -> None:
        super().__init__(**options)


def test_other_errors_of_a_constructor_are_its_own() -> None:
    with pytest.raises(TypeError, match=r"^Dense\.__init__\(\) missing 1 required positional argument: 'units'$"):
        layers.Dense()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="Own has no argument 'strides'; it has name"):
        Own(strides=3)
    assert str(inspect.signature(layers.Dropout)) == "(rate: float = 0.5, name: str | None = None) -> None"


# ---- the length of a schedule ----------------------------------------------------------------------------------------


def test_a_schedule_that_is_too_short_is_told() -> None:
    def fit(rate: schedules.Schedule, epochs: int = 3, **options: Any) -> None:
        network(optimizers.Adam(rate)).fit(X, T, batch_size=10, epochs=epochs, verbose=0, **options)  # 3 steps each

    cosine = schedules.Cosine(0.01, 8)
    for rate in (cosine, schedules.OneCycle(0.01, 8), schedules.Warmup(schedules.Cosine(0.01, 6), 2)):
        with pytest.warns(UserWarning, match="ends after 8 steps, and this training has 9: the learning rate stays"):
            fit(rate)
    fit(schedules.Cosine(0.01, 9))
    fit(cosine, accumulate=2)  # two steps in each epoch
    fit(cosine, epochs=5, initial_epoch=3)
    fit(schedules.Warmup(0.01, 2), epochs=9)
    model = network(optimizers.Adam(cosine))
    model.fit(X, T, batch_size=10, epochs=2, verbose=0)
    with pytest.warns(UserWarning, match="ends after 8 steps, and this training has 3, after 6 before"):
        model.fit(X, T, batch_size=10, epochs=1, verbose=0)


def test_a_training_that_goes_on_has_no_more_steps_than_are_left(tmp_path: Path) -> None:
    """Interrupted, in a notebook, and begun again with the model as it is then."""
    model = network(optimizers.Adam(schedules.Cosine(0.01, 9)))
    backup = callbacks.Backup(tmp_path / "backup", every=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, T, batch_size=10, epochs=3, verbose=0, callbacks=[Interrupted(5), backup])
    history = model.fit(X, T, batch_size=10, epochs=3, verbose=0, callbacks=[Interrupted(99), backup])
    assert len(history.history["loss"]) == 3 and model.optimizer and model.optimizer.steps == 9


class Interrupted(callbacks.Callback):
    places = ("step",)

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_begin(self, batch: int, logs: Any) -> None:
        if self.model.optimizer and self.model.optimizer.steps == self.step:
            raise KeyboardInterrupt


# ---- outputs for batches ---------------------------------------------------------------------------------------------


def test_predict_takes_batches_in_their_order() -> None:
    model = network()
    model.build((2,))
    expected = model.predict(X)
    for batches in (
        Loader((X, T), 7, shuffle=False),
        Loader(X, 7, shuffle=False),
        [(X[:10], T[:10]), (X[10:], T[10:])],
        (part for part in (X[:3], X[3:])),
        [(X[:12], T[:12], np.ones(12)), (X[12:],)],
    ):
        np.testing.assert_allclose(model.predict(batches), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("batches", "options", "error", "words"),
    [
        (Loader((X, T), 7), {}, OptionError, "shuffle=False"),
        (Loader((X, T), 7, shuffle=False, drop_last=True), {}, OptionError, "leave out .* drop_last=False"),
        (Loader(X, 7, shuffle=False), {"batch_size": 3}, OptionError, "predict: .* leave batch_size out"),
        (iter([]), {}, DataError, "the iterable of batches is empty"),
        (iter([X, X[:, :1]]), {}, XpnetError, r"batch 2: dense1 \(Dense\): the input has shape"),
    ],
)
def test_batches_that_cannot_be_predicted(batches: Any, options: Any, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        network().predict(batches, **options)
