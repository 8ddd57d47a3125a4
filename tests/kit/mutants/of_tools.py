"""What looks at networks and trains them for others: analysis, experiments, checks, commands and pages."""

from tests.kit.mutants.mutant import Mutant

GRAD_CAM = "tests/analysis/test_explanations.py"
FIELD = "tests/analysis/test_receptive_field.py"
PATCHES = "tests/analysis/test_patches.py"
OCCLUSION = "tests/analysis/test_occlusion.py"
PREDICTIONS = "tests/analysis/test_predictions.py"
OUTPUTS = "tests/analysis/test_outputs.py"
FILTERS = "tests/analysis/test_filters.py"
MODEL = "tests/test_model.py"
FIND_LR = "tests/experiments/test_find_lr.py"
FOLDS = "tests/experiments/test_cross_validation.py"
COMPARE = "tests/experiments/test_compare_initializers.py"
DERIVATIVE = "tests/laws/test_laws.py::test_the_gradient_is_the_derivative"
CHECK = "tests/test_gradient_check.py"
SKLEARN = "tests/sklearn/test_estimators.py"
EPOCHS = "tests/sklearn/test_one_epoch_more.py"
EXCHANGE = "tests/sklearn/test_exchange.py"
CURVE = "tests/cli/test_step_curve.py"
PLAN = "tests/cli/test_plan.py"
TRAIN = "tests/cli/test_train.py"
POINTS = "tests/serving/playground/test_points.py"
FRAMES = "tests/serving/test_frames.py"
WATCHED = "tests/serving/watch/test_curves.py"
GUARD = "tests/serving/test_guard.py"
PIXELS = "tests/visualize/test_pixels.py"
PICTURES = "tests/visualize/test_visualize.py"
IMAGES = "tests/visualize/test_visualize_images.py"
DOCTOR = "tests/test_doctor.py"

