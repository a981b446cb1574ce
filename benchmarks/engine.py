"""The Spark engine: what an event costs early and late in a run, in the tasks alone and from model to acknowledgement.

Times are processor seconds of this process for the tasks, and wall time of micro-batches for the whole.
"""

from __future__ import annotations

import json
import os
import pickle
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS, plan_of, specification_of
from pipelines.generator import Job, records
from simulator.broker.embedded import EmbeddedBroker
from simulator.manifest import host, package_versions
from simulator.modes.produce import prepare_topic
from simulator.plan import Plan, canonical
from simulator.produce.producer import Progress
from simulator.produce.signals import StopRequest
from simulator.produce.spark import SparkProduction
from simulator.produce.spark_job import spark_job

RATE = 100_000
SPAN = 2
BATCHES = 63
"""The last begin at 20 times the instant at which the early ones end."""
EARLY, LATE = range(1, 4), range(BATCHES - 3, BATCHES)
WORKERS = 2
CASES = {"clean": (), "faults": ("faults=[late,disorder,duplicate,corrupt,drop]",)}


def main() -> None:
    """Measure, print, keep."""
    tasks = {name: in_tasks(plan_of(*overrides(*more))) for name, more in CASES.items()}
    whole = on_spark()
    content = {
        "tasks": tasks,
        "spark": whole,
        "conditions": {
            "rate": RATE,
            "span": SPAN,
            "batches": BATCHES,
            "workers": WORKERS,
            "load_average_at_the_end": os.getloadavg(),
        },
        "host": host(),
        "versions": package_versions(),
    }
    print(json.dumps(content, indent=2))
    (RESULTS / "engine.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def overrides(*more: str) -> list[str]:
    """Of a market that is busy enough for a batch to count."""
    return [f"rate={RATE}", f"duration={SPAN * BATCHES}", "sink.partitions=4", *more]


def in_tasks(plan: Plan) -> dict[str, Any]:
    """One worker's tasks, each in a fresh state read from the folder of states, as if it ran in another process than the last."""
    from pipelines import generator  # noqa: PLC0415  # its cache is emptied below

    seconds, counts, sizes = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        job = Job(canonical(plan.model_dump(mode="json")), plan.clock.start, WORKERS, folder)
        for number in range(BATCHES):
            generator._kept.clear()  # noqa: SLF001  # what another process would find
            begun = time.process_time()
            counts.append(sum(batch.num_rows for batch in records(job, 0, number * SPAN * 10**9, (number + 1) * SPAN * 10**9)))
            seconds.append(time.process_time() - begun)
            sizes.append(len(pickle.dumps(generator._kept[0][2], protocol=5)))  # noqa: SLF001  # as above
    return {**compared(seconds, counts), "state_bytes": {"early": sizes[EARLY[0]], "late": sizes[-1]}}


def on_spark() -> dict[str, Any]:
    """The whole job on this machine, with the broker beside it."""
    specification = specification_of(*overrides("engine=spark", f"engine.workers={WORKERS}", f"engine.span={SPAN}"))
    plan = plan_of(*overrides())
    steps: list[Progress] = [Progress()]

    def note(progress: Progress) -> None:
        if progress.generated > steps[-1].generated:
            steps.append(progress)

    with tempfile.TemporaryDirectory() as folder, EmbeddedBroker(Path(folder), heap_megabytes=1024) as broker:
        prepare_topic(plan, broker.cluster)
        assert specification.engine.kind == "spark"  # noqa: S101  # asked for above
        job = spark_job(specification, specification.engine, plan)
        with SparkProduction(plan, broker.cluster, job, Path(folder) / "generation.log") as production:
            outcome = production.run(plan.clock.start or 0, StopRequest(), note)
    seconds = [after.elapsed - before.elapsed for before, after in pairwise(steps)]
    counts = [after.generated - before.generated for before, after in pairwise(steps)]
    return {**compared(seconds, counts), "acked": outcome.progress.acked, "seconds": outcome.progress.elapsed}


def compared(seconds: list[float], counts: list[int]) -> dict[str, Any]:
    """Microseconds an event, in the median of early and of late micro-batches; the first, which starts all, does not count."""
    costs = [second / count * 1e6 for second, count in zip(seconds, counts, strict=True)]
    early, late = (statistics.median(costs[number] for number in part) for part in (EARLY, LATE))
    return {"microseconds_an_event": {"early": early, "late": late, "all": costs}, "late_over_early": late / early}
