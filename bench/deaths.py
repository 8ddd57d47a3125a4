"""Workers that are killed at random moments: those that are left end with the bits of a training without deaths.

    python bench/deaths.py                         # twenty deaths, in trainings of 2 to 8 workers that go on (ULFM)
    python bench/deaths.py --kills 50 --seed 7 --json deaths.json
    python bench/deaths.py --command               # `xpnet train --workers`, whose workers go on
    python bench/deaths.py --restarts              # the same with --no-ulfm, which starts all of them again
    python bench/deaths.py --only gan

deaths_worker.py says what is trained, and at which moments a worker may be killed: one, two at once, the one that
leads, in a step, in validation, while a backup or a checkpoint is written, before and after a line of the CSV file, or
somewhere. Compared are the SHA-256 of the weights, the history, and the files that callbacks write: each line once, no
backup left, no file missing. Of the command line's trainings the victims are killed from outside.

Each training has `--limit` seconds. Exit status 1 if anything differs, hangs or ends by an error, with the line that
does it again.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import paths
from deaths_worker import EPOCHS, EVENTS, NETWORKS

import xpnet
from xpnet.data import datasets, write_idx
from xpnet.parallel.launch import find_launcher, mpiexec_line

assert paths
WORKER = Path(__file__).resolve().with_name("deaths_worker.py")
WRITES = ("backup", "checkpoint", "line", "lined", "end")  # moments of the worker that leads
COUNTS = {"begin": 1, "step": 3 * EPOCHS, "backup": 2 * EPOCHS + 1}  # how often events come; others once in an epoch
QUIET = {"XPNET_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "XPNET_JIT": "0"}
TRAINED = ("lenet5", "mlp")  # by the command line
OPTIONS = ["--epochs", "20", "--shards", "8", "--seed", "0", "--json"]
SAMPLES = 400, 200  # to train on, and to test on
HERE = str(Path(xpnet.__file__).resolve().parents[1])


@dataclass
class Outcome:
    """Of one training: who was to be killed and was, and what was wrong with what came of it."""

    network: str
    workers: int
    plans: list[str]
    kills: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


def environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH", "")]))
    return os.environ | QUIET | {"PYTHONPATH": path}


def run(line: list[str], limit: float, meanwhile: Any = None) -> tuple[int | None, str, str]:
    """Status, None if it took too long; what it printed."""
    pipe = subprocess.PIPE
    with subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True, env=environment()) as process:
        try:
            if meanwhile is not None:
                meanwhile(process)
            out, err = process.communicate(timeout=limit)
            return process.returncode, out, err
        except BaseException as error:
            process.terminate()  # a launcher ends its workers then
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            return None, *process.communicate()


# ---- those that are left go on ---------------------------------------------------------------------------------------


def plan_deaths(chance: Random, workers: int, most: int) -> list[str]:
    """Who dies and when: WHO:EVENT:NUMBER:DELAY, of one worker or more, but never of all."""

    def moment(events: tuple[str, ...]) -> str:
        event = chance.choice(events)
        delay = (1.0 if event == "begin" else chance.choice([0.0, 0.0, 0.002, 0.05])) * chance.random()
        return f"{event}:{chance.randint(1, COUNTS.get(event, EPOCHS))}:{delay:.4f}"

    kind, most = chance.choice(["one", "two", "leader", "leader", "several"]), min(most, workers - 1)
    others = tuple(event for event in EVENTS if event not in WRITES)
    if kind == "leader" or most == 1:
        return [f"0:{moment(EVENTS)}"]
    if kind == "two":  # at once
        when = moment((*others, "end"))
        return [f"{who}:{when}" for who in chance.sample(range(workers), 2)]
    if kind == "one":
        return [f"{chance.randrange(1, workers)}:{moment((*others, 'end'))}"]
    return [f"{who}:{moment(EVENTS if who < 2 else (*others, 'end'))}" for who in range(chance.randint(2, most))]


def results(folder: Path) -> dict[str, bytes]:
    """The files of a training, but for those that this script needs."""
    own = ("end.", "killed.")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.startswith(own)}


def ends(folder: Path) -> dict[int, dict[str, Any]]:
    return {int(path.suffix[1:]): json.loads(path.read_text()) for path in folder.glob("end.*")}


def go_on(network: str, workers: int, plans: list[str], expected: Path, limit: float) -> Outcome:
    outcome = Outcome(network, workers, plans)
    with tempfile.TemporaryDirectory(prefix="xpnet-deaths-") as name:
        folder = Path(name)
        line = [*mpiexec_line(find_launcher(), workers, True), sys.executable, str(WORKER), network, name, *plans]
        began = time.perf_counter()
        status, out, err = run(line, limit)
        outcome.seconds = time.perf_counter() - began
        killed = {int(path.suffix[1:]) for path in folder.glob("killed.*")}
        outcome.kills = len(killed)
        if status != 0:
            outcome.wrong.append(f"no end after {limit:g} s" if status is None else f"status {status}")
            outcome.wrong.append((out + err).strip()[-3000:])
        (wanted,) = ends(expected).values()
        found = ends(folder)
        for worker in sorted(set(range(workers)) - killed - found.keys()):
            outcome.wrong.append(f"worker {worker} came to no end")
        for worker, end in found.items():
            outcome.wrong += [f"{key} of worker {worker}" for key in ("weights", "history") if end[key] != wanted[key]]
        files, wanted_files = results(folder), results(expected)
        unfinished = {name for name in files if name.endswith((".tmp", ".lock"))}  # they disturb nobody
        for name in sorted((files.keys() | wanted_files.keys()) - unfinished):
            if files.get(name) != wanted_files.get(name):
                kind = "missing" if name not in files else "left" if name not in wanted_files else "other"
                outcome.wrong.append(f"{kind}: {name}")
    return outcome


def expect(network: str, folder: Path, limit: float) -> Path:
    """Where the results of an undisturbed training of one worker are."""
    place = folder / network
    if not place.exists():
        place.mkdir()
        status, out, err = run([sys.executable, str(WORKER), network, str(place)], limit)
        if status != 0:
            raise SystemExit(f"deaths: {network} alone ended with status {status}\n{out}{err}")
    return place


# ---- what the command line starts ------------------------------------------------------------------------------------


def write_data(folder: Path) -> Path:
    """A few of the digits."""
    place = folder / "data"
    if not place.exists():
        place.mkdir()
        for part, (x, t), count in zip(("train", "t10k"), datasets.mnist(normalize=False), SAMPLES, strict=True):
            write_idx(place / f"{part}-images-idx3-ubyte", x[:count, 0])
            write_idx(place / f"{part}-labels-idx1-ubyte", t[:count].astype(np.uint8))
    return place


def workers_of(out: Path) -> list[int]:
    """The processes of the workers that train into this folder, by their numbers."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            variables = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            rank = [text.partition("=")[2] for text in variables if text.startswith("OMPI_COMM_WORLD_RANK=")]
            if str(out) in " ".join(words) and "mpi4py" in words and rank:
                found[int(rank[0])] = int(folder.name)
    return [pid for _, pid in sorted(found.items())]


