"""What `make coverage` counts, and that nothing is taken out of it without a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import EDGES, MACHINES, VALUES
from tools.coverage import ROOT, by_floor

EXCLUDED = re.compile(r"#\s*pragma:\s*no\s*(cover|branch)")
EXPLAINED = re.compile(r"# pragma: no (cover|branch): \w+ \w+")


def report(**files: tuple[int, int, list[int], list[list[int]]]) -> dict[str, object]:
    """One as coverage makes it, of files: statements, branches, missing lines, missing branches."""
    return {
        "files": {
            f"pbx/sip/{name}.py": {
                "summary": {
                    "num_statements": statements,
                    "num_branches": branches,
                    "covered_lines": statements - len(lines),
                    "covered_branches": branches - len(ways),
                },
                "missing_lines": lines,
                "missing_branches": ways,
            }
            for name, (statements, branches, lines, ways) in files.items()
        }
    }


def test_files_are_counted_on_their_floors():
    found = by_floor(
        report(
            uri=(60, 20, [], []),
            sdp=(16, 4, [], []),
            dialog=(10, 10, [7], [[6, 7], [7, 9], [8, -1]]),
            transport=(8, 0, [1, 2], []),
        )
    )
    assert {floor: (reach.reached, reach.all) for floor, reach in found.items()} == {
        VALUES: (100, 100),
        MACHINES: (16, 20),
        EDGES: (6, 8),
    }
    assert [reach.percent for reach in found.values()] == [100.0, 80.0, 75.0]
    assert found[MACHINES].missing == [
        "pbx/sip/dialog.py:7",
        "pbx/sip/dialog.py:6: never goes on at 7",
        "pbx/sip/dialog.py:8: never goes on at the end",
    ]


def test_floor_without_files_is_not_reached():
    assert by_floor(report())[EDGES].percent == 0.0


def test_what_is_excluded_says_why():
    lines = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted(Path(ROOT, "pbx").rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if EXCLUDED.search(line) and not EXPLAINED.search(line)
    ]
    assert not lines


@pytest.mark.parametrize(
    ("line", "explained"),
    [("x = 1  # pragma: no cover", False), ("x = 1  # pragma: no cover: it never happens here", True)],
)
def test_exclusion_is_seen(line, explained):
    assert EXCLUDED.search(line)
    assert bool(EXPLAINED.search(line)) is explained
