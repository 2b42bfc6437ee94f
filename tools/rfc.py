"""`make docs`: docs/rfc.md, made from docs/rfc.toml: which RFCs this version follows, how far, and why no further.

A section that the page calls supported is cited in the code, as "RFC 3261 8.2.2" or "RFC 3261 section 8.2.2", beside
what obeys it: tests/test_rfc.py holds the page to that. `python -m tools.rfc 3261` tells where an RFC is cited.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "docs" / "rfc.toml"
PAGE = ROOT / "docs" / "rfc.md"
SUPPORT = {"supported": "supported", "part": "in part", "not": "not supported"}

_SECTION = r"(?:\d{1,2}|[A-Z])(?:\.\d{1,2})+|\d{1,2}"
_CITATION = re.compile(rf"\bRFC (\d{{3,4}})\b(?: sections?)?((?:(?:,| and)? (?:{_SECTION})(?!\w))*)")
_FOLD = re.compile(r"\n[ \t]*(?:#[ \t]*)?")


@dataclass(frozen=True, slots=True)
class Citation:
    """One place in the code that names an RFC.

    :param section: "" where the whole RFC is meant.
    :param path: of the file, from the root of the project.
    """

    rfc: int
    section: str
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What the page says of one RFC.

    :param support: "supported", "part" or "not".
    :param why: what there is, and what there is not.
    :param sections: those that are obeyed and cited.
    """

    rfc: int
    title: str
    chapter: str
    support: str
    why: str
    sections: tuple[str, ...]


def citations(root: Path = ROOT / "pbx") -> list[Citation]:
    """Every citation in the code below a folder; one of several sections counts for each."""
    return [one for path in sorted(root.rglob("*.py")) for one in _cited(path)]


def _cited(path: Path) -> Iterator[Citation]:
    text = path.read_text()
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    # A citation may be folded; a blank for each character keeps its place.
    folded = _FOLD.sub(lambda fold: " " + "\0" * (len(fold[0]) - 1), text)
    squeezed, places = [], []
    for place, letter in enumerate(folded):
        if letter != "\0":
            squeezed.append(letter)
            places.append(place)
    for found in _CITATION.finditer("".join(squeezed)):
        line = text.count("\n", 0, places[found.start()]) + 1
        for section in re.findall(_SECTION, found[2]) or [""]:
            yield Citation(int(found[1]), section, name, line)


def entries(source: Path = SOURCE) -> list[Entry]:
    """What docs/rfc.toml says, in its order.

    :raises ValueError: an entry lacks something, or says what no entry says.
    """
    return [
        _entry(chapter, int(number), table) for chapter, number, table in _tables(tomllib.loads(source.read_text()))
    ]


def _tables(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for chapter, tables in document.items():
        for number, table in tables.items():
            yield chapter, number, table


def _entry(chapter: str, number: int, table: dict[str, Any]) -> Entry:
    missing = {"title", "support", "why"} - table.keys()
    unknown = table.keys() - {"title", "support", "why", "sections"}
    if missing or unknown or table["support"] not in SUPPORT:
        raise ValueError(
            f"RFC {number}: lacks {sorted(missing)}, has {sorted(unknown)}, or its support is none of ours"
        )
    return Entry(number, table["title"], chapter, table["support"], table["why"], tuple(table.get("sections", ())))


def is_cited(entry: Entry, section: str, cited: list[Citation]) -> bool:
    """Whether the code cites a section, or one below it."""
    return any(
        one.rfc == entry.rfc and (one.section == section or one.section.startswith(f"{section}.")) for one in cited
    )


def page(listed: list[Entry]) -> str:
    """The page that says it all."""
    lines = [
        "# RFCs",
        "",
        "What this version does of each standard that it touches, and what it does not. Made by `make docs` from",
        "`docs/rfc.toml`; a test fails where a section that stands here is cited nowhere in the code.",
        "`python -m tools.rfc 3261` tells where an RFC is cited.",
    ]
    for chapter in dict.fromkeys(entry.chapter for entry in listed):
        lines += ["", f"## {chapter}", "", "| RFC | subject | support | what and why | sections in the code |"]
        lines.append("|---|---|---|---|---|")
        lines += [_row(entry) for entry in listed if entry.chapter == chapter]
    return "\n".join(lines) + "\n"


def _row(entry: Entry) -> str:
    number = f"[{entry.rfc}](https://www.rfc-editor.org/rfc/rfc{entry.rfc})"
    sections = ", ".join(entry.sections)
    return f"| {number} | {entry.title} | {SUPPORT[entry.support]} | {entry.why} | {sections} |"


def main(arguments: list[str]) -> None:
    """Write the page; with the numbers of RFCs, tell where these are cited."""
    if not arguments:
        PAGE.write_text(page(entries()))
    for one in citations():
        if str(one.rfc) in arguments:
            print(f"{one.path}:{one.line}: RFC {one.rfc} {one.section}".rstrip())


if __name__ == "__main__":
    main(sys.argv[1:])
