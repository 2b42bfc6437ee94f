"""All accounts at one moment, as the database holds them: what the directory is filled with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from pbx.exchange.extension import Extension
from pbx.exchange.trunk import Trunk


class Accounts(NamedTuple):
    """Rows of the administrators' tables.

    :ivar extensions: all of them, the disabled ones too.
    :ivar aliases: the number that each other name means.
    :ivar permissions: who may register whom beside itself (RFC 3261 10.2): pairs of numbers.
    :ivar trunks: all trunks, the disabled ones too.
    """

    extensions: Sequence[Extension]
    aliases: Mapping[str, str] = {}
    permissions: Set[tuple[str, str]] = frozenset()
    trunks: Sequence[Trunk] = ()
