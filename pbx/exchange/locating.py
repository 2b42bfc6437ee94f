"""Locating: where all targets of one `dial` are rung, and the outcomes of those that cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from pbx.exchange.destination import Destination
from pbx.exchange.outcome import Failed, Outcome
from pbx.exchange.target import ExtensionTarget, Target


class Board(Protocol):
    """Who knows where targets are: the switchboard."""

    def locate(self, target: Target, secure: bool) -> list[Destination] | Outcome:
        """Where a target is rung; or the outcome when it cannot be."""


def located(
    board: Board, targets: Iterable[Target], secure: bool, only: tuple[str, str], hops: int
) -> tuple[list[Destination], list[Outcome]]:
    """All places to ring, and the outcomes of the targets that have none.

    :param secure: whether the caller asked for a SIPS URI.
    :param only: a number, and the only phone of it that is meant, where somebody has called its GRUU; "" for all.
    :param hops: what Max-Forwards allows (RFC 3261 16.3).
    """
    number, instance = only
    destinations: list[Destination] = []
    lost: list[Outcome] = []
    for target in targets:
        if hops < 0:
            lost.append(Failed(483, "too many hops", by=target))
            continue
        if instance and target == ExtensionTarget(number):
            target = ExtensionTarget(number, instance)
        found = board.locate(target, secure)
        if isinstance(found, list):
            destinations.extend(found)
        else:
            lost.append(found)
    return destinations, lost
