"""Andersen's quadratic-exponential scheme for the square-root variance dv = kappa (theta - v) dt + eps sqrt(v) dB.

Given v, the next variance v' has the mean m = theta + (v - theta) exp(-kappa dt) and the variance
s^2 = v eps^2 E (1 - E)/kappa + theta eps^2 (1 - E)^2/(2 kappa), E = exp(-kappa dt): both exact. With psi = s^2/m^2:

- psi <= 1.5: v' = a (b + Z)^2, b^2 = 2/psi - 1 + sqrt(2/psi (2/psi - 1)), a = m/(1 + b^2);
- psi > 1.5: v' = 0 with probability p = (psi - 1)/(psi + 1), else exponential with the mean m/(1 - p).

In what follows x = 2/psi, so that 1 + b^2 = x + sqrt(x (x - 1)) and m/(1 - p) = m (1/x + 1/2).

Source: Andersen, Simple and efficient simulation of the Heston stochastic volatility model, J. Computational Finance 11 (2008),
sections 3.2 and 4.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.market.exact import each, exponential, exponential_less_one, logarithm_of

Floats = NDArray[np.float64]

_LIMIT = 2.0 / 1.5  # of x: below it the variance is exponential
LONGEST_REACH = 5.0 / 3.0
"""The mean of the exponential, and twice `a`, are at most this times `slope` (see `transition`), whatever the variance is."""


class Shocks(NamedTuple):
    """Draws of each step and symbol, shape (steps, symbols): all are there whichever branch a step takes."""

    normal: Floats
    uniform: Floats
    exponential: Floats


class Stretch(NamedTuple):
    """Variances at the steps' beginnings and ends, and what their laws were; shape (steps, symbols)."""

    before: Floats
    after: Floats
    mean: Floats
    x: Floats
    spread: Floats
    """1 + b^2, where x is no less than the limit."""


def transition(reversion: Floats, mean: Floats, eps: Floats, dt: float) -> dict[str, Floats]:
    """M = decay v + base and s^2/2 = slope m + offset, over `dt` years."""
    decay = each(exponential, -reversion * dt)
    lost = -each(exponential_less_one, -reversion * dt)
    slope = eps * eps * lost / reversion / 2.0
    return {"decay": decay, "base": mean * lost, "slope": slope, "offset": -slope * mean * lost / 2.0}


def variances(opening: Floats, shocks: Shocks, coefficients: Mapping[str, Floats]) -> Stretch:
    """The variance after each step, from an opening one of shape (symbols,). Coefficients have the shape (steps, symbols)."""
    shape = shocks.normal.shape
    mean, x, spread = (np.empty(shape) for _ in range(3))
    before = np.empty((shape[0] + 1, shape[1]))
    before[0] = opening
    held, root, low = np.empty(shape[1]), np.empty(shape[1]), np.empty(shape[1], dtype=np.bool_)
    rows = zip(*(coefficients[name] for name in ("decay", "base", "slope", "offset")), *shocks, strict=True)
    for step, (decay, base, slope, offset, normal, uniform, exponential_draw) in enumerate(rows):
        m, ratio, one_and_square, after = mean[step], x[step], spread[step], before[step + 1]
        np.multiply(before[step], decay, out=m)
        np.add(m, base, out=m)
        np.multiply(m, slope, out=held)
        np.add(held, offset, out=held)
        np.multiply(m, m, out=ratio)
        np.divide(ratio, held, out=ratio)
        np.maximum(ratio, _LIMIT, out=held)
        np.subtract(held, 1.0, out=root)
        np.multiply(root, held, out=root)
        np.sqrt(root, out=root)
        np.add(held, root, out=one_and_square)
        np.subtract(one_and_square, 1.0, out=root)
        np.sqrt(root, out=root)
        np.add(root, normal, out=root)
        np.multiply(root, root, out=root)
        np.multiply(root, m, out=root)
        np.divide(root, one_and_square, out=after)
        np.less(ratio, _LIMIT, out=low)
        if np.count_nonzero(low):
            few = np.flatnonzero(low)
            r = ratio[few]
            at_zero = uniform[few] * (2.0 + r) <= 2.0 - r
            after[few] = np.where(at_zero, 0.0, exponential_draw[few] * (m[few] * (1.0 / r + 0.5)))
    return Stretch(before[:-1], before[1:], mean, x, spread)


def log_moment(stretch: Stretch, exponent: Floats) -> Floats:
    """Ln E[exp(A v')] of each step for an exponent A of shape (steps, symbols).

    A a b^2/(1 - 2 A a) - ln(1 - 2 A a)/2, or ln(p + (1 - p)/(1 - A m/(1 - p))): finite if A times `LONGEST_REACH` times the
    slope is below 1.
    """
    reach = exponent * stretch.mean / stretch.spread  # A a
    left = 1.0 - 2.0 * reach
    low = np.nonzero(stretch.x < _LIMIT)
    x = stretch.x[low]
    share = 2.0 * x / (2.0 + x)  # 1 - p
    left[low] = 1.0 - share + share / (1.0 - exponent[low] * stretch.mean[low] * (1.0 / x + 0.5))
    logarithm = logarithm_of(left)
    moment: Floats = reach * (stretch.spread - 1.0) / left - 0.5 * logarithm
    moment[low] = logarithm[low]
    return moment
