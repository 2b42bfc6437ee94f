"""What one source and one account may do before it is banned, or limited: the defaults suit an office."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class Thresholds:
    """`[security]`: who is never banned, what is counted, and for how long it counts.

    :param allow: the networks whose requests are neither counted nor limited.
    :param failures: wrong passwords, and the like, of one source or account; one is forgiven a minute.
    :param requests_per_second: what one source may ask for without a password; half a minute's worth at once.
    :param ban: how long the first ban lasts, in seconds; each further one five times as long.
    :param longest_ban: how long a ban lasts at most, in seconds.
    :param account_requests_per_second: what one account may ask for; a minute's worth at once.
    :param calls_at_once: calls of one account, where its extension does not say it; 0 for no limit, as below.
    :param calls_per_hour: calls that one account may make.
    :param destinations_per_hour: different numbers that one account may call.
    """

    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    failures: int = 10
    requests_per_second: int = 20
    ban: int = 60
    longest_ban: int = 86400
    account_requests_per_second: int = 10
    calls_at_once: int = 20
    calls_per_hour: int = 300
    destinations_per_hour: int = 100
