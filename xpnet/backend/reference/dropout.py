"""Which elements dropout keeps."""

import math
from typing import Any

from xpnet.backend.philox import philox_words
from xpnet.backend.reference.arrays import Array, Arrays
from xpnet.random import Key


class Dropout(Arrays):
    def dropout_mask(
        self, shape: tuple[int, ...], rate: float, key: Key, dtype: Any = "float32", first: int = 0
    ) -> Array:
        """1 / (1 - rate) where an element is kept, 0 where it is dropped (with probability `rate`).

        Element number i (in C order) is kept if number first + i of the 32-bit numbers of the Philox stream `key` is at
        least rate * 2**32: the same elements on every backend, and of a part of a batch the same as of the whole.
        """
        xp = self.xp
        words = philox_words(xp, math.prod(shape), key, self.device, first)  # int64 (count,), values below 2**32
        kept = xp.reshape(words, shape) >= round(rate * 2**32)
        return xp.astype(kept, self.dtype(dtype)) * (1 / (1 - rate))  # rounded once, alike everywhere
