"""Imported first: this folder goes behind the standard library, which has a module `profile` too, and imports it."""

import sys
from pathlib import Path

HERE = str(Path(__file__).parent)
sys.path[:] = [*(path for path in sys.path if path != HERE), HERE]
