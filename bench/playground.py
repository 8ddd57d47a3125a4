"""How many steps a second the playground takes, while its page gets maps and numbers ten times a second.

    python bench/playground.py --seconds 5

The session runs as behind a page: in a thread of its own, while this thread takes its frames away and unpacks them.
"""

import argparse
import json
import math
import threading
import time
from typing import Any

import paths  # noqa: F401

from xpnet.serving.frames import pack, unpack
from xpnet.serving.playground.session import PlaygroundSession

STATES: dict[str, dict[str, Any]] = {
    "default": {},
    "three arms, 8-8-8, Adam": {"data": "spiral", "classes": 3, "hidden": [{"units": 8}] * 3, "optimizer": "adam"},
    "six layers of 8, normalised, dropout": {
        "hidden": [{"units": 8, "batch_norm": True, "dropout": 0.1, "activation": "relu"}] * 6,
        "inputs": ["x1", "x2", "x1^2", "x2^2", "x1x2", "sin x1", "sin x2"],
    },
}


def measure(state: dict[str, Any], seconds: float) -> dict[str, float]:
    """Steps and frames with maps a second, of a state that runs for so long."""
    session, something = PlaygroundSession(), threading.Event()
    session.start(something.set, lambda: None)

    def ask(kind: str, **fields: Any) -> None:
        session.receive(unpack(pack(kind, fields)))

    def take(until: float, from_step: float = math.inf) -> dict[str, list[Any]]:
        """Frames until then, or until a step has come."""
        frames: dict[str, list[Any]] = {"maps": [], "numbers": []}
        while time.perf_counter() < until and not any(
            each.fields["step"] >= from_step for *_, each in frames["numbers"]
        ):
            something.wait(0.02)
            something.clear()
            while (data := session.outbox.take()) is not None:
                frame = unpack(data)
                frames.setdefault(frame.kind, []).append((time.perf_counter(), len(data), frame))
        return frames

    ask("state", state=state, keep=False, number=1)
    ask("run", on=True)
    take(time.perf_counter() + 60, 1)  # Numba may compile
    take(time.perf_counter() + 0.5)
    frames = take(time.perf_counter() + seconds)
    session.stop()
    (first, _, begin), *_, (last, _, end) = frames["numbers"]
    sizes = [size for kind in frames.values() for _, size, _ in kind]
    return {
        "steps_per_second": round((end.fields["step"] - begin.fields["step"]) / (last - first)),
        "maps_per_second": round((len(frames["maps"]) - 1) / (last - first), 1),
        "megabytes_per_second": round(sum(sizes) / (last - first) / 1e6, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    for name, state in STATES.items():
        print(json.dumps({"state": name, **measure(state, seconds)}), flush=True)


if __name__ == "__main__":
    main()
