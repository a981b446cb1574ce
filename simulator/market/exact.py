"""Elementary functions whose bits do not depend on the machine.

`math.exp` and `np.exp` may differ in the last bit from one C library or SIMD level to the next. Here scalars go through
`decimal`, which rounds correctly, and arrays through a table and a polynomial of IEEE products and sums only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Context, Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FRACTION_BITS = 40
"""Log prices are int64 multiples of 2**-40: sums are associative, so that batches do not matter."""

_TABLE_BITS = 10
_LOGARITHM_PARTS = 256
_CONTEXT = Context(prec=40)
# ln 2 in two parts: the first has few enough bits for its product with an exponent to be exact.
_LN2_HIGH = 45426 / 65536
_LN2_LOW = float(_CONTEXT.subtract(_CONTEXT.ln(Decimal(2)), Decimal(_LN2_HIGH)))
_HALF_ROOT = math.sqrt(0.5)
# exp(+-64) is a price ratio of 6e27; beyond it a price is no price any more.
_LIMIT = 64


def exponential(value: float) -> float:
    """exp(value), correctly rounded."""
    return float(_CONTEXT.exp(Decimal(value)))


def logarithm(value: float) -> float:
    """ln(value) for value > 0, correctly rounded."""
    return float(_CONTEXT.ln(Decimal(value)))


def exponential_less_one(value: float) -> float:
    """exp(value) - 1, correctly rounded also where the value is near 0."""
    return float(_CONTEXT.subtract(_CONTEXT.exp(Decimal(value)), 1))


def each(function: Callable[[float], float], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A scalar function of every element; equal elements are computed once."""
    distinct, places = np.unique(values, return_inverse=True)
    results = np.array([function(value) for value in distinct.tolist()], dtype=np.float64)
    return results[places].reshape(values.shape)


def zipf_shares(count: int, exponent: float) -> list[float]:
    """Zipf's law: shares in proportion to n^-exponent for n = 1, …, count; they sum to 1."""
    weights = [exponential(-exponent * logarithm(number)) for number in range(1, count + 1)]
    total = math.fsum(weights)
    return [weight / total for weight in weights]


def decimal_places(value: float) -> int:
    """How many digits behind the point the shortest decimal number has that is this double."""
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def fixed_point(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Values as int64 multiples of 2**-40, rounded half to even; |value| < 2**22."""
    return np.rint(values * float(1 << FRACTION_BITS)).astype(np.int64)


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    whole = np.array([exponential(number) for number in range(-_LIMIT, _LIMIT + 1)])
    part = np.array([exponential(number / (1 << _TABLE_BITS)) for number in range(1 << _TABLE_BITS)])
    return whole, part


def exponential_of_fixed_point(values: NDArray[np.int64]) -> NDArray[np.float64]:
    """exp(values * 2**-40), to about 2 units in the last place and the same bits everywhere.

    The argument is cut in an integer, a multiple of 2**-10 and a rest r below 2**-10; the first two are looked up and
    exp(r) is its Taylor polynomial of degree 4 (remainder below 1e-17). Arguments beyond +-64 are held there.
    """
    whole_table, part_table = _tables()
    held = np.clip(values, -_LIMIT << FRACTION_BITS, _LIMIT << FRACTION_BITS)
    whole = whole_table[(held >> FRACTION_BITS) + _LIMIT]
    rest_bits = FRACTION_BITS - _TABLE_BITS
    part = part_table[(held >> rest_bits) & ((1 << _TABLE_BITS) - 1)]
    r = (held & ((1 << rest_bits) - 1)).astype(np.float64) * 2.0**-FRACTION_BITS
    polynomial = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0))))
    product: NDArray[np.float64] = whole * part * polynomial
    return product


@lru_cache(maxsize=1)
def _logarithms() -> NDArray[np.float64]:
    """ln(n / 256) for n from 128 on, as far as sqrt(2) 256."""
    return np.array([logarithm(number / _LOGARITHM_PARTS) for number in range(_LOGARITHM_PARTS // 2, 364)])


def logarithm_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln(values) for finite values > 0, to about 1 unit in the last place, and the same bits everywhere.

    The value is 2^e m with m from sqrt(1/2) to sqrt(2), and m is near c, a multiple of 1/256: ln m = ln c + 2 artanh(z) with
    z = (m - c) / (m + c), |z| < 0.0014; ln c is looked up and artanh(z) is its series to z^5 (remainder below 1e-18 z).
    """
    if np.all(np.abs(values - 1.0) < 0.5 / _LOGARITHM_PARTS):
        return _twice_artanh((values - 1.0) / (values + 1.0))  # the same bits: c = 1, e = 0
    mantissa, exponent = np.frexp(values)
    low = mantissa < _HALF_ROOT
    mantissa = np.where(low, 2.0 * mantissa, mantissa)
    binary = (exponent - low).astype(np.float64)
    parts = np.rint(mantissa * _LOGARITHM_PARTS)
    near = parts * (1.0 / _LOGARITHM_PARTS)
    series = _twice_artanh((mantissa - near) / (mantissa + near))
    table = _logarithms()[parts.astype(np.int64) - _LOGARITHM_PARTS // 2]
    result: NDArray[np.float64] = (binary * _LN2_HIGH + table) + (series + binary * _LN2_LOW)
    return result


def _twice_artanh(z: NDArray[np.float64]) -> NDArray[np.float64]:
    square = z * z
    result = square * (2.0 / 5.0)
    result += 2.0 / 3.0
    result *= square
    result += 2.0
    result *= z
    return result
