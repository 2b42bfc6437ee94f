"""A ban: one source that is not listened to for a while; a row of the table `bans`."""

from __future__ import annotations

from dataclasses import dataclass

BANS = 10_000
"""How many are remembered."""

MEMORY = 7 * 86400.0
"""Seconds after the end of a ban in which the next one of the same source counts as a further one."""


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban.

    :param address: the IPv4 address or IPv6 network.
    :param reason: for people: what came last.
    :param since: seconds since 1970.
    :param until: seconds since 1970.
    :param times: how many there were in a row, this one included; 0 where the source was not proven.
    """

    address: str
    reason: str
    since: float
    until: float
    times: int
