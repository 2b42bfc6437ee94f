"""Checks of what is passed to verbs: a mistake is one clear sentence at the line that made it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from pbx.exchange.group import GroupTarget
from pbx.exchange.target import ExtensionTarget, TrunkName, TrunkTarget, UriTarget, uri

_NUMBER = re.compile(r"[A-Za-z0-9+*#._-]{1,64}", re.ASCII)
_CALLEES = (ExtensionTarget, GroupTarget, UriTarget, TrunkTarget)


def check_seconds(verb: str, name: str, value: object) -> None:
    """Accept seconds, fractions too."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{verb}(): {name} is a number of seconds, not {value!r}")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{verb}(): {name} is in seconds and cannot be {value!r}")


def check_timer(verb: str, name: str, value: object) -> None:
    """Accept seconds that pass."""
    if type(value) in (int, float) and 0 < value < math.inf:  # type: ignore[operator]
        return  # a sound timer, without another function: each attempt to reach somebody has one
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


def check_targets(verb: str, targets: Sequence[object]) -> None:
    """Accept targets, one at least."""
    if not targets:
        raise ValueError(f'{verb}() needs somebody to call, for example ext("101")')
    for target in targets:
        if isinstance(target, TrunkName):
            raise TypeError(f'{verb}() calls a number by a trunk: trunk("{target}").to(number)')
        if not isinstance(target, _CALLEES):
            raise TypeError(f'{verb}() calls targets such as ext("101") or uri("sip:..."), not {target!r}')


def checked_caller_id(verb: str, caller_id: object) -> str:
    """The number to show, checked; "" for none."""
    if caller_id is not None and not isinstance(caller_id, str):
        raise TypeError(f"{verb}(): caller_id is a number as text, not {caller_id!r}")
    if caller_id and not _NUMBER.fullmatch(caller_id):
        raise ValueError(f"{verb}(): caller_id is a number, not {caller_id!r}")
    return caller_id or ""


def checked_redirection(targets: Sequence[UriTarget | str], status: int) -> list[str]:
    """The addresses of a redirection, checked."""
    if not targets:
        raise ValueError('redirect() needs an address, for example "sip:desk@example.org"')
    check_status("redirect", status, 300, 399)
    return [target.uri if isinstance(target, UriTarget) else _checked_uri(target) for target in targets]


def _checked_uri(target: object) -> str:
    if not isinstance(target, str):
        raise TypeError(f'redirect() takes addresses such as "sip:desk@example.org", not {target!r}')
    return uri(target).uri
