"""Checks of what is passed to verbs: a mistake is one clear sentence at the line that made it."""

from __future__ import annotations

import math


def check_seconds(verb: str, name: str, value: object) -> None:
    """Accept seconds, fractions too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{verb}(): {name} is a number of seconds, not {value!r}")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{verb}(): {name} is in seconds and cannot be {value!r}")


def check_timer(verb: str, name: str, value: object) -> None:
    """Accept seconds that pass."""
    check_seconds(verb, name, value)
    if value == 0:
        raise ValueError(f"{verb}(): {name} is in seconds and must be > 0")


def check_count(verb: str, name: str, value: object, highest: int) -> None:
    """Accept 1 to a highest number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{verb}(): {name} is a number, not {value!r}")
    if not 1 <= value <= highest:
        raise ValueError(f"{verb}(): {name} is 1 to {highest}, not {value}")


def check_status(verb: str, status: object, lowest: int, highest: int) -> None:
    """Accept a status of SIP between these two."""
    if isinstance(status, bool) or not isinstance(status, int):
        raise TypeError(f"{verb}(): status is a number, not {status!r}")
    if not lowest <= status <= highest:
        raise ValueError(f"{verb}(): status is {lowest} to {highest}, not {status}")
