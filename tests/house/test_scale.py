"""What bench/scale.py reckons with, and that it runs."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from bench.scale_model import (
    LINKS,
    PARAMETERS,
    WORKERS,
    Costs,
    Sample,
    exchange_seconds,
    fit_costs,
    limit_rate,
    predictions,
    step_seconds,
    trainings,
)
from bench.scale_page import BEGIN, END, PAGE, predicted, written
from tests.kit.workers import needs_mpi
from xpnet import networks

ROOT = Path(__file__).parents[2]
COSTS = Costs(latency=3e-5, message=4e-6, byte=2e-9, add=1e-10)


def test_an_exchange_costs_what_its_messages_and_bytes_do() -> None:
    """Of 800 bytes 4 workers send each 3 chunks of 200, twice, and add 3."""
    by_hand = 2 * 3e-5 + 6 * 4e-6 + 1200 * 2e-9 + 600 * 1e-10
    assert exchange_seconds(COSTS, 800, 4) == pytest.approx(by_hand)
    assert exchange_seconds(COSTS, 800, 4, cores=4) == pytest.approx(by_hand)
    assert exchange_seconds(COSTS, 800, 4, cores=2) == pytest.approx(2 * by_hand)


@pytest.mark.parametrize("cores", [None, 2])
@pytest.mark.parametrize("wrong", [0, 0.02])
def test_the_costs_are_found_again(cores: int | None, wrong: float) -> None:
    """From times that are theirs, or too long and too short in turn by a share of `wrong`."""
    samples = []
    for number, (workers, size) in enumerate(product(range(2, 9), (1e3, 1e4, 1e5, 1e6, 1e7))):
        seconds = exchange_seconds(COSTS, size, workers, cores) * (1 + wrong * (-1) ** number)
        samples.append(Sample(int(size), workers, seconds))
    found = fit_costs(samples, COSTS.add, cores)
    assert found == pytest.approx(COSTS, rel=1e-9 if not wrong else 0.1)


def test_a_cost_that_would_be_negative_is_none() -> None:
    """Messages that seem to cost less the more there are of them."""
    samples = [Sample(1000, workers, 1e-4 / workers) for workers in (2, 3, 4, 8)]
    found = fit_costs(samples, 0.0)
    assert min(found) == 0 and found.latency > 0


def test_a_wire_limits_what_processors_could_send() -> None:
    slow, fast = limit_rate(COSTS, 1e6, 8, 2), limit_rate(COSTS, 1e12, 8, 2)
    assert fast == COSTS and slow.byte == pytest.approx(1e-6 / 4)
    exchange = exchange_seconds(slow._replace(latency=0, message=0, add=0), 8e6, 8, 2)
    assert exchange == pytest.approx(14.0)  # 7 MB, twice, at 1 MB/s


def test_overlap_hides_what_fits_behind_the_backward_pass() -> None:
    assert step_seconds(3.0, 1.5, overlap=False) == 4.5
    assert step_seconds(3.0, 1.5, overlap=True) == pytest.approx(3.0)
    assert step_seconds(3.0, 5.0, overlap=True) == pytest.approx(6.0)


def test_more_workers_and_slower_links_take_longer() -> None:
    rows = predictions(trainings(0.05, 128, 1e-10))
    found = {(row["network"], row["link"], row["workers"]): row for row in rows}
    ethernet = [link.name for link in LINKS[:3]]
    assert len(rows) == len(PARAMETERS) * (3 * len(WORKERS) + 3)
    for row in rows:
        assert 0 < row["efficiency"] <= row["efficiency_overlapped"] <= 1 + 1e-12
        assert row["step_overlapped_s"] <= row["step_s"]
    for network in PARAMETERS:
        for link in ethernet:
            steps = [found[network, link, workers]["step_s"] for workers in WORKERS]
            assert steps == sorted(steps)
        for workers in WORKERS:
            steps = [found[network, link, workers]["step_s"] for link in ethernet]
            assert steps == sorted(steps, reverse=True)


def test_the_parameters_are_those_of_the_networks() -> None:
    for name, made in (("DeepConvNet", networks.DeepConvNet()), ("ResNet50", networks.ResNet50())):
        assert sum(each.size for each in made.parameters() if each.trainable) == PARAMETERS[name]


def test_the_parameters_of_vgg_are_those_of_its_paper() -> None:
    convolutions = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), *[(256, 256)] * 2, (256, 512)]
    convolutions += [(512, 512)] * 5
    dense = [(512 * 7 * 7, 4096), (4096, 4096), (4096, 1000)]
    total = sum(9 * a * b + b for a, b in convolutions) + sum(a * b + b for a, b in dense)
    assert total == PARAMETERS["VGG16"]


def test_the_page_has_what_is_predicted() -> None:
    """But for DeepConvNet, whose computing is measured."""
    rows = predicted({"predictions": predictions(trainings(0.05, 128, 1e-10))})
    known = [row for row in rows if "DeepConvNet" not in row]
    page = PAGE.read_text(encoding="utf-8").splitlines()
    assert len(rows) == 14 and len(known) == 10
    assert [row for row in known if row not in page] == []


def test_what_was_measured_is_written_into_the_page() -> None:
    page = f"a\n{BEGIN.format('one')}\nold\n{END}\nb\n{BEGIN.format('two')}\n{END}\nc\n"
    new = written(page, {"one": ["x", "y"], "two": ["z"]})
    assert new == f"a\n{BEGIN.format('one')}\n\nx\ny\n\n{END}\nb\n{BEGIN.format('two')}\n\nz\n\n{END}\nc\n"
    assert written(new, {"one": ["x", "y"], "two": ["z"]}) == new


def scale(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "bench" / "scale.py"), *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)


@needs_mpi
@pytest.mark.slow
def test_training_is_measured_and_predicted(tmp_path: Path) -> None:
    path = tmp_path / "scale.json"
    done = scale("--quick", "--json", path)
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text(encoding="utf-8"))
    alone = next(row for row in report["cases"] if row["case"] == "1 worker")
    both = next(row for row in report["cases"] if row["case"] == "2 workers")
    assert alone["waited"] == 0 and both["exchange"] > 0
    for row in report["cases"]:
        assert 0 < row["compute"] <= row["seconds"]
    assert all(row["ratio"] > 0 for row in report["ratios"])
    assert report["costs"]["add"] > 0 and len(report["predictions"]) == 99
    assert "VGG16: 138,357,544 parameters, 32 images a worker" in done.stdout


@needs_mpi
@pytest.mark.slow
def test_the_model_is_held_to_slow_links(tmp_path: Path) -> None:
    path = tmp_path / "check.json"
    done = scale("--check", "--quick", "--json", path)
    if done.returncode and ("`ip " in done.stderr or "there is no " in done.stderr):
        pytest.skip(f"slow links need network namespaces, and these Linux and root: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text(encoding="utf-8"))["check"]
    assert [(row["link"], row["workers"]) for row in rows] == [("1gbit", 2)] * 2 + [("100mbit", 2)] * 2
    gradients = [row["measured_s"] for row in rows if row["bytes"] == 494_208]
    assert gradients[1] > 0.03 and gradients[1] > gradients[0]  # 494 KB each way at 100 Mbit/s
