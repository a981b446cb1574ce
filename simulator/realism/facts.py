"""One function a stylised fact, over returns r of shape (symbols, minutes) with NaN where there is none.

Returns and volumes are standardised by symbol, then pooled. Standard errors take the mean over symbols at each time as one
observation (symbols may share a factor) and allow for autocorrelation (Newey and West 1987).
"""

from __future__ import annotations

import numpy as np

from simulator.realism.statistics import (
    Estimate,
    Floats,
    Integers,
    lagged_product,
    mean_over_time,
    minute_of_session,
    standardised,
    weibull_shape,
)

LAGS = np.arange(10, 201)
LAG_BINS = 12
LEVERAGE_LAGS = 30
AGGREGATIONS = (1, 5, 30)
TAIL_FRACTIONS = (0.01, 0.02, 0.03, 0.04, 0.05)
# An intraday shape seen on fewer days cannot be told from the clustering that it is to be divided out of.
SHAPE_SESSIONS = 3
GAP_BATCHES = 20


def no_autocorrelation(r: Floats) -> Estimate:
    """corr(r_t, r_(t+1)) of one-minute log returns (Cont 2001)."""
    z = standardised(r)
    return mean_over_time(z[:, :-1] * z[:, 1:], 1)


def heavy_tails(r: Floats, session: Integers) -> Estimate:
    """Excess kurtosis E[z^4] / E[z^2]^2 - 3, z = r / sd(symbol): `value` at one minute, `points` at 1, 5, 30 min (Cont 2001)."""
    z = standardised(r)
    points: list[tuple[float, float]] = []
    if not session.size:
        return Estimate(float("nan"), points=((1.0, float("nan")),))
    for minutes in AGGREGATIONS:
        sums = np.concatenate([_sums(z[:, session == day], minutes) for day in np.unique(session)], axis=1)
        sums = sums[np.isfinite(sums)]
        spread = np.mean(sums**2) ** 2 if sums.size else np.nan
        points.append((float(minutes), float(np.mean(sums**4) / spread - 3.0) if spread > 0 else float("nan")))
    return Estimate(points[0][1], points=tuple(points))


def tail_index(r: Floats) -> Estimate:
    """Hill's estimate 1 / mean(ln(x_(i) / x_(k+1)), i <= k) of |z|, the mean over the top 1 to 5 % (Gopikrishnan 1999)."""
    x = np.sort(np.abs(standardised(r)[np.isfinite(r)]))[::-1]
    points = []
    for fraction in TAIL_FRACTIONS:
        k = int(fraction * x.size)
        if k < 10 or x[k] <= 0:  # noqa: PLR2004  # no tail to speak of
            return Estimate(float("nan"))
        points.append((fraction, 1.0 / float(np.mean(np.log(x[:k] / x[k])))))
    return Estimate(float(np.mean([y for _, y in points])), points=tuple(points))


def intraday_shape(r: Floats, session: Integers) -> Floats | None:
    """Mean |z| of each minute of the session over symbols and days, over its own mean; None with fewer than three sessions."""
    if np.unique(session).size < SHAPE_SESSIONS:
        return None
    size, minute = np.abs(standardised(r)), minute_of_session(session)
    shape = np.ones(minute.max() + 1)
    for place in range(shape.size):
        seen = size[:, minute == place]
        seen = seen[np.isfinite(seen)]
        shape[place] = seen.mean() if seen.size and seen.mean() > 0 else 1.0
    relative: Floats = shape / shape.mean()
    return relative


def volatility_clustering(r: Floats, session: Integers) -> Estimate:
    """Slope b of ln acf(|r|, lag) = a + b ln(lag) over lags of 10 to 200 min (Cont 2001: -0.2 to -0.4).

    The intraday shape is divided out. The acf is averaged over symbols, then over 12 bins of equal width in ln(lag), both
    before the logarithm. A bin that is not positive gives NaN: there is no clustering to have a slope.
    """
    shape = intraday_shape(r, session)
    size = np.abs(standardised(r)) if shape is None else np.abs(standardised(r)) / shape[minute_of_session(session)]
    x = standardised(size)
    acf = np.array([lagged_product(x, x, lag, session) for lag in LAGS.tolist()])
    bins = np.minimum((np.log(LAGS / LAGS[0]) / np.log(LAGS[-1] / LAGS[0]) * LAG_BINS).astype(np.int64), LAG_BINS - 1)
    pairs = [(float(np.exp(np.mean(np.log(LAGS[bins == n])))), float(np.mean(acf[bins == n]))) for n in range(LAG_BINS)]
    lags, levels = np.array(pairs).T
    if not np.all(levels > 0):
        return Estimate(float("nan"), points=tuple(pairs))
    return Estimate(float(np.polyfit(np.log(lags), np.log(levels), 1)[0]), points=tuple(pairs))


def leverage(r: Floats, session: Integers) -> Estimate:
    """Mean over tau = 1 .. 30 min of corr(r_t, r_(t+tau)^2) (Bouchaud 2001); returns come before volatility, so below 0."""
    z, w = standardised(r), standardised(r * r)
    ahead, seen = np.zeros_like(z), np.zeros_like(z)
    points = []
    for lag in range(1, LEVERAGE_LAGS + 1):
        pair = (session[lag:] == session[:-lag]) & np.isfinite(w[:, lag:])
        ahead[:, :-lag] += np.where(pair, w[:, lag:], 0.0)
        seen[:, :-lag] += pair
        points.append((float(lag), lagged_product(z, w, lag, session)))
    with np.errstate(invalid="ignore"):
        mean = mean_over_time(np.where(seen > 0, z * (ahead / seen), np.nan), LEVERAGE_LAGS)
    return Estimate(mean.value, mean.error, tuple(points))


def volume_volatility(r: Floats, volume: Floats) -> Estimate:
    """corr(V_t, |r_t|) over the minutes in which the symbol traded (Cont 2001)."""
    traded = np.isfinite(r) & (volume > 0)
    v, size = standardised(np.where(traded, volume, np.nan)), standardised(np.where(traded, np.abs(r), np.nan))
    return mean_over_time(v * size, LEVERAGE_LAGS)


def interarrivals(gaps: Floats) -> Estimate:
    """Maximum-likelihood shape c of a Weibull law F(x) = 1 - exp(-(x/b)^c) of the seconds between trades (cond-mat/0403662).

    Poisson arrivals have c = 1. The error comes from the scatter over 20 stretches of the sample: gaps may be dependent.
    """
    if gaps.size < 100 * GAP_BATCHES:
        return Estimate(float("nan"))
    shapes = [weibull_shape(part) for part in np.array_split(gaps, GAP_BATCHES)]
    return Estimate(weibull_shape(gaps), float(np.std(shapes, ddof=1)) / GAP_BATCHES**0.5)


def _sums(z: Floats, minutes: int) -> Floats:
    z = z[:, 1:]  # a session's first minute has no return
    whole = z.shape[1] // minutes
    totals: Floats = z[:, : whole * minutes].reshape(z.shape[0], whole, minutes).sum(axis=2)
    return totals
