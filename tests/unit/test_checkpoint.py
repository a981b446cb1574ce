"""What a checkpoint was made for, what it tells of lost reports, and what it is asked to do again; without Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.checkpoint import Checkpoint
from pipelines.errors import BadPlanError
from pipelines.identity import FILE, claim_checkpoint
from pipelines.journal import Journal
from pipelines.plan import Options, Plan
from pipelines.reading import read_plan
from simulator.plan import write_plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.plan import Plan as WholePlan

MakePlan = "Callable[..., WholePlan]"
CHOICE = ". Take the plan that it was made with, or remove the folder to start from the beginning"


@pytest.fixture
def job(make_plan: Callable[..., WholePlan], tmp_path: Path) -> Callable[..., Plan]:
    """The aggregation of some overrides."""

    def make(*overrides: str) -> Plan:
        write_plan(make_plan(*overrides), tmp_path / "plan.json")
        return read_plan(tmp_path / "plan.json")

    return make


def begun(checkpoint: Path) -> Path:
    """As Spark leaves it when a query has started."""
    (checkpoint / "metadata").write_text("{}", encoding="utf-8")
    return checkpoint


def refusal(plan: Plan, checkpoint: Path) -> str:
    with pytest.raises(BadPlanError) as caught:
        claim_checkpoint(plan, checkpoint)
    return str(caught.value).removeprefix(f"checkpoint {checkpoint}: ")


@pytest.mark.parametrize(
    ("overrides", "different"),
    [
        (["window.size=20"], "aggregation.views.windows.sql"),
        (["metrics=vwap"], "aggregation.views.windows.sql"),
        (["window.watermark=3"], "aggregation.views.events.watermark=event_time 10 seconds, now event_time 3 seconds"),
        (["spark.shuffle_partitions=7"], "aggregation.spark.spark.sql.shuffle.partitions=2, now 7"),
        (["topic=other"], "aggregation.source.options.subscribe=ticks, now other"),
        (["output.mode=append"], "aggregation.output.mode=update, now append"),
        (["+spark.conf.spark.sql.session.timeZone=CET"], "aggregation.spark.spark.sql.session.timeZone=UTC, now CET"),
    ],
)
def test_a_checkpoint_of_another_plan_is_refused(
    overrides: list[str], different: str, job: Callable[..., Plan], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "checkpoint"
    claim_checkpoint(job(), checkpoint)
    begun(checkpoint)
    said = refusal(job(*overrides), checkpoint)
    assert said.startswith("was made with another plan: ")
    assert different in said.removesuffix(CHOICE).removeprefix("was made with another plan: ").split("; ")
    assert said.endswith(CHOICE)
    assert "\n" not in said
    claim_checkpoint(job(), checkpoint)  # the refusal has left it as it was


def test_what_state_does_not_depend_on_may_differ(job: Callable[..., Plan], tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    claim_checkpoint(job(), checkpoint)
    begun(checkpoint)
    claim_checkpoint(job("seed=7", "rate=3", "spark.trigger=5", "spark.max_offsets_per_trigger=9", "output=parquet"), checkpoint)
    here = {"kafka.bootstrap.servers": "b:1", "kafka.security.protocol": "SSL", "startingOffsets": "latest"}
    claim_checkpoint(job().with_options(Options(source=here)), checkpoint)
    claim_checkpoint(job().with_properties({"spark.master": "local[7]", "spark.driver.memory": "2g"}), checkpoint)


def test_a_checkpoint_that_does_not_say_its_plan_is_refused(job: Callable[..., Plan], tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    said = refusal(job(), begun(checkpoint))
    assert (
        said == f"does not say what plan it was made with ({FILE} cannot be read); remove the folder to start from the beginning"
    )


def test_a_checkpoint_that_spark_has_not_begun_is_nobodys(job: Callable[..., Plan], tmp_path: Path) -> None:
    checkpoint, other = tmp_path / "checkpoint", job("window.size=20")
    claim_checkpoint(job(), checkpoint)
    claim_checkpoint(other, checkpoint)
    begun(checkpoint)
    claim_checkpoint(other, checkpoint)


def test_a_view_that_is_gone_or_new_is_told(job: Callable[..., Plan], tmp_path: Path) -> None:
    checkpoint, plan = tmp_path / "checkpoint", job()
    claim_checkpoint(plan, checkpoint)
    begun(checkpoint)
    assert "aggregation.views.windows.sql" in refusal(replace(plan, views=plan.views[:-1]), checkpoint)


def test_alone_it_is_refused_in_one_line_without_spark(job: Callable[..., Plan], tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    claim_checkpoint(job("window.size=20"), checkpoint)
    begun(checkpoint)
    job()  # what plan.json holds from here on
    command = [sys.executable, "-m", "pipelines", str(tmp_path / "plan.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr == f"checkpoint {checkpoint}: was made with another plan: aggregation.views.windows.sql{CHOICE}\n"
    assert {path.name for path in checkpoint.iterdir()} == {FILE, "metadata"}


def log(checkpoint: Path, *, planned: int, committed: int, first: int = 0) -> None:
    """The logs of a query, as Spark writes them."""
    for name, count in (("offsets", planned), ("commits", committed)):
        (checkpoint / name).mkdir(parents=True)
        for number in range(first, count):
            metadata = json.dumps({"batchWatermarkMs": number * 1500, "batchTimestampMs": 1_700_000_000_000 + number, "conf": {}})
            ends = json.dumps({"ticks": {"0": 10 * number + 10, "1": number}})
            text = f"v1\n{metadata}\n{ends}" if name == "offsets" else 'v1\n{"nextBatchWatermarkMs":0}'
            (checkpoint / name / str(number)).write_text(text, encoding="utf-8")
            (checkpoint / name / f".{number}.crc").write_bytes(b"crc")


def reported(path: Path, *numbers: int, torn: str = "") -> None:
    lines = [json.dumps({"batch_id": number, "rows": 5}) for number in numbers]
    path.write_text("".join(f"{line}\n" for line in lines) + torn, encoding="utf-8")


def test_the_last_committed_batch_is_done_again(tmp_path: Path) -> None:
    log(tmp_path, planned=4, committed=4)
    Checkpoint(tmp_path).uncommit_last()
    assert Checkpoint(tmp_path).committed == [0, 1, 2]
    assert not (tmp_path / "commits" / ".3.crc").exists()
    assert (tmp_path / "offsets" / "3").exists()


def test_a_batch_whose_next_one_is_begun_stays_committed(tmp_path: Path) -> None:
    log(tmp_path, planned=5, committed=4)
    Checkpoint(tmp_path).uncommit_last()
    assert Checkpoint(tmp_path).committed == [0, 1, 2, 3]


@pytest.mark.parametrize("planned", [0, 1])
def test_only_what_is_left_of_a_first_batch_that_was_never_planned_is_removed(planned: int, tmp_path: Path) -> None:
    log(tmp_path, planned=planned, committed=0)
    (tmp_path / "sources" / "0").mkdir(parents=True)
    for left in (tmp_path / "offsets" / ".0.790a88fd.tmp", tmp_path / "sources" / "0" / "0"):
        left.touch()
    Checkpoint(tmp_path).clear_unplanned()
    assert (tmp_path / "offsets").exists() is (planned > 0)
    assert (tmp_path / "sources" / "0" / "0").exists()
    Checkpoint(tmp_path / "none").clear_unplanned()


def test_without_a_checkpoint_there_is_nothing_to_go_on_with(tmp_path: Path) -> None:
    journal = tmp_path / "microbatches.ndjson"
    reported(journal, 0, 1)  # of a checkpoint that somebody has removed
    assert Journal(journal, tmp_path / "checkpoint").resume() == []
    assert journal.read_text(encoding="utf-8") == ""


def numbers(reports: list[dict[str, Any]]) -> list[int]:
    return [report["batch_id"] for report in reports]


def test_reports_are_kept_once_and_that_of_the_batch_done_again_is_left_to_come(tmp_path: Path) -> None:
    checkpoint, journal = tmp_path / "checkpoint", tmp_path / "microbatches.ndjson"
    log(checkpoint, planned=4, committed=4)
    reported(journal, 0, 1, 1, 2, 3, torn='{"batch_id": 4, "ro')
    kept = Journal(journal, checkpoint)
    assert numbers(kept.resume()) == [0, 1, 2]
    kept.append({"batch_id": 3, "rows": 6})
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    assert [(line["batch_id"], line["rows"]) for line in lines] == [(0, 5), (1, 5), (2, 5), (3, 6)]


def test_a_lost_report_is_recovered_as_far_as_the_checkpoint_knows(tmp_path: Path) -> None:
    checkpoint, journal = tmp_path / "checkpoint", tmp_path / "microbatches.ndjson"
    log(checkpoint, planned=4, committed=3)  # 3 is under way: 2 cannot be done again
    reported(journal, 0, 1)
    *known, lost = Journal(journal, checkpoint).resume()
    assert numbers(known) == [0, 1]
    assert (lost["batch_id"], lost["rows"], lost["recovered"]) == (2, None, True)
    assert lost["watermark"] == "1970-01-01T00:00:03.000Z"
    assert lost["timestamp"] == "2023-11-14T22:13:20.002Z"
    (source,) = lost["sources"]
    assert (source["start_offset"], source["end_offset"]) == ({"ticks": {"0": 20, "1": 1}}, {"ticks": {"0": 30, "1": 2}})
    assert numbers([json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]) == [0, 1, 2]


def test_reports_outlive_what_spark_removes_from_its_checkpoint(tmp_path: Path) -> None:
    checkpoint, journal = tmp_path / "checkpoint", tmp_path / "microbatches.ndjson"
    log(checkpoint, first=3, planned=6, committed=6)
    reported(journal, 0, 1, 2, 3, 4)
    assert numbers(Journal(journal, checkpoint).resume()) == [0, 1, 2, 3, 4]