MUTANTS = [
    # analysis
    Mutant("analysis/summary.py", "count = 0 if again else", "count =", MODEL),
    Mutant("analysis/summary.py", "if not p.trainable)", "if p.trainable)", MODEL),
    Mutant("analysis/explanations.py", "dmaps.mean(axis=(2, 3)", "dmaps.max(axis=(2, 3)", GRAD_CAM),
    Mutant(
        "analysis/explanations.py",
        "np.maximum((weights * seen.maps).sum(axis=1), 0)",
        "(weights * seen.maps).sum(axis=1)",
        GRAD_CAM,
    ),
    Mutant(
        "analysis/explanations.py",
        "return dy if isinstance(layer, Softmax) and y is output[0] else back",
        "return back",
        GRAD_CAM,
    ),
    Mutant("analysis/explanations.py", "uses[-1] if uses", "uses[0] if uses", GRAD_CAM),
    Mutant("analysis/explanations.py", "size.max(axis=1) if", "size.sum(axis=1) if", GRAD_CAM),
    Mutant(
        "analysis/receptive_field.py",
        "places * window.stride[axis] - window.padding[axis][0]",
        "places * window.stride[axis] - window.padding[axis][1]",
        FIELD,
    ),
    Mutant("analysis/receptive_field.py", "* window.dilation[axis]\n", "\n", FIELD),
    Mutant(
        "analysis/receptive_field.py",
        "np.minimum(first, other.first), np.maximum(last, other.last)",
        "np.maximum(first, other.first), np.maximum(last, other.last)",
        FIELD,
    ),
    Mutant("analysis/patches.py", "if begin == 0 and end < length else 0", "if False else 0", PATCHES),
    Mutant("analysis/patches.py", "np.argsort(-joined[0]", "np.argsort(joined[0]", PATCHES),
    Mutant("analysis/occlusion.py", "heat / count", "heat / len(squares)", OCCLUSION),
    Mutant("analysis/predictions.py", "np.argsort(-sureness[wrong]", "np.argsort(sureness[wrong]", PREDICTIONS),
    Mutant(
        "analysis/predictions.py",
        "labels.astype(np.int64) * classes + guesses.argmax(axis=1)",
        "guesses.argmax(axis=1) * classes + labels.astype(np.int64)",
        PREDICTIONS,
    ),
    Mutant("analysis/filters.py", "return candidates[0]", "return candidates[-1]", FILTERS),
    # experiments
    Mutant("experiments/find_lr.py", "unbiased > diverged * best", "unbiased > diverged + best", FIND_LR),
    Mutant("experiments/find_lr.py", "mean / (1 - SMOOTHING ** len(losses))", "mean", FIND_LR),
    Mutant("experiments/find_lr.py", "(np.arange(steps) / (steps - 1))", "(np.arange(steps) / steps)", FIND_LR),
    Mutant("experiments/find_lr.py", "> 4 * noise", "> 0 * noise", FIND_LR),
    Mutant("experiments/find_lr.py", "slopes[: bottom + 1].argmin()", "slopes.argmax()", FIND_LR),
    Mutant("experiments/find_lr.py", "require_compiled(twin)[0].lr_scale = 1.0", "pass", FIND_LR),
    Mutant("experiments/cross_validation.py", "values.std(ddof=1)", "values.std(ddof=0)", FOLDS),
    Mutant("experiments/cross_validation.py", '(key, "fold", number)', '(key, "fold")', FOLDS),
    Mutant(
        "experiments/cross_validation.py",
        "transform().fit(_taken(samples.x, train))",
        "transform().fit(samples.x)",
        FOLDS,
    ),
    Mutant("experiments/cross_validation.py", ".min()) >= folds", ".min()) > folds", FOLDS),
    Mutant("experiments/compare_initializers.py", "random.set_state(state)", "pass", COMPARE),
    # the check of gradients
    Mutant("gradient_check.py", "-eps * u)) / (2 * eps)", "-eps * u)) / eps", CHECK),
    Mutant("gradient_check.py", "if not found[index] <= tolerance:", "if found[index] > 1e9:", CHECK),
    Mutant("gradient_check.py", "random.seed(self.seed)", "pass", CHECK),
    Mutant("gradient_check.py", "state.value = value\n        self._restore_carried()", "pass", DERIVATIVE, "stateful"),
    Mutant("gradient_check.py", "float(np.linalg.norm(gradient)) / max(gradient.size, 1) ** 0.5", "1e9", CHECK),
    # scikit-learn
    Mutant("sklearn/estimator.py", "arrays[-1] / arrays[-1].mean()", "arrays[-1]", SKLEARN, "not all_checks"),
    Mutant("sklearn/estimator.py", "self._random = random.get_state()", "self._random = (0, 0)", EPOCHS, "each_call"),
    Mutant(
        "sklearn/classifier.py",
        "y -= np.log(np.exp(y).sum(axis=1, keepdims=True))",
        "y -= np.log(np.exp(y).sum())",
        EPOCHS,
        "logarithms",
    ),
    Mutant("sklearn/classifier.py", "self.classes_[y.argmax(axis=1)]", "y.argmax(axis=1)", SKLEARN, "labels_may"),
    Mutant(
        "sklearn/classifier.py",
        "np.searchsorted(known, y)",
        "np.unique(y, return_inverse=True)[1]",
        EPOCHS,
        "keep_their_places",
    ),
    Mutant("sklearn/exchange.py", "p.value = trained.weights[name]", "pass", EXCHANGE, "predicts_and_goes_on"),
    Mutant(
        "sklearn/exchange.py",
        "model.optimizer.set_state(trained.optimizer, named)",
        "pass",
        EXCHANGE,
        "predicts_and_goes_on",
    ),
    Mutant(
        "sklearn/exchange.py", "layer.trainable = path not in layers", "pass", EXCHANGE, "network_among_the_settings"
    ),
    Mutant("sklearn/exchange.py", "range(found.root or 0)", "range(0)", EXCHANGE, "every_layer"),
    Mutant("sklearn/exchange.py", 'random.derive((0, 0), "exchange")', "(0, 0)", EXCHANGE, "make_again"),
    Mutant("sklearn/exchange.py", "and not any(p.has_grad for p in model.parameters())", "", EXCHANGE, "make_again"),
    # the commands
    Mutant(
        "cli/step_curve.py",
        "(total - self.sums.get(name, 0.0)) / (self.samples - self.seen)",
        "total / self.samples",
        CURVE,
    ),
    Mutant("cli/training_run.py", 'if recipe.schedule != "constant":', 'if recipe.schedule == "constant":', PLAN),
    Mutant(
        "cli/training_run.py",
        "make=NETWORKS[network].make, loss=NETWORKS[network].loss",
        "loss=NETWORKS[network].loss",
        PLAN,
    ),
    Mutant("cli/training_run.py", "is not None}\n    return replace", "}\n    return replace", PLAN),
    Mutant("cli/training_run.py", "x[: options.limit], t[: options.limit]", "x, t[: options.limit]", PLAN),
    # pages and pictures
    Mutant("serving/frames.py", "-(4 + len(header)) % ALIGNED", "-len(header) % ALIGNED", FRAMES),
    Mutant("serving/frames.py", "float(value) if math.isfinite(value) else None", "float(value)", FRAMES),
    Mutant("serving/playground/points.py", "state.train / 100), min(points, 1))", "state.train / 100), 0)", POINTS),
    Mutant("serving/playground/points.py", "moved < 2.5", "moved > 2.5", POINTS),
    Mutant("serving/watch/curves.py", "np.nansum(pairs, axis=1) / there", "np.nansum(pairs, axis=1) / 2", WATCHED),
    Mutant("serving/guard.py", "return self.everywhere and", "return", GUARD),
    Mutant("visualize/history.py", "(1 if rises else -1)", "1", PICTURES),
    Mutant(
        "visualize/pixels.py",
        "(0.0, 1.0) if low >= 0 and high <= 1",
        "(0.0, 1.0) if high <= 1",
        PIXELS,
    ),
    Mutant("doctor.py", "not any(finding.startswith(PROBLEM)", "any(finding.startswith(PROBLEM)", DOCTOR),
]
