"""`mode=sample`: the first events as JSON lines on stdout, each validated against its schema unless a fault damaged it."""

from __future__ import annotations

import json
import os
import sys

import jsonschema

from simulator.encode.payload import Payloads
from simulator.errors import EXIT_OK
from simulator.faults.stream import records_of
from simulator.modes.context import Context, first_instant


def run(context: Context) -> int:
    """Print the events; a reader that has enough (`| head`) ends it quietly."""
    plan = context.compile()
    validator = jsonschema.Draft202012Validator(plan.event.json_schema)
    start, left = first_instant(plan), context.specification.events
    payloads = Payloads(plan, start)
    try:
        for block in records_of(plan, start, min(left, 10_000)):
            records = block.present.take(slice(0, left))
            for line, damage in zip(payloads.lines(records), records.damage.tolist(), strict=True):
                if not damage:
                    validator.validate(json.loads(line))
                sys.stdout.buffer.write(line + b"\n")
            left -= len(records)
            if left == 0:
                break
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Python would complain once more when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_OK
