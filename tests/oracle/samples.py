"""PyTorch's own lists of samples, which its tests go through. They are imported when asked for: in two seconds."""

import functools
from typing import Any
from unittest.mock import patch


@functools.cache
def module_infos() -> dict[str, Any]:
    """What PyTorch's tests know of its modules of one and two dimensions, by name: "Conv2d"."""
    with _without_numba():
        from torch.testing._internal.common_modules import module_db
    return {info.name.removeprefix("nn."): info for info in module_db if "3d" not in info.name}


@functools.cache
def optimizer_infos() -> dict[str, Any]:
    """The same of its optimizers: "Adam"."""
    with _without_numba():
        from torch.testing._internal.common_optimizers import optim_db
    return {info.name: info for info in optim_db}


def _without_numba() -> Any:
    """Nothing here needs it, and to look for a GPU with it fails where a stand-in is in the GPU's place."""
    from torch.testing._internal import common_utils

    return patch.object(common_utils, "TEST_NUMBA", False)
