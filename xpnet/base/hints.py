"""What things are called here that have other names in Keras, in PyTorch or in the book: for errors that say so."""

import functools
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

CALLED = {
    "xpnet.layers": {
        "Activation": 'activation="relu" of the layer before, or layers.ReLU()',
        "AdaptiveAveragePooling1D": "AdaptiveAvgPool1D",
        "AdaptiveAveragePooling2D": "AdaptiveAvgPool2D",
        "AdaptiveMaxPooling1D": "AdaptiveMaxPool1D",
        "AdaptiveMaxPooling2D": "AdaptiveMaxPool2D",
        "Affine": "Dense",
        "Attention": "MultiHeadAttention",
        "AveragePooling1D": "AvgPool1D, of (N, C, T)",
        "AveragePooling2D": "AvgPool2D",
        "BatchNormalization": "BatchNorm2D for images, BatchNorm1D for vectors",
        "Bidirectional": "bidirectional=True of the recurrent layer",
        "Concatenate": "Concat",
        "Conv1DTranspose": "ConvTranspose1D",
        "Conv2DTranspose": "ConvTranspose2D",
        "Convolution": "Conv2D",
        "Cropping1D": "Crop1D",
        "Cropping2D": "Crop2D",
        "Dropout1d": "SpatialDropout",
        "Dropout2d": "SpatialDropout",
        "GlobalAveragePooling1D": "GlobalAvgPool1D, of (N, C, T): behind layers.Permute((2, 1)), if steps come first",
        "GlobalAveragePooling2D": "GlobalAvgPool2D",
        "GlobalMaxPooling1D": "GlobalMaxPool1D, of (N, C, T): behind layers.Permute((2, 1)), if steps come first",
        "GlobalMaxPooling2D": "GlobalMaxPool2D",
        "GroupNormalization": "GroupNorm",
        "GRUCell": "GRU, on a sequence of one step",
        "Identity": "not needed: None where a layer may be given",
        "Input": "model.build(shape), without the batch",
        "InputLayer": "model.build(shape), without the batch",
        "LayerNormalization": "LayerNorm",
        "LazyLinear": "Dense",
        "Linear": "Dense",
        "LSTMCell": "LSTM, on a sequence of one step",
        "Masking": "lengths=True of the recurrent layer, and the loss's ignored_label",
        "MaxPooling1D": "MaxPool1D, of (N, C, T)",
        "MaxPooling2D": "MaxPool2D",
        "Module": "xpnet.Model, or xpnet.Layer",
        "ModuleDict": "a dict, as an attribute of the model",
        "ModuleList": "a list, as an attribute of the model",
        "MultiheadAttention": "MultiHeadAttention",
        "Normalization": "xpnet.data.Standardize",
        "Pooling": "MaxPool2D",
        "PositionalEncoding": "SinusoidalPositions, or LearnedPositions",
        "RandomFlip": "xpnet.data.augment",
        "RandomRotation": "xpnet.data.augment",
        "Rescaling": "xpnet.data.to_unit",
        "RMSNormalization": "RMSNorm",
        "RNN": "SimpleRNN",
        "RNNCell": "SimpleRNN, on a sequence of one step",
        "Sequential": "xpnet.Sequential",
        "SpatialDropout1D": "SpatialDropout",
        "SpatialDropout2D": "SpatialDropout",
        "StochasticDepth": "DropPath",
        "Swish": "SiLU",
        "TextVectorization": "xpnet.data.Vocabulary",
        "TimeAffine": "Dense",
        "TimeEmbedding": "Embedding",
        "TimeGRU": "GRU",
        "TimeLSTM": "LSTM",
        "TimeRNN": "SimpleRNN",
        "Transformer": "TransformerEncoder, and TransformerDecoder",
        "Unflatten": "Reshape",
        "Upsample": "UpSample2D for images, UpSample1D for signals",
        "UpSampling1D": "UpSample1D",
        "UpSampling2D": "UpSample2D",
        "UpsamplingBilinear2d": 'layers.UpSample2D(2, "bilinear", align_corners=True)',
        "UpsamplingNearest2d": "UpSample2D",
        "ZeroPadding1D": "ZeroPad1D",
        "ZeroPadding2D": "ZeroPad2D",
    },
    "xpnet.losses": {
        "BCELoss": "BinaryCrossEntropyOfProbabilities, or, of scores, BinaryCrossEntropyWithLogits",
        "BCEWithLogitsLoss": "BinaryCrossEntropyWithLogits",
        "BinaryCrossentropy": "BinaryCrossEntropyWithLogits",
        "BinaryFocalCrossentropy": "Focal, of a score for each class",
        "CategoricalCrossentropy": "SoftmaxCrossEntropy, of scores before softmax",
        "CategoricalFocalCrossentropy": "Focal, of scores before softmax",
        "CategoricalHinge": "MultiClassHinge(largest=True)",
        "CosineEmbeddingLoss": "CosineSimilarity",
        "CrossEntropy": "SoftmaxCrossEntropy",
        "CrossEntropyLoss": "SoftmaxCrossEntropy",
        "HuberLoss": "Huber",
        "KLDivLoss": "KLDivergence",
        "L1Loss": "MeanAbsoluteError",
        "MSELoss": "MeanSquaredError",
        "MultiMarginLoss": "MultiClassHinge",
        "NLLLoss": "NegativeLogLikelihood",
        "SigmoidWithLoss": "BinaryCrossEntropyWithLogits",
        "SmoothL1Loss": "SmoothL1",
        "SoftmaxWithLoss": "SoftmaxCrossEntropy",
        "SparseCategoricalCrossentropy": "SoftmaxCrossEntropy, of scores before softmax",
        "SquaredHinge": "Hinge(squared=True)",
    },
    "xpnet.metrics": {
        "AUROC": "AUC",
        "CategoricalAccuracy": "Accuracy",
        "f1_score": "F1",
        "F1Score": "F1",
        "JaccardIndex": "IoU",
        "MeanAbsoluteError": "AbsoluteError",
        "MeanIoU": "IoU",
        "MeanSquaredError": "SquaredError",
        "R2Score": "R2",
        "roc_auc_score": "AUC",
        "ROCAUC": "AUC",
        "RootMeanSquaredError": "RootSquaredError",
        "SparseCategoricalAccuracy": "Accuracy",
        "SparseTopKCategoricalAccuracy": "TopK",
        "TopKCategoricalAccuracy": "TopK",
    },
    "xpnet.optimizers": {
        "Adagrad": "AdaGrad",
        "NAdam": "Nadam",
        "RMSprop": "RMSProp",
    },
    "xpnet.schedules": {
        "CosineAnnealingLR": "Cosine",
        "CosineDecay": "Cosine",
        "ExponentialDecay": "Exponential",
        "LambdaLR": "a subclass of Schedule with __call__(self, step)",
        "PiecewiseConstantDecay": "Step",
        "ReduceLROnPlateau": "xpnet.callbacks.ReduceLROnPlateau",
        "StepLR": "Step",
    },
    "xpnet": {
        "DataLoader": "data.Loader",
        "device": "use_backend",
        "from_numpy": "not needed: arrays are NumPy's",
        "functional": "layers",
        "GradientTape": "not needed: y, back = model.forward(x, train=True)",
        "Input": "model.build(shape), without the batch",
        "load_model": "load",
        "manual_seed": "seed",
        "models": "networks",
        "Module": "Model, or Layer for a layer",
        "nn": "layers",
        "no_grad": "not needed: gradients come from forward(x, train=True) only",
        "optim": "optimizers",
        "save": "model.save(path)",
        "save_model": "model.save(path)",
        "set_random_seed": "seed",
        "Tensor": "a NumPy array",
        "tensor": "a NumPy array",
        "Variable": "a NumPy array",
    },
    "xpnet.data": {
        "build_vocab_from_iterator": "Vocabulary",
        "DataLoader": "Loader",
        "image_dataset_from_directory": "ImageFolder",
        "ImageDataGenerator": "data.ImageFolder, data.Loader and data.augment",
        "ImageFolderDataset": "ImageFolder",
        "pad_sequence": "pad",
        "pad_sequences": "pad",
        "random_split": "hold_out",
        "StratifiedKFold": "KFold(stratified=True)",
        "TensorDataset": "Arrays",
        "TextVectorization": "Vocabulary",
        "Tokenizer": "Vocabulary",
        "train_test_split": "split",
    },
    "xpnet.networks": {
        "GAN": "DCGAN",
        "generate": "sampling.generate",
        "googlenet": "InceptionNet, a small one of its blocks",
        "GPT2": "GPT",
        "LSTM": "RecurrentClassifier, or layers.LSTM",
        "Transformer": "GPT, or layers.TransformerEncoder",
        "vgg16_bn": "VGG16, with batch_norm=True",
        "VisionTransformer": "ViT",
        "vit_b_16": "ViT",
    },
    "xpnet.callbacks": {
        "BackupAndRestore": "Backup",
        "LearningRateScheduler": "a schedule of the optimizer: optimizers.Adam(schedules.Cosine(0.001, steps=...))",
        "ProgbarLogger": "ProgressBar",
        "SwapEMAWeights": "EMA",
    },
}

