"""What the documents say is there is there: every link leads to something, and the example on the first page works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pbx.dialplan import Plan

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("newsfragments/*.md")])


def anchors(document: Path) -> set[str]:
    """The names by which its headings can be reached."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document):
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if not re.match(r"[a-z]+:", link):
            path, _, anchor = link.partition("#")
            target = document.parent / path if path else document
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_of_ours_that_is_named_exists(document):
    folders = "bench|docs|etc|fuzz|migrations|newsfragments|pbx|tests|tools|twisted"
    for name in re.findall(rf"`((?:{folders})/[^`\s]*)`", document.read_text()):
        assert (ROOT / name).exists(), name


def test_example_on_the_first_page_is_a_dialplan():
    (example,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), names)
    assert isinstance(names["plan"], Plan)


def test_every_target_of_make_that_the_documents_name_exists():
    said = {
        word
        for path in DOCUMENTS
        for words in re.findall(r"make ([a-z]+(?: [a-z]+)*)`", path.read_text())
        for word in words.split()
    }
    assert {"run", "test", "lint", "soak", "fuzz", "bench"} <= said
    for target in said:
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)
