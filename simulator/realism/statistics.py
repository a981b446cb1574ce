"""The arithmetic under the facts: standardising, lagged products, means with honest errors, a likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """A fact's figure; `error` is its standard error (NaN: none), `points` what a plot shows: (x, y) pairs."""

    value: float
    error: float = float("nan")
    points: tuple[tuple[float, float], ...] = ()


def standardised(x: Floats) -> Floats:
    """(x - mean) / sd of each row, over what is finite; NaN for a row that does not vary."""
    seen = np.isfinite(x)
    count = np.maximum(seen.sum(axis=1, keepdims=True), 1)
    centred = x - np.where(seen, x, 0.0).sum(axis=1, keepdims=True) / count
    spread = np.sqrt(np.where(seen, centred**2, 0.0).sum(axis=1, keepdims=True) / count)
    result: Floats = np.divide(centred, spread, out=np.full_like(centred, np.nan), where=spread > 0)
    return result


def minute_of_session(session: Integers) -> Integers:
    """Place of each minute within its session, from 0; `session` is in order."""
    place: Integers = np.arange(session.size) - np.searchsorted(session, session)
    return place


def lagged_product(x: Floats, y: Floats, lag: int, session: Integers) -> float:
    """Mean of x_t y_(t+lag) within sessions, over symbols and times."""
    products = x[:, :-lag] * y[:, lag:]
    products = products[:, session[:-lag] == session[lag:]]
    products = products[np.isfinite(products)]
    return float(products.mean()) if products.size else float("nan")


def mean_over_time(products: Floats, lags: int) -> Estimate:
    """Mean, and its error with Bartlett's weights: var = (g_0 + 2 sum (1 - j/(L+1)) g_j) / n of the mean over symbols."""
    seen = np.isfinite(products)
    kept = seen.any(axis=0)
    if kept.sum() <= 2 * lags:
        return Estimate(float("nan"))
    count = seen.sum(axis=0)[kept].astype(np.float64)
    series = np.where(seen, products, 0.0).sum(axis=0)[kept]
    mean = float(series.sum() / count.sum())
    scatter = (series - mean * count) / count.mean()
    n = scatter.size
    variance = float(np.sum(scatter**2)) / n
    variance += sum(2 * (1 - lag / (lags + 1)) * float(np.sum(scatter[lag:] * scatter[:-lag])) / n for lag in range(1, lags + 1))
    return Estimate(mean, (max(variance, 0.0) / n) ** 0.5)


def weibull_shape(gaps: Floats) -> float:
    """Root c of sum(x^c ln x) / sum(x^c) - 1/c = mean(ln x): the likelihood equation with location 0."""
    from scipy.optimize import brentq  # noqa: PLC0415  # only where it is needed

    x = np.maximum(gaps, 1e-9)
    log = np.log(x / x.max())

    def excess(c: float) -> float:
        power = np.exp(c * log)
        return float(np.sum(power * log) / np.sum(power) - 1.0 / c - np.mean(log))

    # Gaps that are all alike have no shape.
    return float(brentq(excess, 0.01, 100.0)) if excess(0.01) < 0.0 < excess(100.0) else float("nan")