METHODS = {
    "eval": "not needed: predict and evaluate know that they do not train; model.forward(x, train=False)",
    "fit_generator": "fit",
    "freeze": "frozen(), for the length of a block, or trainable = False",
    "generate": "networks.sampling.generate(model, start, length) of a language model; predict(noise) of a GAN",
    "load_state_dict": "load_weights(path), or set_weights",
    "predict_classes": "predict(x).argmax(axis=1)",
    "predict_proba": "layers.Softmax() of what predict returns",
    "requires_grad_": "trainable = False",
    "reset_states": "reset_state",
    "sample": "networks.sampling.generate(model, start, length) of a language model; predict(noise) of a GAN",
    "state_dict": "save_weights(path), or named_parameters()",
    "train": "not needed: fit knows that it trains; model.forward(x, train=True)",
    "zero_grad": "not needed: optimizer.update starts the gradients from zero again",
}

ARGUMENTS = {
    "adjust_lr_fn": "match_adam",
    "alpha": "negative_slope",
    "approximate": "tanh",
    "attn_mask": "attention_mask",
    "batch_first": "not needed: sequences are (N, T, F)",
    "betas": "beta1 and beta2",
    "block_size": "context",
    "clipnorm": "clip_norm",
    "clipvalue": "clip_value",
    "d_model": "not needed: the first input tells",
    "decay_steps": "steps",
    "decoupled_weight_decay": "decoupled",
    "depth_multiplier": "multiplier",
    "dilation_rate": "dilation",
    "dim_feedforward": "feedforward",
    "elementwise_affine": "affine",
    "embed_dim": "not needed: the first input tells",
    "embedding_dim": "size",
    "epsilon": "eps",
    "exclude_from_weight_decay": 'groups=[Group("*.bias", weight_decay=0.0)]',
    "filepath": "path",
    "from_logits": "not needed: losses take scores, and layers.Softmax gives probabilities",
    "global_clipnorm": "clip_norm",
    "go_backwards": "bidirectional, or the sequence itself the other way round",
    "hidden_size": "units",
    "ignore_class": "ignored_label",
    "ignore_index": "ignored_label",
    "in_channels": "not needed: the first input tells",
    "in_features": "not needed: the first input tells",
    "input_dim": "vocabulary",
    "input_shape": "model.build(shape), without the batch",
    "input_size": "not needed: the first input tells",
    "interpolation": "mode",
    "is_causal": "causal",
    "kdim": "not needed: the first input tells",
    "kernel_initializer": "initializer",
    "kernel_regularizer": "regularizer",
    "kernel_size": "pool_size",
    "key_padding_mask": "a last input (N, S) of what is real, with mask=True",
    "latent_dim": "code of an autoencoder, latent of a VAE, noise of a GAN",
    "layer_norm_eps": "eps",
    "learning_rate": "lr",
    "log_dir": "folder",
    "log_target": "log_targets",
    "mask_zero": "padding_index; recurrent layers take lengths=True, and losses ignored_label",
    "max_len": "context",
    "max_tokens": "size",
    "n_components": "components",
    "n_embd": "width",
    "n_head": "heads",
    "n_layer": "layers",
    "n_splits": "folds",
    "need_weights": "return_weights",
    "nhead": "heads",
    "normalized_shape": "axes, how many of the last axes there are: their lengths the first input tells",
    "ns_coefficients": "coefficients",
    "ns_steps": "iterations",
    "num_classes": "classes",
    "num_embeddings": "vocabulary",
    "num_features": "not needed: the first input tells",
    "num_groups": "groups",
    "num_heads": "heads",
    "num_layers": "layers",
    "num_parameters": "per_channel",
    "num_words": "size",
    "num_workers": "workers",
    "out_channels": "filters",
    "out_features": "units",
    "output_dim": "size",
    "p": "rate",
    "padding_idx": "padding_index",
    "padding_mode": "padding, of zeros; others by a layer in front, such as layers.ReflectionPad2D",
    "param_groups": "groups",
    "pretrained": "model.load_weights(path), behind the constructor",
    "recurrent_dropout": "dropout",
    "reduction": "not needed: a loss is the mean over the batch",
    "return_sequences": "return_sequence",
    "scale_factor": "scale",
    "squared": "p=2",
    "strides": "stride",
    "T_max": "steps",
    "target_size": "size",
    "track_running_stats": "running_statistics",
    "use_bias": "bias",
    "vdim": "not needed: the first input tells",
    "vocab_size": "vocabulary",
    "weight": "class_weights",
}

