"""Results as lines of a table and as JSON."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.generator import Load
from bench.operations import Operation


@dataclass(frozen=True)
class Round:
    """One measurement: what the generator saw, and what processor time each answer took (microseconds)."""

    load: Load
    cpu_us: float


@dataclass
class Measured:
    """The rounds of one operation at one server."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Answers a second, the median of the rounds."""
        return statistics.median(each.load.per_second for each in self.rounds)

    @property
    def cpu_us(self) -> float:
        """Processor time of an answer, the median of the rounds."""
        return statistics.median(each.cpu_us for each in self.rounds)

    @property
    def wrong(self) -> int:
        """Answers of another status than expected."""
        return sum(each.load.wrong for each in self.rounds)

    def latency(self, name: str) -> float:
        """Milliseconds, the median of the rounds."""
        return float(statistics.median(getattr(each.load, name) for each in self.rounds)) / 1000


@dataclass(frozen=True)
class Line:
    """One line of the table. ``good`` is None where there is no target."""

    what: str
    value: str
    against: str
    ratio: float | None
    target: str
    good: bool | None
    details: Mapping[str, Any]


def load_line(operation: Operation, ceiling: Measured | None, service: Measured) -> Line:
    """Compare one operation's rounds with the ceiling's, if there is one."""
    ratio = None if ceiling is None else service.per_second / ceiling.per_second
    good = None if operation.target is None or ratio is None else ratio >= operation.target and not service.wrong
    details = {
        "connections": operation.connections,
        "p50_ms": service.latency("p50"),
        "p99_ms": service.latency("p99"),
        "cpu_us": service.cpu_us,
        "ceiling_p99_ms": None if ceiling is None else ceiling.latency("p99"),
        "ceiling_cpu_us": None if ceiling is None else ceiling.cpu_us,
        "body_bytes": service.rounds[-1].load.body_bytes,
        "wrong": service.wrong,
        "service": [asdict(each) for each in service.rounds],
        "ceiling": [] if ceiling is None else [asdict(each) for each in ceiling.rounds],
    }
    against = "" if ceiling is None else f"bare {ceiling.per_second:,.0f}/s"
    what = f"{operation.name}, {operation.connections} clients" if operation.connections > 1 else operation.name
    target = "" if operation.target is None else f">= {operation.target:.2f}"
    return Line(what, f"{service.per_second:,.0f}/s", against, ratio, target, good, details)


def show(lines: Sequence[Line], known: Mapping[str, str]) -> None:
    """Print the table; processor time per answer stands as service : ceiling."""
    print("  ".join(f"{name}: {value}" for name, value in known.items()))
    print()
    print(f"{'':34}{'measured':>10}  {'compared with':<20}{'ratio':>6}{'target':>9}{'':8}p50 ms  p99 ms  cpu us")
    for line in lines:
        print(f"{line.what:<34}{line.value:>10}  {line.against:<20}{_ratio_cells(line)}{_latency_cells(line)}".rstrip())


def save(lines: Sequence[Line], known: Mapping[str, str], path: Path) -> None:
    """Write everything as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": known, "lines": [asdict(line) for line in lines]}, indent=1) + "\n")


def _ratio_cells(line: Line) -> str:
    ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
    verdict = {None: "", True: "ok", False: "MISSED"}[line.good]
    return f"{ratio:>6}{line.target:>9} {verdict:<7}"


def _latency_cells(line: Line) -> str:
    details = line.details
    if "p50_ms" not in details:
        return ""
    cpu = f"{details['cpu_us']:.0f}" if details["cpu_us"] else ""
    beside = "" if details["ceiling_cpu_us"] is None else f" : {details['ceiling_cpu_us']:.0f}"
    return f"{details['p50_ms']:>7.2f}{details['p99_ms']:>8.2f}  {cpu}{beside}"
