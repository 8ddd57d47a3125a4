"""In the place of cupy.random._generator_api, whose own CUDA runtime would give memory that was never written."""

from typing import Any


class Generator:
    """Ends with an error that says why: nothing of xpnet uses CuPy's generator, which runs in cuRAND's kernels, and
    numbers that are not random would be worse than none.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        raise NotImplementedError("cupy.random.Generator needs cuRAND on the device, which the stand-in does not have")


FeistelBijection = init_curand = Generator
