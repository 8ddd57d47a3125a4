"""The list of deliberate errors, a file for the rooms of each kind; `python -m tests.kit.mutants` plants them."""

from itertools import chain

from tests.kit.mutants import (
    of_callbacks,
    of_compiled,
    of_core,
    of_cpu,
    of_cpu_plans,
    of_cuda,
    of_data,
    of_files,
    of_layers,
    of_losses,
    of_networks,
    of_optimizers,
    of_reference,
    of_shards,
    of_tools,
    of_training,
)
from tests.kit.mutants.mutant import Mutant

__all__ = ["MUTANTS", "Mutant"]

ROOMS = (
    of_reference, of_cpu, of_cpu_plans, of_compiled, of_cuda, of_layers, of_core, of_losses, of_optimizers, of_training,
    of_callbacks, of_files, of_data, of_networks, of_tools, of_shards,
)  # fmt: skip
MUTANTS: list[Mutant] = list(chain.from_iterable(room.MUTANTS for room in ROOMS))
