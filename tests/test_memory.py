"""What the kernel is told of the heap."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pbx.memory import HUGE, _heap

GROWN = """
import pathlib
from pbx.memory import use_huge_pages
kept = [{"number": n} for n in range(200_000)]
print(use_huge_pages())
assert all(one["number"] == n for n, one in enumerate(kept))
print(pathlib.Path("/proc/self/smaps").read_text())
"""


def test_the_heap_lies_in_huge_pages_and_holds_what_it_held() -> None:
    ended = subprocess.run([sys.executable, "-c", GROWN], capture_output=True, text=True, check=True)
    told, smaps = ended.stdout.split("\n", 1)
    huge = sum(1024 * int(kilobytes) for kilobytes in re.findall(r"^AnonHugePages: +(\d+) kB$", smaps, re.MULTILINE))
    # Where the kernel cannot, it says 0, and nothing else has changed.
    assert int(told) % HUGE == 0
    assert huge >= int(told)


def test_without_a_list_of_its_areas_there_are_none(tmp_path: Path) -> None:
    program = GROWN.replace("kept =", "import pbx.memory\npbx.memory._MAPS = pathlib.Path('nowhere')\nkept =")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert ended.stdout.startswith("0\n")


def test_only_whole_huge_pages_of_the_process_s_own_memory_are_meant() -> None:
    maps = """\
558e39ead000-558e3b162000 rw-p 00000000 00:00 0                          [heap]
7f5dbac42000-7f5dbac43000 rw-p 00000000 00:00 0
7f5dbb000000-7f5dbb400000 rw-p 00000000 00:00 0
7f5dbc000000-7f5dbc400000 rw-p 00000000 fe:00 26933                      /usr/lib/lib with spaces.so
7f5dbd000000-7f5dbd400000 r-xp 00000000 00:00 0
7f5dbe000000-7f5dbe400000 rw-s 00000000 00:00 0
7ffd1f2c0000-7ffd1f8e1000 rw-p 00000000 00:00 0                          [stack]
"""
    assert list(_heap(maps)) == [(0x558E3A000000, 0x1000000), (0x7F5DBB000000, 0x400000)]
