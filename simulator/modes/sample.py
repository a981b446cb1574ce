"""`mode=sample`: the first events as JSON lines on stdout, each validated against the event's JSON Schema."""

from __future__ import annotations

import json
import os
import sys

import jsonschema

from simulator.encode.json import encode
from simulator.errors import EXIT_OK
from simulator.market.stream import events_of
from simulator.modes.context import Context, first_instant


def run(context: Context) -> int:
    """Print the events; a reader that has enough (`| head`) ends it quietly."""
    plan = context.compile()
    validator = jsonschema.Draft202012Validator(plan.event.json_schema)
    start, left = first_instant(plan), context.specification.events
    try:
        for events in events_of(plan, min(left, 10_000)):
            for line in encode(events.rows(0, left), plan, start):
                validator.validate(json.loads(line))
                sys.stdout.buffer.write(line + b"\n")
            left -= min(left, len(events))
            if left == 0:
                break
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Python would complain once more when it flushes stdout at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_OK
