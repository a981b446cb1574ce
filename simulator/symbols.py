"""`conf/symbols`: what is traded, and each symbol's share of the events."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from simulator.parameters import Name, Parameters, Positive

# Weights are written with few digits; their sum is not 1 to the last bit.
WEIGHT_TOLERANCE = 1e-9
_MOST, _LONGEST = 100_000, 256
# One conversion, of a width that needs no more than a name's length, and else nothing but text.
_PATTERN = re.compile(r"(?:[^%]|%%)*%[-+ 0#]*\d{0,3}(?:\.\d{1,3})?[dixXo](?:[^%]|%%)*", re.DOTALL)


class Ticker(Parameters):
    """What sets one named symbol apart; a key left out takes the group's value."""

    price: Positive | None = None
    tick_size: Positive | None = None
    mean_volume: Annotated[float, Field(ge=1, le=1e12)] | None = None
    weight: Annotated[float, Field(gt=0, le=1)] | None = None
    rate: Annotated[float, Field(ge=1e-6, le=100_000_000)] | None = None


class TickBand(Parameters):
    """A tick that holds from a price on."""

    price: Annotated[float, Field(ge=0, le=1e12)]
    tick_size: Annotated[float, Field(gt=0, le=1e12)]


class Weights(Parameters):
    """How the market's events are shared among symbols that have no weight of their own."""

    kind: Literal["equal", "zipf"]
    exponent: Annotated[float, Field(ge=0, le=10)]


class Symbols(Parameters):
    """`conf/symbols`: patterned symbols and tickers by name."""

    count: Annotated[int, Field(ge=0, le=_MOST)]
    pattern: Annotated[str, Field(max_length=_LONGEST)]
    price: Positive
    tick_size: Positive
    mean_volume: Annotated[float, Field(ge=1, le=1e12)]
    lot_size: Annotated[int, Field(ge=1, le=1_000_000)]
    tick_bands: list[TickBand]
    weights: Weights
    tickers: dict[Name, Ticker]

    @field_validator("pattern")
    @classmethod
    def _formats_a_number(cls, pattern: str) -> str:
        if not _PATTERN.fullmatch(pattern):
            raise ValueError("must hold one printf conversion of an integer, as SYM%03d does")
        if len(pattern % _MOST) > _LONGEST:
            raise ValueError(f"must give names of {_LONGEST} characters at most")
        return pattern

    @field_validator("tickers")
    @classmethod
    def _share_the_market(cls, tickers: dict[str, Ticker], info: ValidationInfo) -> dict[str, Ticker]:
        count = info.data.get("count", 0) + len(tickers)
        if "count" in info.data and count == 0:
            raise ValueError("needs at least one symbol here when symbols.count=0")
        weights = [ticker.weight for ticker in tickers.values() if ticker.weight is not None]
        rates = [ticker.rate for ticker in tickers.values() if ticker.rate is not None]
        for name, given in (("weight", weights), ("rate", rates)):
            if given and len(given) < count:
                raise ValueError(f"{len(given)} of {count} symbols have a {name}; give all of them one, or none")
        if weights and rates:
            raise ValueError("symbols have weights and rates; give one of the two")
        if weights and not math.isclose(math.fsum(weights), 1.0, abs_tol=WEIGHT_TOLERANCE):
            raise ValueError(f"the weights sum to {math.fsum(weights):.12g}; they must sum to 1")
        return tickers


def symbol_names(symbols: Symbols) -> list[str]:
    """All names of the market, in order: the patterned ones, then the tickers."""
    return [symbols.pattern % number for number in range(symbols.count)] + list(symbols.tickers)
