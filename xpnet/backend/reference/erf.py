"""The error function, which is neither in NumPy nor in the array API standard."""

from typing import Any

# Rational approximations of W. J. Cody, "Rational Chebyshev approximations for the error function" (1969), highest
# power first: erf(x) = x NEAR(x^2) up to CHANGE, 1 - exp(-x^2) FAR(x) beyond. The latter is made for x up to 4; from
# there to END, where erf(x) is 1 to the last bit, its error is multiplied by less than 2e-8.
NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2, 3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)
FAR = (
    (
        2.15311535474403846e-8,
        5.64188496988670089e-1,
        8.88314979438837594,
        6.61191906371416295e1,
        2.98635138197400131e2,
        8.81952221241769090e2,
        1.71204761263407058e3,
        2.05107837782607147e3,
        1.23033935479799725e3,
    ),
    (
        1.0,
        1.57449261107098347e1,
        1.17693950891312499e2,
        5.37181101862009858e2,
        1.62138957456669019e3,
        3.29079923573345963e3,
        4.36261909014324716e3,
        3.43936767414372164e3,
        1.23033935480374942e3,
    ),
)
CHANGE, END = 0.46875, 6.0


def erf(xp: Any, x: Any) -> Any:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x, of each entry, to 1e-15 and near 0 to rounding."""
    size = xp.clip(xp.abs(x), 0.0, END)
    near = x * _ratio(NEAR, xp.clip(size, 0.0, CHANGE) ** 2)
    far = xp.sign(x) * (1 - xp.exp(-(size * size)) * _ratio(FAR, size))
    return xp.where(size < CHANGE, near, far)


def _ratio(polynomials: tuple[tuple[float, ...], tuple[float, ...]], x: Any) -> Any:
    above, below = (_horner(coefficients, x) for coefficients in polynomials)
    return above / below


def _horner(coefficients: tuple[float, ...], x: Any) -> Any:
    """The polynomial with these coefficients, that of the highest power first."""
    first, second, *others = coefficients
    value = first * x + second
    for coefficient in others:
        value = value * x + coefficient
    return value