# of objects that are made already, beside ARGUMENTS
SETTINGS = ARGUMENTS | {
    "base_lr": "lr",
    "data": "value",
    "decay_rate": "rate",
    "decay_steps": "steps",
    "frozen": "trainable = False",
    "gamma": "factor",
    "initial_learning_rate": "lr",
    "lr_schedule": "lr, which may be a schedule",
    "max_lr": "lr",
    "num_steps": "steps",
    "requires_grad": "trainable",
    "save_freq": "every",
    "step_size": "every",
    "total_steps": "steps",
    "warmup_steps": "steps",
}


class Explains:
    """The base of classes whose constructors say which arguments they have, when they get one that they do not have."""

    def _constructed(self) -> None:
        """The constructor is through."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _explaining(cls.__init__)  # type: ignore[method-assign]


def _explaining(init: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(init)
    def __init__(self: Any, *arguments: Any, **options: Any) -> None:
        try:
            init(self, *arguments, **options)
        except TypeError as error:
            parameters = inspect.signature(init).parameters
            unknown = [name for name in options if name not in parameters]
            for place, (name, value) in enumerate(zip(list(parameters)[1:], arguments, strict=False), 1):
                if name in options:
                    raise TypeError(
                        f"{type(self).__name__} got {name} twice: by its name, and as argument {place}, {value!r:.60}"
                    ) from error
            if not unknown or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                raise
            known = list(parameters)[1:]
            raise TypeError(
                f"{type(self).__name__} has no argument {unknown[0]!r}{hint_for(unknown[0], ARGUMENTS, known)}; it has"
                f" {', '.join(known) or 'none'}"
            ) from error
        if type(self).__init__ is __init__:  # and not that of a base
            self._constructed()

    return __init__


def hint_for(name: str, called: dict[str, str], known: list[str]) -> str:
    """What it is called here, if it is here, or what may have been meant."""
    here = called.get(name, "")
    if here and (here in known or not here.isidentifier()):
        return f"; here it is {here}"
    import difflib

    near = difflib.get_close_matches(name.lower(), [key.lower() for key in known], n=1, cutoff=0.8)
    return f"; perhaps {next(key for key in known if key.lower() == near[0])} is meant" if near else ""


def explained(module: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module: it is asked for names that are not there."""

    def missing(name: str) -> Any:
        names = vars(sys.modules[module]).items()
        known = [key for key, value in names if not key.startswith("_") and not isinstance(value, ModuleType)]
        raise no_attribute(module, name, known)

    return missing


def no_attribute(module: str, name: str, known: list[str]) -> AttributeError:
    """For a name that a module does not have."""
    hint = hint_for(name, CALLED.get(module, {}), known)
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")


def no_method(kind: str, name: str) -> AttributeError:
    """For an attribute that a layer or a model does not have."""
    hint = f"; here it is {METHODS[name]}" if name in METHODS else ""
    return AttributeError(f"{kind!r} object has no attribute {name!r}{hint}")
