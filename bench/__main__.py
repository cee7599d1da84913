"""The command: measure, print a table, write ``bench/results/latest.json``."""

import argparse
import sys
import tempfile
from pathlib import Path

from bench.facts import facts
from bench.report import save, show
from bench.runs import EMBEDDED, MIRROR, Bench

RESULTS = Path("bench/results/latest.json")
KEPT = Path(".local/bench")


def main() -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure the service against its machine's ceiling.")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement (default: 2)")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each, whose median counts (default: 5)")
    parser.add_argument("--connections", type=int, default=32, help="concurrent clients (default: 32)")
    parser.add_argument("--only", choices=(EMBEDDED, MIRROR), help="measure one part alone")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a target is missed")
    parser.add_argument(
        "--compare",
        action="append",
        default=[],
        metavar="NAME=URL[,HEADER: VALUE]",
        help="measure a GET of another product on this machine, too; may be repeated",
    )
    options = parser.parse_args()
    KEPT.mkdir(parents=True, exist_ok=True)
    known = facts(KEPT)
    with tempfile.TemporaryDirectory(dir=KEPT) as work:
        lines = Bench(options, work=Path(work).resolve(), kept=KEPT).run()
    show(lines, known)
    save(lines, known, RESULTS)
    return int(options.check and any(line.good is False for line in lines))


if __name__ == "__main__":
    sys.exit(main())
