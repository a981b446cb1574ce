"""The broker and the Spark of a run: its own, or kept warm from job to job of a multirun."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, final

from simulator.broker.embedded import EmbeddedBroker
from simulator.pipeline import Pipeline
from simulator.rundir import RunDirectory

if TYPE_CHECKING:
    from simulator.schema import EmbeddedBroker as Settings
    from simulator.schema import Spark as SparkSettings


class Services(ABC):
    """Lends a run its Spark and its embedded broker for a `with` block."""

    @abstractmethod
    def pipeline(
        self, directory: RunDirectory, settings: SparkSettings, on_table: Callable[[str], None]
    ) -> AbstractContextManager[Pipeline]:
        """A Spark child by the section `spark` of the configuration; `on_table` as `Pipeline` has it."""

    @abstractmethod
    def broker(self, directory: RunDirectory, settings: Settings) -> AbstractContextManager[EmbeddedBroker]:
        """A broker that has none of the run's topics yet."""

    @abstractmethod
    def close(self) -> None:
        """End what is still kept; may be called again."""


@final
class OwnServices(Services):
    """Started for the run, in its folder, and ended with the block."""

    def pipeline(
        self, directory: RunDirectory, settings: SparkSettings, on_table: Callable[[str], None]
    ) -> AbstractContextManager[Pipeline]:
        """A new Spark child."""
        return Pipeline(directory.spark_log, settings.timeout, on_table, settings.restarts)

    def broker(self, directory: RunDirectory, settings: Settings) -> AbstractContextManager[EmbeddedBroker]:
        """A new broker."""
        return embedded_broker(directory.broker, settings, settings.port)

    def close(self) -> None:
        """Nothing is kept."""


@final
class WarmServices(Services):
    """Started for the first run that asks, and kept for the next while that one asks for the same.

    A run that fails takes its Spark along, and a broker that has died is not handed on: the next run starts anew.

    Args:
        folder: for the broker's files and Spark's log, in place of the run's own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pipeline: Pipeline | None = None
        self._timeout = 0.0
        self._broker: EmbeddedBroker | None = None
        self._settings: Settings | None = None

    @contextmanager
    def pipeline(self, directory: RunDirectory, settings: SparkSettings, on_table: Callable[[str], None]) -> Iterator[Pipeline]:  # noqa: ARG002  # the log is the services' own
        """The Spark child of the run before, or a new one."""
        if self._pipeline is None or settings.timeout != self._timeout:
            self._end_pipeline()
            self._folder.mkdir(parents=True, exist_ok=True)
            self._pipeline = Pipeline(self._folder / "spark.log", settings.timeout, on_table)
            self._timeout = settings.timeout
        self._pipeline.on_table, self._pipeline.restarts = on_table, settings.restarts
        try:
            yield self._pipeline
        except BaseException:
            self._end_pipeline()  # whatever it was about to say is not for the next run
            raise

    @contextmanager
    def broker(self, directory: RunDirectory, settings: Settings) -> Iterator[EmbeddedBroker]:
        """The broker of the run before, emptied, or a new one; one whose data is to be kept is the run's own."""
        if settings.keep:
            with OwnServices().broker(directory, settings) as own:
                yield own
            return
        if self._broker is None or not self._broker.alive or settings != self._settings:
            self._end_broker()
            self._broker, self._settings = embedded_broker(self._folder / "broker", settings, settings.port), settings
            self._broker.start()
        from simulator.broker.topics import delete_all_topics  # noqa: PLC0415  # the Kafka client, which `mode=plan` does not load

        yield self._broker
        # Not after a failure: then the broker may be what has failed, and the error is the run's, not this one's.
        if self._broker.alive:
            delete_all_topics(self._broker.cluster)

    def close(self) -> None:
        """End Spark and the broker."""
        self._end_pipeline()
        self._end_broker()

    def _end_pipeline(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.close()

    def _end_broker(self) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            broker.stop()


def embedded_broker(folder: Path, settings: Settings, port: int | None) -> EmbeddedBroker:
    """The broker of the configuration, not started yet; `port` None takes a free one."""
    return EmbeddedBroker(
        folder,
        version=settings.version,
        port=port,
        keep=settings.keep,
        heap_megabytes=settings.heap,
        properties={name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in settings.conf.items()},
        timeout_seconds=settings.timeout,
    )
