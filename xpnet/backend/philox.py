"""Philox4x64-10, the counter-based random generator, in array API code that runs on any namespace.

Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011). The numbers are those of
`numpy.random.Philox(key=key)`. All arithmetic is on int64, whose wrap-around gives the same 64 bits as uint64 and
which, unlike uint64, every namespace can multiply and shift.
"""

from typing import Any

from xpnet.random import Key

ROUNDS = 10
MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
KEY_STEPS = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)  # the golden ratio and sqrt(3) - 1
LOW = 0xFFFFFFFF


def signed(value: int) -> int:
    """The int64 with the same 64 bits."""
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def multiply(multiplier: int, x: Any) -> tuple[Any, Any]:
    """The high and the low 64 bits of the 128-bit product, from products of 32-bit halves."""
    m1, m0 = multiplier >> 32, multiplier & LOW
    x1, x0 = (x >> 32) & LOW, x & LOW
    low = x * signed(multiplier)
    middle = x1 * m0 + (((x0 * m0) >> 32) & LOW)  # may pass 2**63, never 2**64: the bits are right
    carry = x0 * m1 + (middle & LOW)
    high = x1 * m1 + ((middle >> 32) & LOW) + ((carry >> 32) & LOW)
    return high, low


def philox_words(xp: Any, count: int, key: Key, device: Any = None, first: int = 0) -> Any:
    """`count` 32-bit numbers of the stream from number `first` on, as int64: low half first of each 64-bit word."""
    skipped, within = divmod(first, 8)  # a counter gives four 64-bit words
    blocks = -(-(within + count) // 8)
    # NumPy counts from 1: it increments before it draws.
    x0 = xp.arange(skipped + 1, skipped + blocks + 1, dtype=xp.int64, device=device)
    x1 = x2 = x3 = xp.zeros_like(x0)
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = multiply(MULTIPLIERS[0], x0)
        high1, low1 = multiply(MULTIPLIERS[1], x2)
        x0, x1, x2, x3 = high1 ^ x1 ^ signed(k0), low1, high0 ^ x3 ^ signed(k1), low0
        k0, k1 = k0 + KEY_STEPS[0], k1 + KEY_STEPS[1]
    words = xp.stack([x0, x1, x2, x3], axis=1)  # (blocks, 4)
    halves = xp.stack([words & LOW, (words >> 32) & LOW], axis=2)  # (blocks, 4, 2)
    return xp.reshape(halves, (-1,))[within : within + count]
