"""What things are called here that have other names in Keras, in PyTorch or in the book: for errors that say so."""

import difflib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

CALLED = {
    "xpnet.layers": {
        "Activation": 'activation="relu" of the layer before, or layers.ReLU()',
        "AdaptiveAvgPool2d": "GlobalAvgPool2D",
        "Affine": "Dense",
        "AveragePooling2D": "AvgPool2D",
        "BatchNormalization": "BatchNorm2D for images, BatchNorm1D for vectors",
        "Concatenate": "Concat",
        "Convolution": "Conv2D",
        "GlobalAveragePooling2D": "GlobalAvgPool2D",
        "Input": "model.build(shape), without the batch",
        "InputLayer": "model.build(shape), without the batch",
        "Linear": "Dense",
        "MaxPooling2D": "MaxPool2D",
        "Pooling": "MaxPool2D",
    },
    "xpnet.losses": {
        "BCEWithLogitsLoss": "BinaryCrossEntropyWithLogits",
        "BinaryCrossentropy": "BinaryCrossEntropyWithLogits",
        "CategoricalCrossentropy": "SoftmaxCrossEntropy, of scores before softmax",
        "CrossEntropyLoss": "SoftmaxCrossEntropy",
        "MSELoss": "MeanSquaredError",
        "NLLLoss": "NegativeLogLikelihood",
        "SoftmaxWithLoss": "SoftmaxCrossEntropy",
        "SparseCategoricalCrossentropy": "SoftmaxCrossEntropy, of scores before softmax",
    },
    "xpnet.schedules": {
        "CosineAnnealingLR": "Cosine",
        "CosineDecay": "Cosine",
        "ExponentialDecay": "Exponential",
        "LambdaLR": "a subclass of Schedule with __call__(self, step)",
        "PiecewiseConstantDecay": "Step",
        "StepLR": "Step",
    },
    "xpnet.callbacks": {
        "BackupAndRestore": "Backup",
        "LearningRateScheduler": "a schedule of the optimizer: optimizers.Adam(schedules.Cosine(0.001, steps=...))",
        "ProgbarLogger": "ProgressBar",
    },
}


def explained(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module: it is asked for names that are not there."""

    def missing(name: str) -> Any:
        names = vars(sys.modules[module]).items()
        known = [key for key, value in names if not key.startswith("_") and not isinstance(value, ModuleType)]
        text = f"module {module!r} has no attribute {name!r}"
        if called := CALLED.get(module, {}).get(name):
            text = f"{text}; here it is {called}"
        elif near := difflib.get_close_matches(name.lower(), [key.lower() for key in known], n=1, cutoff=0.8):
            text = f"{text}; did you mean {next(key for key in known if key.lower() == near[0])}?"
        raise AttributeError(text)

    return missing
