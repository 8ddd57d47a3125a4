"""Random numbers on the device: which elements dropout keeps, and normal ones."""

import math
from typing import Any

from xpnet.backend.philox import philox_words
from xpnet.backend.reference.arrays import Array, Arrays
from xpnet.random import Key


class Dropout(Arrays):
    def random_words(self, count: int, key: Key, first: int = 0) -> Array:
        """Whole numbers below 2**32 (of any integer type): the Philox stream `key` from number `first` on."""
        return philox_words(self.xp, count, key, self.device, first)

    def dropout_mask(
        self, shape: tuple[int, ...], rate: float, key: Key, dtype: Any = "float32", first: int = 0
    ) -> Array:
        """1 / (1 - rate) where an element is kept, 0 where it is dropped (with probability `rate`).

        Element number i (in C order) is kept if number first + i of the 32-bit numbers of the Philox stream `key` is at
        least rate * 2**32: the same elements on every backend, and of a part of a batch the same as of the whole.
        """
        xp = self.xp
        kept = xp.reshape(self.random_words(math.prod(shape), key, first), shape) >= round(rate * 2**32)
        return xp.astype(kept, self.dtype(dtype)) * (1 / (1 - rate))  # rounded once, alike everywhere

    def normal(self, shape: tuple[int, ...], key: Key, dtype: Any = "float32", first: int = 0) -> Array:
        """Standard normal numbers: number i (in C order) is number first + i of those of the Philox stream `key`.

        Two 32-bit numbers a, b of the stream give two (Box and Muller, 1958): r cos(t) and r sin(t), where
        r = sqrt(-2 log((a + 1) / 2**32)) and t = 2 pi b / 2**32. They are computed in float64, and so are the same on
        every backend, to rounding.
        """
        xp, count = self.xp, math.prod(shape)
        odd = first % 2  # the first of a pair is elsewhere
        pairs = (odd + count + 1) // 2
        words = self.random_words(2 * pairs, key, first - odd)
        a, b = (xp.astype(words[place::2], xp.float64) / 2**32 for place in (0, 1))
        r, t = xp.sqrt(-2 * xp.log(a + 2**-32)), (2 * math.pi) * b
        both = xp.reshape(xp.stack([r * xp.cos(t), r * xp.sin(t)], axis=1), (-1,))[odd : odd + count]
        return xp.astype(xp.reshape(both, shape), self.dtype(dtype))
