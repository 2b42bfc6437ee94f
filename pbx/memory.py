"""Memory: what the collector and the kernel are told of all that is there before the first call."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from pathlib import Path

COLLECTIONS = (50_000, 20, 100)  # calls leave no cycles behind (tests/flows/test_memory.py): seldom is enough
HUGE = 2 << 20  # bytes in a huge page
_MAPS = Path("/proc/self/maps")
_COLLAPSE = 25  # MADV_COLLAPSE of madvise(2), which Python has no name for


def spare_the_collector() -> None:
    """Let the garbage collector look at calls, and not again and again at what was there before the first one."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def use_huge_pages() -> int:
    """Let the heap lie in huge pages: between two messages the processor forgets where thousands of small ones are.

    :returns: of how many bytes that is true now; 0 where the kernel cannot (Linux before 6.1, or built without).
    """
    try:
        areas = list(_heap(_MAPS.read_text()))
    except OSError:
        return 0
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    return sum(size for start, size in areas if madvise(start, size, _COLLAPSE) == 0)


def _heap(maps: str) -> Iterator[tuple[int, int]]:
    """Where a process has memory of its own, without the stacks: the address and the size of all whole huge pages.

    :param maps: proc_pid_maps(5).
    """
    for line in maps.splitlines():
        area, access, _, _, inode, *name = line.split()
        if access == "rw-p" and inode == "0" and name in ([], ["[heap]"]):
            start, end = (int(address, 16) for address in area.split("-"))
            start = -(-start // HUGE) * HUGE
            if end - start >= HUGE:
                yield start, (end - start) // HUGE * HUGE
