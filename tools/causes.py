"""Puts the table of causes into docs/operating: `python -m tools.causes`, or `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

from pbx.exchange.causes import CAUSES, UNKNOWN_CAUSE

PAGE = Path(__file__).parents[1] / "docs" / "operating.md"
_PART = re.compile(r"(<!-- causes: .*? -->\n).*?(<!-- end of causes -->)", re.DOTALL)


def table() -> str:
    """The table, as Markdown."""
    lines = ["", "| cause | known by | sentence | remedy |", "|---|---|---|---|"]
    for cause in (*CAUSES, UNKNOWN_CAUSE):
        sentence = re.sub(r"\{(\w+)\}", lambda found: f"*{found[1]}*", cause.sentence)
        lines.append(f"| `{cause.name}` | {cause.evidence} | {sentence} | {cause.remedy} |")
    return "\n".join([*lines, "", ""])


def page(text: str) -> str:
    """The page with the table as it is now."""
    return _PART.sub(lambda found: found[1] + table() + found[2], text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
