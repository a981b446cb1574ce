"""Metrics for Prometheus: their names, their values, the dashboard that uses them, and a port that cannot be had."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from simulator.errors import BadConfigError
from simulator.modes import produce
from simulator.modes.context import Context
from simulator.plan import Plan
from simulator.produce.producer import Progress
from simulator.report.live.figures import Figures
from simulator.report.live.metrics import registry_of, serving_metrics
from simulator.rundir import RunDirectory
from simulator.schema import Specification

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
REPORT: dict[str, Any] = {
    "batch_id": 0,
    "timestamp": "2025-01-02T14:30:10.000Z",
    "rows": 500,
    "duration_ms": {"triggerExecution": 700},
    "watermark": "2025-01-02T14:30:00.000Z",
    "newest": "2025-01-02T14:30:10.250Z",
    "state": [{"rows_total": 30, "memory_bytes": 4096, "rows_dropped_by_watermark": 4, "duplicates_dropped": 0}],
    "observed": {"parsed": {"read": 500}, "events": {"accepted": 500}},
}


def samples(figures: Figures) -> dict[str, float]:
    """By name and bucket."""
    text = generate_latest(registry_of(figures)).decode()
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    return {sample.name + str(sample.labels.get("le", "")): sample.value for family in families for sample in family.samples}


@pytest.fixture
def figures(make_plan: Callable[..., Plan]) -> Figures:
    filled = Figures(make_plan("rate=500"), aggregates=True)
    filled.produced(Progress(1000, 990, 2, 8, 2.5, 2.0, 0.25, 0.5))
    filled.reported(REPORT)
    filled.reported({**REPORT, "batch_id": 1, "duration_ms": {"triggerExecution": 90}})
    return filled


def test_both_halves_under_conventional_names_in_base_units(figures: Figures) -> None:
    found = samples(figures)
    buckets = {name: value for name, value in found.items() if "_bucket" in name}
    assert {name: value for name, value in found.items() if name not in buckets} == {
        "simulator_events_generated_total": 1000,
        "simulator_events_acked_total": 990,
        "simulator_events_failed_total": 2,
        "simulator_queue_events": 8,
        "simulator_lag_seconds": 0.25,
        "simulator_lag_seconds_max": 0.5,
        "simulator_market_time_seconds": 2.5,
        "simulator_rate_asked": 500,
        "spark_streaming_batches_total": 2,
        "spark_streaming_input_rows_total": 1000,
        "spark_streaming_batch_duration_seconds_count": 2,
        "spark_streaming_batch_duration_seconds_sum": pytest.approx(0.79),
        "spark_streaming_state_rows": 30,
        "spark_streaming_state_memory_bytes": 4096,
        "spark_streaming_watermark_delay_seconds": 10.25,
        "spark_streaming_rows_dropped_by_watermark_total": 8,
    }
    counted = {name.removeprefix("spark_streaming_batch_duration_seconds_bucket"): value for name, value in buckets.items()}
    assert (counted["0.1"], counted["0.5"], counted["1.0"], counted["+Inf"]) == (1, 1, 2, 2)


def test_a_producer_alone_tells_nothing_of_spark(make_plan: Callable[..., Plan]) -> None:
    found = samples(Figures(make_plan("clock=unpaced"), aggregates=False))
    assert not any(name.startswith("spark") for name in found)
    assert "simulator_rate_asked" not in found, "nothing was asked for"


def test_the_dashboard_uses_exactly_the_metrics_that_there_are(figures: Figures) -> None:
    dashboard = json.loads((MONITORING / "grafana" / "dashboards" / "dashboard.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    used = {name for expression in expressions for name in re.findall(r"\b(?:simulator|spark)_\w+", expression)}
    there = {re.sub(r"(_bucket).*", r"\1", name) for name in samples(figures)}
    assert used == there
    functions = {"rate", "histogram_quantile"}
    for expression in expressions:
        words = set(re.findall(r"[a-zA-Z_]\w+", re.sub(r"\[\d+s\]", "", expression)))
        assert words <= used | functions, expression


def test_the_documentation_lists_them_all() -> None:
    page = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `((?:simulator|spark)_\w+)` \| (\w+) \|", page, re.MULTILINE))
    code = (ROOT / "simulator" / "report" / "live" / "metrics.py").read_text(encoding="utf-8")
    named = set(re.findall(r'"((?:simulator|spark_streaming)_\w+)"', code))
    assert {name.removesuffix("_total") if kind == "counter" else name for name, kind in listed.items()} == named


def test_the_dashboard_is_found_and_finds_prometheus() -> None:
    (source,) = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((MONITORING / "grafana/provisioning/dashboards/simulator.yml").read_text())["providers"]
    dashboard = json.loads((MONITORING / "grafana" / "dashboards" / "dashboard.json").read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    named = {json.dumps(part["datasource"]) for panel in panels for part in (panel, *panel["targets"])}
    assert named == {json.dumps({"type": source["type"], "uid": source["uid"]})}
    assert len({panel["id"] for panel in panels}) == len(panels)
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    assert f"./monitoring/grafana/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
    assert source["url"] == "http://prometheus:9090"
    (job,) = yaml.safe_load((MONITORING / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    host, port = target.split(":")
    assert services["prometheus"]["extra_hosts"] == [f"{host}:host-gateway"]
    assert f"metrics_port={port}" in (ROOT / "docs" / "live.md").read_text(encoding="utf-8")


def test_a_scrape_over_http(figures: Figures) -> None:
    with serving_metrics(figures, "127.0.0.1", 0) as address, urllib.request.urlopen(address) as response:  # noqa: S310  # http, as asserted
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", address)
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "simulator_events_generated_total 1000.0" in response.read().decode().splitlines()


def test_where_it_was_asked_for_other_names_are_answered(figures: Figures) -> None:
    request = {"Host": "host.docker.internal:9400"}
    with serving_metrics(figures, "0.0.0.0", 0) as address:  # noqa: S104  # what this test is about
        here = address.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        with urllib.request.urlopen(urllib.request.Request(here, headers=request)) as response:  # noqa: S310  # http
            assert response.status == 200


def test_a_port_that_is_taken_is_one_line(
    make_specification: Callable[..., Specification], tmp_path: Path, figures: Figures
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        specification = make_specification("mode=produce", "sink=file", "duration=1", "clock=unpaced", f"metrics_port={port}")
        with pytest.raises(BadConfigError) as caught:
            produce.run(Context(specification, RunDirectory(tmp_path)))
    told = f"metrics_port={port}: something already listens on 127.0.0.1:{port}; take another, or 0 for any free one"
    assert caught.value.faults == (told,)
    assert caught.value.exit_code == 2
    with pytest.raises(BadConfigError, match=r"metrics_host=192\.0\.2\.1: must be an address of this machine"):
        serving_metrics(figures, "192.0.2.1", 0).__enter__()


def test_keys_of_the_configuration(make_specification: Callable[..., Specification]) -> None:
    specification = make_specification()
    assert (specification.live, specification.metrics_port, specification.metrics_host) == (False, None, "127.0.0.1")
    for wrong in ("metrics_port=-1", "metrics_port=65536", "metrics_port=yes", "live=3", "metrics_host=''"):
        with pytest.raises(BadConfigError, match=wrong.partition("=")[0]):
            make_specification(wrong)


def test_they_are_no_part_of_the_plan(make_plan: Callable[..., Plan]) -> None:
    assert make_plan("live=true", "metrics_port=9400").hash == make_plan().hash
