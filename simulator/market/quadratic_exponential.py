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
    """Draws of each symbol and step: all are there whichever branch a step takes."""

    normal: Floats
    """Standard normal, shape (steps, symbols)."""
    uniform: Floats
    """Uniform on [0, 1), shape (symbols, steps)."""
    exponential: Floats
    """Exponential with the mean 1, shape (symbols, steps)."""


class Variances(NamedTuple):
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


def variances(opening: Floats, shocks: Shocks, coefficients: Mapping[str, Floats]) -> Variances:
    """The variance after each step, from an opening one of shape (symbols,). Coefficients have the shape (steps, symbols)."""
    steps, symbols = shocks.normal.shape
    mean, x, spread = (np.empty((steps, symbols)) for _ in range(3))
    path = np.empty((steps + 1, symbols))
    path[0] = opening
    half, root, low = np.empty(symbols), np.empty(symbols), np.empty(symbols, dtype=np.bool_)
    multiply, add, subtract, divide, sqrt = np.multiply, np.add, np.subtract, np.divide, np.sqrt
    given = (coefficients[name] for name in ("decay", "base", "slope", "offset"))
    rows = zip(path[:-1], path[1:], mean, x, spread, *given, shocks.normal, strict=True)
    # A market has few symbols and many steps: what counts is the number of calls.
    for step, (v, after, m, ratio, one_and_square, decay, base, slope, offset, normal) in enumerate(rows):
        multiply(v, decay, m)
        add(m, base, m)
        multiply(m, slope, half)
        half += offset
        multiply(m, m, ratio)
        divide(ratio, half, ratio)
        np.less(ratio, _LIMIT, low)
        few = np.flatnonzero(low) if np.count_nonzero(low) else None
        held = ratio if few is None else np.maximum(ratio, _LIMIT)
        subtract(held, 1.0, root)
        root *= held
        sqrt(root, root)
        add(held, root, one_and_square)
        subtract(one_and_square, 1.0, root)
        sqrt(root, root)
        root += normal
        root *= root
        root *= m
        divide(root, one_and_square, after)
        if few is not None:
            r = ratio[few]
            at_zero = shocks.uniform[few, step] * (2.0 + r) <= 2.0 - r
            after[few] = np.where(at_zero, 0.0, shocks.exponential[few, step] * (m[few] * (1.0 / r + 0.5)))
    return Variances(path[:-1], path[1:], mean, x, spread)


def log_moment(stretch: Variances, exponent: Floats) -> Floats:
    """Ln E[exp(A v')] of each step for an exponent A of shape (steps, symbols).

    A a b^2/(1 - 2 A a) - ln(1 - 2 A a)/2, or ln(p + (1 - p)/(1 - A m/(1 - p))): finite if A times `LONGEST_REACH` times the
    slope is below 1.
    """
    reach = exponent * stretch.mean
    reach /= stretch.spread  # A a
    left = 1.0 - 2.0 * reach
    moment = stretch.spread - 1.0
    moment *= reach
    moment /= left
    moment -= 0.5 * logarithm_of(left)
    low = np.nonzero(stretch.x < _LIMIT)
    if low[0].size:
        x = stretch.x[low]
        share = 2.0 * x / (2.0 + x)  # 1 - p
        reach = exponent[low] * stretch.mean[low] * (1.0 / x + 0.5)
        moment[low] = logarithm_of(1.0 - share + share / (1.0 - reach))
    return moment
