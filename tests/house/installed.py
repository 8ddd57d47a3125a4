"""An installation works, away from the sources: `.ci/package` runs this by the Python of an environment with it alone.

python -P tests/house/installed.py
"""

import re
import subprocess
import sys
import tempfile
from importlib.metadata import metadata
from pathlib import Path

import xpnet
from xpnet import Sequential, datasets, layers

SOURCE = Path(__file__).parents[2] / "xpnet"
HERE = Path(xpnet.__file__).parent


def files(folder: Path) -> dict[str, bytes]:
    """All but what Python compiled."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def everything_is_there() -> None:
    assert HERE != SOURCE, f"this is to run on an installation, not on {SOURCE}"
    there, wanted = files(HERE), files(SOURCE)
    assert there.keys() == wanted.keys(), sorted(there.keys() ^ wanted.keys())
    other = [name for name in wanted if there[name] != wanted[name]]
    assert not other, other
    for name in ("py.typed", "data/mnist/train-images-idx3-ubyte.xz", "serving/pages/texts/zh.js"):
        assert name in there, name
    print(f"{len(there)} files")


def it_says_what_it_is() -> None:
    about = metadata("xpnet")
    assert about["Version"] == xpnet.__version__
    assert about["License-Expression"] == "MIT AND CC-BY-SA-3.0"
    assert about.get_all("License-File") == ["LICENSE", "xpnet/data/mnist/README.md"]
    page = about.get_payload()
    assert page.startswith("# xpnet") and "## Licence" in page
    links = re.findall(r"\]\(([^)]*)\)", page)
    assert links and all(link.startswith("https://") for link in links), links


def a_network_learns(folder: Path) -> None:
    (x, t), (x_test, t_test) = datasets.mnist()
    model = Sequential([layers.Conv2D(8, 3, stride=2, activation="relu"), layers.Flatten(), layers.Dense(10)])
    model.compile("adam", metrics=["accuracy"])
    model.fit(x[:5000], t[:5000], batch_size=50, epochs=1, verbose=0)
    _, accuracy = model.evaluate(x_test[:1000], t_test[:1000], verbose=0)
    model.save(folder / "digits.safetensors")
    assert (xpnet.load(folder / "digits.safetensors").predict(x_test[:9]) == model.predict(x_test[:9])).all()
    print(f"accuracy {accuracy}, and of the network in the box ", end="")
    assert accuracy > 0.8
    trained = xpnet.load(HERE / "networks" / "trained" / "deepconvnet.safetensors").predict(x_test[:500])
    print((trained.argmax(axis=1) == t_test[:500]).mean())
    assert (trained.argmax(axis=1) == t_test[:500]).mean() > 0.98


def the_command_runs(folder: Path) -> None:
    def say(*words: str) -> str:
        command = [str(Path(sys.executable).with_name("xpnet")), *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert xpnet.__version__ in say("--version")
    assert str(HERE) in say("doctor")
    assert "Dense" in say("summary", "digits.safetensors")
    assert "trained" in say("train", "--help")


if __name__ == "__main__":
    everything_is_there()
    it_says_what_it_is()
    with tempfile.TemporaryDirectory() as name:
        a_network_learns(Path(name))
        the_command_runs(Path(name))
