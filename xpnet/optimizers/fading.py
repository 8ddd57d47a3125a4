"""From where on the moments of entries that get no gradient any more count as 0.

In each step such a moment is multiplied by its beta, until it is a denormal, and there it stays: 0.9 of the smallest is
rounded to itself. Where many units are dead, a step of Adam takes two to three times as long by that. So after the
steps 64, 128, ... of a parameter its moments below a limit become exactly 0, on every backend. The count is that of its
state and saved with it: a training that was resumed has the same bits. On the way from a limit to the denormals a beta
of 0.77 or more takes longer than 64 steps; a smaller one is among them for less than 64 steps.

The limits are such that no weight notices:

- A mean m moves a weight by some lr m / eps, with SGD by lr m. The limit is 1e-30 in float32, which is 1e-22 lr with
  the usual eps of 1e-8, and with a smaller eps 1e-22 eps; in float64, whose denormals begin at 2e-308 and in which
  gradients of 1e-40 may be meant, 1e-290. Lion alone takes the sign of m, however small: an entry that has had no
  gradient for thousands of steps stops, where it went on before, at last by the sign of a denormal.
- Of a mean of squares v the root is added to eps. Below 1e-9 eps (1e-18 eps in float64) it is lost in rounding beside
  it, without its bias too: the step has the same bits. The limit is the square of that, 1e-34 in float32 with the usual
  eps. With an eps as small as 1e-16, beside which roots count, it is below all numbers: nothing is forgotten.
"""

EVERY = 64
LIMITS = {"float32": 1e-30, "float64": 1e-290}
ROUNDED = {"float32": 1e-9, "float64": 1e-18}  # beside 1
UNSEEN = 1e-22


def mean_limit(dtype: str, eps: float = 1.0) -> float:
    """Below which a running mean of gradients counts as 0; without `eps` for one that is not divided."""
    return min(LIMITS[dtype], UNSEEN * eps)


def squares_limit(dtype: str, eps: float) -> float:
    """Below which a running mean of squares counts as 0."""
    return min(LIMITS[dtype], (ROUNDED[dtype] * eps) ** 2)


def moment_limits(dtype: str, eps: float) -> dict[str, float]:
    """Those of Adam's state."""
    return {"mean": mean_limit(dtype, eps), "squares": squares_limit(dtype, eps)}
