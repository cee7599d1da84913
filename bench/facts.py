"""What the numbers depend on: the machine and the versions."""

import os
import platform
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import apsw


def facts(folder: Path) -> dict[str, str]:
    """Tell about the machine; ``folder`` is where the base lies."""
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "processor": _processor(),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        "uvicorn": version("uvicorn"),
        "sqlite": apsw.sqlite_lib_version(),
        "fsync": f"{_fsync_us(folder):.0f} us",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def _fsync_us(folder: Path) -> float:
    """Return the median time of writing 4 KiB durably."""
    taken = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(101):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6
