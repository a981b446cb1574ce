"""`mode=broker`: the embedded Kafka in the foreground, for other terminals."""

from __future__ import annotations

import sys
import time

from simulator.compiler import BROKER_PORT
from simulator.errors import EXIT_OK
from simulator.modes.context import Context
from simulator.produce.signals import stop_on_signals
from simulator.schema import EmbeddedBroker as Settings
from simulator.services import embedded_broker

_LOOK_SECONDS = 0.1


def run(context: Context) -> int:
    """Hold a broker open until Ctrl-C."""
    settings = context.specification.broker
    assert isinstance(settings, Settings)  # noqa: S101  # checks.py has refused the others
    with stop_on_signals() as stop, embedded_broker(context.directory.broker, settings, settings.port or BROKER_PORT) as broker:
        sys.stdout.write(f"Kafka {settings.version} listens on {broker.bootstrap_servers}; Ctrl-C ends it\n")
        sys.stdout.flush()
        while not stop.requested:
            broker.check()
            time.sleep(_LOOK_SECONDS)
    sys.stdout.write("the broker has ended" + ("" if settings.keep else " and its data is removed") + "\n")
    return EXIT_OK
