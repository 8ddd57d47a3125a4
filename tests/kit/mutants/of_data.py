"""Data: transforms, augmentation, batches, folds, files and texts."""

from tests.kit.mutants.mutant import Mutant

BATCHES = "tests/training/test_draws_of_batches.py"
AUGMENT = "tests/data/test_augment.py"
TRANSFORMS = "tests/data/test_transforms.py"
WHITENING = "tests/data/test_whitening.py"
CUT = "tests/data/test_batches.py"
FOLDS = "tests/data/test_folds.py"
LOADER = "tests/data/test_loader.py"
IDX = "tests/data/test_idx.py"
TEXT = "tests/data/test_text.py"
SEQUENCES = "tests/data/test_sequences.py"
SOURCES = "tests/data/test_sources.py"

MUTANTS = [
    Mutant("data/loader.py", '(key, "source", number):\n            try', '(key, "source"):\n            try', BATCHES),
    # transforms
    Mutant("data/transforms.py", "std[std <= np.abs(mean)", "std[std < np.abs(mean)", TRANSFORMS),
    Mutant(
        "data/transforms.py",
        "np.abs(mean) * np.finfo(np.float32).eps] = 1",
        "np.abs(mean) * np.finfo(np.float32).eps] = 0.5",
        TRANSFORMS,
    ),
    Mutant("data/transforms.py", "squares * (mean.size / x.size)", "squares * (mean.size / (x.size - 1))", TRANSFORMS),
    Mutant("data/transforms.py", "x[start : start + step] - mean", "x[start : start + step - 1] - mean", TRANSFORMS),
    Mutant(
        "data/transforms.py",
        "x.astype(float_type_of(x), copy=False), self.mean.astype",
        "x, self.mean.astype",
        TRANSFORMS,
    ),
    Mutant("data/transforms.py", "np.divide(x, np.float32(255)", "np.divide(x, np.float32(256)", TRANSFORMS),
    Mutant("data/transforms.py", "t.max() >= classes)", "t.max() > classes)", TRANSFORMS),
    Mutant(
        "data/whitening.py",
        "np.searchsorted(share, self.components)) + 1",
        "np.searchsorted(share, self.components))",
        WHITENING,
    ),
    Mutant("data/whitening.py", "1 / math.sqrt(self.epsilon)), (scale", "1.0), (scale", WHITENING),
    Mutant("data/whitening.py", "variance[1:], vectors[:, 1:]", "variance, vectors", WHITENING),
    Mutant("data/whitening.py", "directions * np.where(greatest < 0, -1, 1)", "directions", WHITENING),
    # augmentation
    Mutant(
        "data/augment/pixels.py",
        "rng.integers(0, length, N) - side // 2",
        "rng.integers(0, length - 1, N) - side // 2",
        AUGMENT,
    ),
    Mutant("data/augment/pixels.py", "(self.std * chosen).astype", "(self.std**2 * chosen).astype", AUGMENT),
    Mutant(
        "data/augment/pixels.py",
        "rng.integers(0, space + 1, N), space // 2",
        "rng.integers(0, space + 1, N), 0",
        AUGMENT,
    ),
    Mutant("data/augment/pixels.py", "rng.integers(0, space + 1, N),", "rng.integers(0, max(space, 1), N),", AUGMENT),
    Mutant("data/augment/pixels.py", "places < start[:, None] + side", "places <= start[:, None] + side", AUGMENT),
    Mutant(
        "data/augment/pixels.py",
        "x[chosen, :, ::-1] if self.vertical",
        "x[chosen, :, :, ::-1] if self.vertical",
        AUGMENT,
    ),
    Mutant("data/augment/pixels.py", "out=y, where=chosen[:, None, None, None])", "out=y)", AUGMENT),
    Mutant("data/augment/warps.py", "[[cos - sin * tan, -sin]", "[[cos - sin * tan, sin]", AUGMENT),
    Mutant("data/augment/warps.py", "np.array([(H - 1) / 2, (W - 1) / 2])", "np.array([H / 2, W / 2])", AUGMENT),
    Mutant("data/augment/warps.py", "(around - width, around + width)", "(around, around + width)", AUGMENT),
    Mutant("data/augment/warps.py", "np.rint(value) for value", "np.floor(value) for value", AUGMENT),
    Mutant("data/augment/elastic.py", "(2 * taps.sum() - taps[0])", "(2 * taps.sum())", AUGMENT),
    Mutant("data/augment/elastic.py", "(2 * self.sigma**2)", "(2 * self.sigma)", AUGMENT),
    Mutant("data/augment/elastic.py", "y[:-k] += scaled[k:]", "y[:-k] += scaled[:-k]", AUGMENT),
    Mutant("data/augment/interpolation.py", "reversed(moves)", "moves", AUGMENT),
    Mutant(
        "data/augment/interpolation.py",
        "np.clip(places, 0, size + 1, out=places)",
        "np.clip(places, 1, size, out=places)",
        AUGMENT,
    ),
    Mutant("data/augment/base.py", "transform.fill == waiting[0].fill", "True", AUGMENT),
    Mutant("data/augment/base.py", "rng.random(N, np.float32) < self.p", "rng.random(N, np.float32) > self.p", AUGMENT),
    # batches, parts and folds
    Mutant("data/batches.py", "(i + 1) * self.batch_size)", "(i + 1) * self.batch_size - 1)", CUT),
    Mutant("data/batches.py", "math.floor(round(N * (1 - fraction), 6))", "math.floor(N * (1 - fraction))", CUT),
    Mutant("data/batches.py", "return self._cut(first, order)", "return self._cut(0, order)", CUT),
    Mutant("data/folds.py", "np.argsort(takes - shares", "np.argsort(shares - takes", FOLDS),
    Mutant("data/folds.py", "np.cumsum(counts) - counts, counts)", "np.cumsum(counts), counts)", FOLDS),
    Mutant(
        "data/folds.py",
        "fold[order] = np.arange(N) * self.folds // N",
        "fold[order] = np.arange(N) // (N // self.folds)",
        FOLDS,
    ),
    Mutant(
        "data/folds.py",
        "fold[order] = np.arange(N) % self.folds",
        "fold[order] = np.arange(N) * self.folds // N",
        FOLDS,
    ),
    Mutant(
        "data/loader.py",
        "order[number * size : (number + 1) * size]",
        "order[number * size : number * size + size - 1]",
        LOADER,
    ),
    Mutant("data/loader.py", "random.stream(key, _AUGMENT, number)", "random.stream(key, _AUGMENT)", LOADER),
    Mutant("data/loader.py", "for number in range(first):\n", "for number in range(0):\n", LOADER),
    Mutant(
        "data/loader.py",
        "if len(waiting) > max(self.prefetch * parts, self.workers):",
        "if len(waiting) > 100:",
        LOADER,
    ),
    Mutant(
        "data/sources.py",
        "yield from (waiting[i] for i in order.permutation(len(waiting)))",
        "yield from waiting[1:]",
        LOADER,
    ),
    Mutant(
        "data/sources.py", "np.asarray(self.source.labels)[self.indices]", "np.asarray(self.source.labels)", SOURCES
    ),
    # files and texts
    Mutant("data/idx.py", 'native.newbyteorder(">")', 'native.newbyteorder("<")', IDX),
    Mutant("data/idx.py", "array.byteswap(inplace=True)", "pass", IDX),
    Mutant("data/idx.py", "0x0B: np.dtype(np.int16)", "0x0A: np.dtype(np.int16)", IDX),
    Mutant("data/idx.py", "if stream.read(1):", "if False:", IDX),
    Mutant("data/idx.py", "self._decoder.unused_data or self._file", "self._file", IDX),
    Mutant("data/text.py", "(-counts[piece], piece)", "(counts[piece], piece)", TEXT),
    Mutant("data/text.py", "pieces[:, :-1], pieces[:, 1:]", "pieces[:, :-1], pieces[:, :-1]", TEXT),
    Mutant("data/text.py", "(len(numbers) - 1) // rows", "len(numbers) // rows", TEXT),
    Mutant("data/text.py", "swapaxes(0, 1)  # (B", "reshape(B, rows, length, *inside)  # (B", TEXT),
    Mutant("data/text.py", "if number != self.padding)", "if True)", TEXT),
    Mutant("data/sequences.py", "row[: len(array)] = array", "row[-len(array) :] = array", SEQUENCES),
    Mutant("data/sequences.py", "np.arange(T) < given[:, None]", "np.arange(T) <= given[:, None]", SEQUENCES),
    Mutant("data/sequences.py", "masked[~mask_of(", "masked[mask_of(", SEQUENCES),
]
