"""docs/rfc.md says what is true: each section that it lists is cited in the code, and no RFC cited there is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import rfc

ENTRIES = rfc.entries()
CITATIONS = rfc.citations()


def test_page_is_up_to_date():
    assert rfc.page(ENTRIES) == rfc.PAGE.read_text(), "make docs"


def test_every_section_that_is_listed_is_cited():
    missing = [
        f"RFC {entry.rfc} {section}"
        for entry in ENTRIES
        for section in entry.sections
        if not rfc.is_cited(entry, section, CITATIONS)
    ]
    assert not missing, "cited nowhere in pbx/: cite them where they are obeyed, or strike them from docs/rfc.toml"


def test_every_rfc_that_is_cited_is_listed():
    listed = {entry.rfc for entry in ENTRIES}
    missing = [f"{one.path}:{one.line}: RFC {one.rfc}" for one in CITATIONS if one.rfc not in listed]
    assert not missing, "say in docs/rfc.toml what is supported of them"


def test_what_is_not_supported_lists_no_section():
    assert not [entry.rfc for entry in ENTRIES if entry.support == "not" and entry.sections]


def test_entries_of_each_chapter_stand_in_order():
    for chapter in {entry.chapter for entry in ENTRIES}:
        numbers = [entry.rfc for entry in ENTRIES if entry.chapter == chapter]
        assert numbers == sorted(numbers)
    assert len({entry.rfc for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize(
    ("text", "cited"),
    [
        ('"""Law (RFC 3261)."""', [(3261, "")]),
        ("x = 1  # RFC 3261 8.2.2.2", [(3261, "8.2.2.2")]),
        ("# RFC 3263 4.2: the addresses", [(3263, "4.2")]),
        ("# see RFC 3261 section 17.1.1.3", [(3261, "17.1.1.3")]),
        ("# RFC 3261 sections 20.4, 20.30 and 20.34.", [(3261, "20.4"), (3261, "20.30"), (3261, "20.34")]),
        ("# as RFC\n    # 3261 section\n    # 12.2.1.1 wants", [(3261, "12.2.1.1")]),
        ("# RFC 3261 17.1, RFC 6026 7.2", [(3261, "17.1"), (6026, "7.2")]),
        ("# RFC 3261 wants 8.1", [(3261, "")]),
        ("# RFC 32611 8.1", []),
    ],
)
def test_citation_is_found(tmp_path: Path, text, cited):
    (tmp_path / "one.py").write_text(f"\n{text}\n")
    found = rfc.citations(tmp_path)
    assert [(one.rfc, one.section) for one in found] == cited
    assert all(one.line == 2 for one in found)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ('support = "part"\nwhy = ""', "title"),
        ('title = ""\nsupport = "wholly"\nwhy = ""', "none of ours"),
        ('title = ""\nsupport = "part"\nwhy = ""\nsection = []', "section"),
    ],
)
def test_entry_that_says_something_else_is_refused(tmp_path: Path, lines, complaint):
    source = tmp_path / "rfc.toml"
    source.write_text(f"[SIP.3261]\n{lines}\n")
    with pytest.raises(ValueError, match=complaint):
        rfc.entries(source)


def test_section_is_cited_by_one_below_it():
    entry = rfc.Entry(3261, "", "SIP", "part", "", ("8.2",))
    assert rfc.is_cited(entry, "8.2", [rfc.Citation(3261, "8.2.1", "", 1)])
    assert not rfc.is_cited(entry, "8.2", [rfc.Citation(3261, "8.20", "", 1), rfc.Citation(3263, "8.2", "", 1)])