def command(
    network: str, workers: int, kills: int, goes_on: bool, chance: Random, folder: Path, limit: float
) -> Outcome:
    """A training whose workers are killed so many times, by this process, within a second or so after they are there;
    those that are left go on, or all start again.
    """
    outcome = Outcome(network, workers, [f"{kills} from outside"])
    expected = folder / network
    words = [sys.executable, "-m", "xpnet", "train", network, *OPTIONS, "--data", str(write_data(folder))]
    if not expected.exists():
        status, out, err = run([*words, "--out", str(expected)], limit)
        if status != 0:
            raise SystemExit(f"deaths: {network} alone ended with status {status}\n{out}{err}")
        (expected / "outcome").write_text(out)
    with tempfile.TemporaryDirectory(prefix="xpnet-deaths-") as name:
        place = Path(name, "out")
        backup = place / f"{network}.backup.safetensors"

        def kill(process: subprocess.Popen[str]) -> None:
            until, before = time.monotonic() + limit, set[int]()
            for _ in range(kills):
                while process.poll() is None and time.monotonic() < until:
                    pids = [pid for pid in workers_of(place) if pid not in before]
                    if len(pids) == (workers if not goes_on else workers - outcome.kills) and backup.exists():
                        break
                    time.sleep(0.02)
                time.sleep(chance.random() * chance.choice([0.05, 0.5, 1.5]))
                pids = workers_of(place)
                before |= set() if goes_on else set(pids)
                count = min(chance.choice([1, 1, 2]), len(pids) - goes_on)
                victims = pids[:count] if chance.random() < 0.4 else chance.sample(pids, max(count, 0))
                for pid in victims:
                    with contextlib.suppress(OSError):
                        os.kill(pid, signal.SIGKILL)
                        outcome.kills += 1

        ways = ["--ulfm"] if goes_on else ["--no-ulfm", "--restarts", str(2 * kills + 2)]
        line = [*words, "--workers", str(workers), *ways, "--backup-every", "1"]
        began = time.perf_counter()
        status, out, err = run([*line, "--threads", "1", "--out", str(place)], limit, kill)
        outcome.seconds = time.perf_counter() - began
        if status != 0:
            outcome.wrong.append(f"no end after {limit:g} s" if status is None else f"status {status}")
            outcome.wrong.append((out + err).strip()[-3000:])
            return outcome
        found, wanted = json.loads(out), json.loads((expected / "outcome").read_text())
        outcome.plans.append(f"{found['restarts']} restarts, {found['lost_workers']} lost")
        outcome.wrong += [key for key in ("weights_sha256", "history") if found[key] != wanted[key]]
        if (place / "history.csv").read_bytes() != (expected / "history.csv").read_bytes():
            outcome.wrong.append("other: history.csv")
        if backup.exists():
            outcome.wrong.append(f"left: {backup.name}")
    return outcome


