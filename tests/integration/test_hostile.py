"""One real run whose names mean harm: Kafka and Spark take them for names, everything listens at home, files are private."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

NAMES = {
    "symbol": "sy`m'b\"o\\l</script>",
    "seq": "`; DROP TABLE events; --",
    "event_time": "time 時刻 e\u0301",
    "price": "pri.ce, DOUBLE",
    "volume": "$(volume) %s {0}",
}
TICKERS = [
    "O'Neil",
    'quo"ted',
    "ba`ck``tick",
    "back\\slash",
    "<script>alert(1)</script>",
    "価格 e\u0301",
    "[/bold]",
    "../../etc",
    "${rate}",
]
ANYWHERE = {"00000000", "0" * 32}
LISTEN = "0A"


def family(pid: int) -> set[int]:
    """A process and all that came of it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):  # noqa: PERF203  # as below
            continue
    known = {pid}
    while more := {child for child, parent in parents.items() if parent in known} - known:
        known |= more
    return known


def sockets(pids: set[int]) -> set[str]:
    found = set()
    for pid in pids:
        try:
            links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:  # each may be gone
            continue
        found |= {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}
    return found


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses, as the system writes them, and ports that a family of processes listens on."""
    own = sockets(family(pid))
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return {(row[1].split(":")[0], int(row[1].split(":")[1], 16)) for row in rows if row[3] == LISTEN and row[9] in own}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_run_with_hostile_names(tmp_path: Path) -> None:
    run = tmp_path / "run"
    own = tmp_path / "own" / "scenario"
    own.mkdir(parents=True)
    # Hydra's command line has no quotes for keys; a file has.
    content = {"symbols": {"count": 0, "tickers": {name: {} for name in TICKERS}}, "event": {"names": NAMES}}
    (own / "mine.yaml").write_text(f"# @package _global_\n{json.dumps(content)}\n", encoding="utf-8")
    overrides = [
        *("+scenario=mine", "rate=200", "duration=6", "live=true", "metrics_port=0"),
        *(
            "spark.ui=true",
            "+spark.conf.spark.ui.port=0",
            "faults=[corrupt,duplicate]",
            "metrics.names=[vwap,volume,msg_ct,open]",
        ),
    ]
    command = [sys.executable, "-m", "simulator", "--config-dir", "own", *overrides, f"hydra.run.dir={run}"]
    seen: set[tuple[str, int]] = set()
    with (
        (tmp_path / "said").open("w") as said,
        subprocess.Popen(command, cwd=tmp_path, stdout=said, stderr=said, umask=0o022) as process,
    ):
        try:
            while process.poll() is None:
                seen |= listening(process.pid)
                time.sleep(0.3)
        finally:
            process.kill()
    told = (tmp_path / "said").read_text(encoding="utf-8")
    assert process.returncode == 0, told
    assert told.rstrip().endswith("match")
    verdict = json.loads((run / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["windows"]["matched"] == verdict["windows"]["expected"] > len(TICKERS)
    assert verdict["audit"]["rejected"] > 0
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    assert {symbol["name"] for symbol in plan["market"]["symbols"]} == set(TICKERS)

    # The live page, the metrics, Kafka's two, Spark's page and driver, and Py4J.
    assert len(seen) >= 6
    assert {address for address, _ in seen if address in ANYWHERE} == set(), seen

    made = [run, *run.rglob("*")]
    assert [str(path) for path in made if path.stat().st_mode & 0o077 and not path.is_symlink()] == []
