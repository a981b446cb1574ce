"""Further records of an event, each right after the one that it copies: the order of the market is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulator.faults.records import Mask, Records, joined


def with_copies(records: Records, hit: Mask, copies: Records) -> Records:
    """The records, and after each that is hit its copy."""
    if not len(copies):
        return records
    all_copies = replace(copies, repeated=np.ones(len(copies), dtype=np.bool_))
    records = replace(records, repeated=records.repeated | hit)
    places = np.concatenate([np.arange(len(records)), np.flatnonzero(hit)])
    return joined([records, all_copies]).take(np.argsort(places, kind="stable"))
