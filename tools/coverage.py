"""`python -m tools.coverage`, which `make coverage` ends with: how much of `pbx/sip` the tests reach, by floor.

Values and machines are told everything they know, so that a test can reach all of them; what is left at the edges are
errors that no operating system makes on demand.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coverage import Coverage

from tests.house import EDGES, MACHINES, VALUES, modules

ROOT = Path(__file__).parent.parent
BOUNDS = {VALUES: 100.0, MACHINES: 100.0, EDGES: 95.0}  # percent of statements and branches


@dataclass
class Reach:
    """What is reached of one floor.

    :ivar reached: statements and branches that were.
    :ivar all: those that there are.
    :ivar missing: the places that were not, as one finds them.
    """

    reached: int = 0
    all: int = 0
    missing: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """Of all, how many were reached."""
        return 100 * self.reached / self.all if self.all else 0.0

    def add(self, path: str, found: dict[str, Any]) -> None:
        """Take a file in, as coverage's JSON report has it."""
        summary = found["summary"]
        self.reached += summary["covered_lines"] + summary["covered_branches"]
        self.all += summary["num_statements"] + summary["num_branches"]
        self.missing += [f"{path}:{line}" for line in found["missing_lines"]]
        untaken = [way for way in found["missing_branches"] if way[0] not in found["missing_lines"]]
        self.missing += [
            f"{path}:{here}: never goes on at {there if there > 0 else 'the end'}" for here, there in untaken
        ]


def by_floor(report: dict[str, Any]) -> dict[str, Reach]:
    """Sort coverage's JSON report of `pbx/sip` by floors."""
    floors = {module.path: module.floor for module in modules(ROOT)}
    reaches = {floor: Reach() for floor in BOUNDS}
    for path, found in sorted(report["files"].items()):
        reaches[floors[path] or ""].add(path, found)
    return reaches


def main() -> int:
    """Print the figures; return the exit status: 1 when a floor is below its bound."""
    with TemporaryDirectory() as folder:
        target = Path(folder, "report.json")
        coverage = Coverage()
        coverage.load()
        coverage.json_report(outfile=str(target), include=["pbx/sip/*"])
        report = json.loads(target.read_text())
    status = 0
    for floor, reach in by_floor(report).items():
        for place in reach.missing:
            print(place)
        low = reach.percent < BOUNDS[floor]
        status |= low
        verdict = f"below {BOUNDS[floor]:g} %" if low else "good"
        print(f"{floor:9} {reach.percent:6.2f} % of {reach.all} statements and branches: {verdict}")
    return status


if __name__ == "__main__":
    sys.exit(main())
