"""Imported first: this folder goes behind the standard library, which has a module `profile` too, and imports it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:] = [*(path for path in sys.path if Path(path).resolve() != HERE), str(HERE)]