# ---- all of it -------------------------------------------------------------------------------------------------------


def report(number: int, outcome: Outcome) -> None:
    state = "wrong" if outcome.wrong else "the same bits"
    told = f"{number:>3}  {outcome.network:<7} {outcome.workers} workers, {outcome.kills} killed"
    print(f"{told}  {outcome.seconds:5.1f} s  {state}  {' '.join(outcome.plans)}", flush=True)
    for each in outcome.wrong:
        print(f"     {each}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="how many in all, over several trainings")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=8, help="workers of a training, 2 at least")
    parser.add_argument("--limit", type=float, default=180, help="seconds of each training")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--command", action="store_true", help="trainings of `xpnet train --workers`")
    ways.add_argument("--restarts", action="store_true", help="the same, where all start again instead of going on")
    parser.add_argument("--only", choices=[*NETWORKS, *TRAINED], help="this network alone")
    parser.add_argument("--plans", nargs="+", metavar="PLAN", help="these deaths, in one training of --most workers")
    parser.add_argument("--json", type=Path, help="a file for what was found")
    options = parser.parse_args()
    if not options.restarts and not find_launcher().ulfm:
        raise SystemExit("deaths: this MPI cannot go on without a worker; --restarts starts all again")
    chance, outcomes = Random(options.seed), list[Outcome]()
    with tempfile.TemporaryDirectory(prefix="xpnet-deaths-") as name:
        folder = Path(name)
        while (left := options.kills - sum(each.kills for each in outcomes)) > 0 and len(outcomes) < 5 * options.kills:
            workers = chance.randint(2, options.most)
            if options.restarts or options.command:
                network = options.only or chance.choice(TRAINED)
                kills = min(left, chance.randint(1, 3))
                outcome = command(network, workers, kills, options.command, chance, folder, options.limit)
            else:
                network = options.only or chance.choice(list(NETWORKS))
                plans = options.plans or plan_deaths(chance, workers, left)
                workers = options.most if options.plans else workers
                expected = expect(network, folder, options.limit)
                outcome = go_on(network, workers, plans, expected, options.limit)
            outcomes.append(outcome)
            report(len(outcomes), outcome)
            if options.plans:
                break
    wrong = sum(bool(each.wrong) for each in outcomes)
    kinds = Counter(plan.split(":")[1] for each in outcomes for plan in each.plans if ":" in plan)
    killed = sum(each.kills for each in outcomes)
    print(f"{killed} deaths in {len(outcomes)} trainings, {wrong} wrong", dict(kinds) if kinds else "", flush=True)
    if options.json:
        found = {"kills": killed, "wrong": wrong, "seed": options.seed, "trainings": [asdict(o) for o in outcomes]}
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    sys.exit(wrong > 0 or killed < min(options.kills, 1))


if __name__ == "__main__":
    main()
