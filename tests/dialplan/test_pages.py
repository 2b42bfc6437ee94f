"""Every code block of docs/dialplan is run: the dialplan of a section is loaded, then its tests are called."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pbx.dialplan import Plan
from pbx.dialplan.loading import doubtful, load
from tools import reference

ROOT = Path(__file__).parents[2]
PAGES = ("tutorial", "cookbook")
GREETING = ROOT / "pbx" / "media" / "prompts" / "welcome.wav"
FEWEST_RECIPES = 20
_FILE = re.compile(r"^`(\S+)`.*?```\w+\n(.*?)```", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def sections(page: str) -> list[tuple[str, list[str]]]:
    """The heading of each section that has code, and its blocks."""
    text = (ROOT / "docs" / "dialplan" / f"{page}.md").read_text()
    parts = [part.partition("\n") for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]]
    return [(heading, blocks) for heading, _, body in parts if (blocks := _BLOCK.findall(body))]


SECTIONS = [(page, *section) for page in PAGES for section in sections(page)]


@pytest.mark.parametrize(("page", "heading", "blocks"), SECTIONS, ids=[f"{one[0]}-{one[1]}" for one in SECTIONS])
def test_the_code_of_a_section_does_what_it_says(tmp_path: Path, page: str, heading: str, blocks: list[str]) -> None:
    plan_text, tests = blocks
    file = tmp_path / "dialplan.py"
    file.write_text(plan_text)
    plan = load(file, lambda number: True)
    assert isinstance(plan, Plan)
    expected = ["costs money"] if heading == "Call through" else ["shared by all calls"] * 2 * heading.startswith("7.")
    assert [fault.what for fault in doubtful(str(file), plan) if not any(word in fault.what for word in expected)] == []
    names: dict[str, Any] = {"plan": plan}
    exec(compile(tests, f"{page}.md: {heading}", "exec"), names)
    found = [test for name, test in names.items() if name.startswith("test_")]
    assert found
    for test in found:
        test()


def test_there_are_recipes_enough() -> None:
    assert len(sections("cookbook")) >= FEWEST_RECIPES


def test_the_tasks_are_three_files_whose_tests_pass(tmp_path: Path) -> None:
    files = dict(_FILE.findall((ROOT / "docs" / "dialplan" / "tasks.md").read_text()))
    assert sorted(files) == ["plan.py", "test_plan.py", "users.toml"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    greeting = tmp_path / "prompts" / "greetings" / "sales-unavailable.wav"
    greeting.parent.mkdir(parents=True)
    greeting.write_bytes(GREETING.read_bytes())
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert (done.returncode, "10 passed" in done.stdout) == (0, True), done.stdout


def test_every_block_of_the_other_pages_is_a_dialplan(tmp_path: Path) -> None:
    file = tmp_path / "dialplan.py"
    for page in (ROOT / "docs" / "dialplan").glob("*.md"):
        if page.stem not in (*PAGES, "tasks"):
            for block in _BLOCK.findall(page.read_text()):
                file.write_text(block)
                assert isinstance(load(file, lambda number: True), Plan)


def test_no_code_stands_outside_of_a_section() -> None:
    for page in PAGES:
        text = (ROOT / "docs" / "dialplan" / f"{page}.md").read_text()
        assert sum(len(blocks) for _, blocks in sections(page)) == len(_BLOCK.findall(text))


def test_the_reference_is_current() -> None:
    assert reference.PAGE.read_text() == reference.page(), "a docstring or a signature has changed: `make docs`"


def test_what_comes_from_asterisk_leads_to_words_that_there_are() -> None:
    """Each word of ours in the right column stands in the reference, in the docs, or is one of the `pbx` command's."""
    table = (ROOT / "docs" / "dialplan" / "asterisk.md").read_text()
    known = reference.PAGE.read_text()
    for verb in set(re.findall(r"`(?:await )?(?:async with )?(call\.\w+|plan\.\w+)", table)):
        assert f"{verb}`" in known or f"{verb}(" in known, verb
