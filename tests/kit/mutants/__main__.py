"""Deliberate errors, one at a time: does the suite notice each of them?

    python -m tests.kit.mutants                 # all, side by side on all cores
    python -m tests.kit.mutants pool batch      # those whose file, line or tests hold one of these words
    python -m tests.kit.mutants --jobs 1        # one after the other

Every mutant is a wrong sign, a missing term, a wrong index or bound, or a state that is forgotten. It is planted in a
copy of the project, and the tests named beside it are run there until the first failure, with PyTorch out of sight.
First of all these tests are run on the project as it is: what fails there cannot notice anything. Exit status 1 if a
mutant lives.
"""

import argparse
import os
import queue
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from tests.kit.mutants import MUTANTS, Mutant
from tests.kit.mutants.runner import Copy, Verdict


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.kit.mutants", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*", help="only those whose file, line or tests hold one of these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="side by side (all cores)")
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds after which a mutant hangs (180)")
    parser.add_argument("--unchecked", action="store_true", help="do not run the tests on the unchanged project first")
    parser.add_argument("--why", action="store_true", help="say what pytest said")
    options = parser.parse_args(arguments)
    chosen = [m for m in MUTANTS if not options.words or any(w in m.file + m.right + m.tests for w in options.words)]
    if not chosen:
        parser.error(f"no mutant has any of these words: {' '.join(options.words)}")
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.jobs) as pool:
        copies = queue.SimpleQueue[Copy]()
        for job in range(options.jobs):
            copies.put(Copy(Path(folder) / str(job), options.timeout))

        def each(what: Callable[[Copy, Mutant], Verdict], mutants: list[Mutant]) -> Any:
            def work(mutant: Mutant) -> tuple[Mutant, Verdict, float]:
                copy, begun = copies.get(), time.monotonic()
                try:
                    return mutant, what(copy, mutant), time.monotonic() - begun
                finally:
                    copies.put(copy)

            return (done.result() for done in as_completed([pool.submit(work, mutant) for mutant in mutants]))

        unfit = set() if options.unchecked else _unfit(each, chosen, options.why)
        alive = 0
        for mutant, verdict, seconds in each(Copy.try_out, [m for m in chosen if _tests_of(m) not in unfit]):
            alive += verdict.alive
            print(f"{verdict.word}  {seconds:.1f} s  {mutant.file}: {mutant.right!r} -> {mutant.wrong!r}", flush=True)
            if options.why or verdict.alive:
                print(f"        {' '.join(_tests_of(mutant))}", *verdict.output.splitlines()[-8:], sep="\n        ")
    untold = sum(_tests_of(m) in unfit for m in chosen)
    caught = len(chosen) - untold - alive
    print(
        f"{caught} of {len(chosen)} mutants noticed ({caught / len(chosen):.1%}), {alive} alive, {untold} with tests"
        f" that fail without them; {(time.monotonic() - start) / 60:.1f} minutes"
    )
    return 1 if caught < len(chosen) else 0


def _tests_of(mutant: Mutant) -> tuple[str, ...]:
    return mutant.tests, mutant.only, mutant.backends


def _unfit(each: Any, chosen: list[Mutant], why: bool) -> set[tuple[str, ...]]:
    """The tests that do not pass on the project as it is."""
    unfit = set()
    for mutant, verdict, seconds in each(Copy.run, list({_tests_of(m): m for m in chosen}.values())):
        if verdict.word != "ALIVE":
            unfit.add(_tests_of(mutant))
            print(f"unfit  {seconds:.1f} s  {' '.join(_tests_of(mutant))}\n{verdict.output}", flush=True)
        elif why:
            print(f"fit    {seconds:.1f} s  {' '.join(_tests_of(mutant))}", flush=True)
    return unfit


if __name__ == "__main__":
    sys.exit(main())
