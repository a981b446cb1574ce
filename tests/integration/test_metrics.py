"""What Prometheus scrapes of a real run: counters that only grow, and that end at the run's own accounts."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from simulator.rundir import read_json

pytestmark = pytest.mark.integration

AT_LEAST_ONCE = {
    "simulator_events_generated_total",
    "simulator_events_acked_total",
    "spark_streaming_batches_total",
    "spark_streaming_input_rows_total",
    "spark_streaming_batch_duration_seconds_count",
    "spark_streaming_batch_duration_seconds_sum",
    "spark_streaming_state_rows",
    "spark_streaming_state_memory_bytes",
    "spark_streaming_watermark_delay_seconds",
}


def scrapes(address: str, process: subprocess.Popen[str]) -> Iterator[dict[str, float]]:
    """By name, again and again until the run is over."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=10) as response:  # noqa: S310  # http, as the test asserts
                text = response.read().decode()
        except (ConnectionError, urllib.error.URLError):  # it has just ended
            return
        families = text_string_to_metric_families(text)
        yield {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
        time.sleep(0.1)


def test_a_run_can_be_scraped(tmp_path: Path) -> None:
    run = tmp_path / "run"
    overrides = ["metrics_port=0", "duration=15", "rate=200", "symbols.count=5", "window.watermark=2", "window.size=4"]
    command = [sys.executable, "-m", "simulator", *overrides, "window.slide=4", f"hydra.run.dir={run}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert re.fullmatch(r"metrics  http://127\.0\.0\.1:\d+/metrics\n", line), line + process.stderr.read()
            found = list(scrapes(line.split()[1], process))
            said = process.communicate(timeout=120)[1]
        finally:
            process.kill()
    assert process.returncode == 0, said
    for name in found[-1]:
        values = [scrape[name] for scrape in found if name in scrape]
        if name.endswith(("_total", "_count", "_sum")):
            assert values == sorted(values), name
    assert {name for name in found[-1] if any(scrape.get(name) for scrape in found)} >= AT_LEAST_ONCE
    assert {scrape["simulator_rate_asked"] for scrape in found} == {200}
    last, verdict = found[-1], read_json(run / "verdict.json")
    assert last["simulator_events_generated_total"] == verdict["audit"]["generated"]
    assert last["simulator_events_acked_total"] == verdict["audit"]["acked"]
    assert last["spark_streaming_input_rows_total"] == verdict["audit"]["read"]
    assert last["simulator_events_failed_total"] == last["simulator_queue_events"] == 0
    assert last["spark_streaming_rows_dropped_by_watermark_total"] == verdict["audit"]["late_dropped"]
