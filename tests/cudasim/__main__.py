"""python -m tests.cudasim SCRIPT [ARGUMENTS ...] runs a script, or `-m MODULE`, with the stand-in device as its GPU."""

import runpy
import sys

from tests import cudasim


def main() -> None:
    words = sys.argv[1:]
    module = words[:1] == ["-m"]
    if module:
        del words[0]
    if not words:
        raise SystemExit(__doc__)
    try:
        cudasim.activate()
    except cudasim.Unavailable as why:
        raise SystemExit(f"cudasim: {why}") from None
    sys.argv = words
    if module:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    main()
