"""Bad ticks: a price that is off by a large factor, or a quote whose bid is above its ask."""

from __future__ import annotations

from typing import Annotated, final

import numpy as np
from pydantic import Field

from simulator.faults.base import Fault, FaultParameters, Setting, Share
from simulator.faults.records import Records


class BadTickParameters(FaultParameters):
    """`conf/faults/bad_tick.yaml`."""

    factor: Annotated[int, Field(ge=2, le=10_000)]
    crossed: Share


@final
class BadTick(Fault):
    """Multiplies or divides the price by `factor`, each for half of the records; a share `crossed` swaps bid and ask instead."""

    def __init__(self, name: str, number: int, parameters: BadTickParameters, setting: Setting) -> None:
        super().__init__(name, number, parameters, setting)
        self._parameters = parameters
        self._draw_way, self._draw_crossed = self.chance("way"), self.chance("crossed")

    def apply(self, records: Records) -> Records:  # noqa: D102  # inherited
        hit = self.hits(records)
        bad = records.take(hit)
        price, factor = bad.events.price, self._parameters.factor
        up = self._draw_way.below(bad, 0.5) | (price == 1)  # what cannot get smaller gets larger
        wrong = np.where(up, price * factor, np.maximum(price // factor, 1))
        quotes = bad.events.quotes
        if quotes is None:
            return records.struck(hit, self.number, price=wrong)
        crossed = self._draw_crossed.below(bad, self._parameters.crossed)
        bid, ask = np.where(crossed, quotes.ask, quotes.bid), np.where(crossed, quotes.bid, quotes.ask)
        return records.struck(hit, self.number, price=np.where(crossed, price, wrong), bid=bid, ask=ask)
