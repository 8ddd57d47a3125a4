"""What has decayed to nothing counts as 0."""

from xpnet.backend.reference.arrays import Array, Arrays


class Fading(Arrays):
    def forget(self, x: Array, least: float) -> None:
        """x = 0 where |x| < least, in place; a NaN stays.

        A running mean of gradients that have become zero is multiplied by a number such as 0.9 in each step. It ends
        among the denormals, with which a processor takes several times as long, and stays there: 0.9 of the smallest is
        rounded to itself. Optimizers call this every 64 steps (optimizers/fading.py).
        """
        x[...] = self.xp.where(self.xp.abs(x) < least, 0, x)
