"""How often a repeated test repeats: little in `make test`, the full count in `make soak`."""

from __future__ import annotations

import os

FULL = os.environ.get("PBX_COUNTS") == "full"


def count(small: int, full: int) -> int:
    """Return `full` under `make soak` (`PBX_COUNTS=full`), else `small`.

    :param small: what shows the behaviour within seconds.
    :param full: the count that the requirement names.
    """
    return full if FULL else small
