"""The machine and what a process costs on it, from /proc. The figure to trust is CPU time: rates follow the weather."""

from __future__ import annotations

import os
import platform
import sys
import time
from pathlib import Path

import twisted

_TICK = os.sysconf("SC_CLK_TCK")
_CPUS = sorted(os.sched_getaffinity(0))
# The exchange has a processor of its own; whatever makes its work has the other one.
EXCHANGE_CPU, LOAD_CPU = (_CPUS[1], _CPUS[0]) if len(_CPUS) > 1 else (None, None)


def describe() -> str:
    """Processor, memory, kernel, Python: one line for the head of a report."""
    words = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines())
    facts = {name.strip(): value.strip() for name, value in words.items()}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    model = facts.get("model name", platform.machine())
    guest = ", a virtual machine" if "hypervisor" in facts.get("flags", "").split() else ""
    pinned = (
        f"exchange on CPU {EXCHANGE_CPU}, load on CPU {LOAD_CPU}"
        if EXCHANGE_CPU is not None
        else "one CPU for everything"
    )
    return (
        f"{len(_CPUS)} x {model}, {memory:.0f} GiB{guest}; Linux {platform.release()}; "
        f"Python {sys.version.split()[0]}, Twisted {twisted.__version__}; {pinned}"
    )


def tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree so far, with that of children who have ended."""
    ticks = 0
    for each in tree(pid):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks / _TICK


def memory_kib(pid: int) -> int:
    """Resident memory of a process tree, KiB."""
    return sum(
        int(line.split()[1])
        for each in tree(pid)
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
        if line.startswith("Rss:")
    )


def stolen_seconds() -> float:
    """Time for which the hypervisor has kept the exchange's processor (or all of them) from us, since boot."""
    name = "cpu" if EXCHANGE_CPU is None else f"cpu{EXCHANGE_CPU}"
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[8]) / _TICK
    return 0.0


class Meter:
    """What a process tree has used, and what was stolen, since the meter was made."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._start = time.monotonic(), cpu_seconds(pid), stolen_seconds()

    def read(self) -> tuple[float, float, float]:
        """Seconds that have gone by, of CPU time, and stolen."""
        now = time.monotonic(), cpu_seconds(self._pid), stolen_seconds()
        wall, cpu, stolen = (after - before for before, after in zip(self._start, now, strict=True))
        return wall, cpu, stolen
