"""Locating: where all targets of one `dial` are rung, at once or in turn, and the outcomes of those that cannot be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Protocol

from pbx.exchange.destination import Destination
from pbx.exchange.extension import Extension
from pbx.exchange.forwarding import patience, unwanted
from pbx.exchange.group import Callee, GroupTarget, Strategy
from pbx.exchange.hunt import Hunt, Round
from pbx.exchange.outcome import Attempt, Busy, Failed, Outcome
from pbx.exchange.target import ExtensionTarget, Target
from pbx.exchange.turns import Turns


class Board(Protocol):
    """Who knows where targets are: the switchboard."""

    @property
    def turns(self) -> Turns: ...

    def locate(self, target: Target, secure: bool, beside: Sequence[Destination] = ()) -> list[Destination] | Outcome:
        """Where a target is rung, beside others; or the outcome when it cannot be."""

    def account(self, number: str) -> Extension | None:
        """The extension with a number, or with an alias; None when there is none."""

    def is_engaged(self, number: str) -> bool:
        """Whether an extension is in a call."""

    def calls_of(self, number: str) -> int:
        """In how many calls an extension is, those included that ring at its phones."""


def located(
    board: Board,
    caller: str,
    targets: Iterable[Callee],
    secure: bool,
    only: tuple[str, str],
    hops: int,
    forwarding: bool = False,
) -> tuple[list[Destination], list[Outcome], list[Hunt]]:
    """All places to ring, and the outcomes of the targets that have none.

    :param caller: the extension that calls: its own group does not ring it; "" for others.
    :param secure: whether the caller asked for a SIPS URI.
    :param only: a number, and the only phone of it that is meant, where somebody has called its GRUU; "" for all.
    :param hops: what Max-Forwards allows (RFC 3261 16.3).
    :param forwarding: whether extensions are rung for as long as they have set, before others are in their place; the
        members of a group where that says so, too.
    :returns: where to ring at once, the outcomes of those that cannot be rung, and who is rung in turn.
    """
    number, instance = only
    destinations: list[Destination] = []
    lost: list[Outcome] = []
    hunts: list[Hunt] = []
    for target in targets:
        if hops < 0:
            members = target.members if isinstance(target, GroupTarget) else (target,)
            lost.extend([Failed(483, "too many hops", by=member) for member in members])
        elif isinstance(target, GroupTarget):
            if target.strategy is Strategy.ALL_AT_ONCE:
                phones, gone = _located(board, caller, target, target.members, secure, forwarding)
                destinations.extend(phones)
                lost.extend(gone)
            else:
                hunts.append(Hunt(_rounds(board, caller, target, secure, forwarding), target.ring_for))
        else:
            if not isinstance(target, ExtensionTarget):
                place = board.locate(target, secure, destinations)
            else:
                if instance and target == ExtensionTarget(number):
                    target = ExtensionTarget(number, instance)
                place = _place(board, target, secure, forwarding)
            if isinstance(place, list):
                destinations.extend(place)
            else:
                lost.append(place)
    return destinations, lost, hunts


def _rounds(board: Board, caller: str, group: GroupTarget, secure: bool, forwarding: bool) -> Iterator[Round]:
    if group.strategy is Strategy.BY_Q:
        destinations, lost = _located(board, caller, group, group.members, secure, forwarding)
        yield (), lost
        destinations.sort(key=_preference, reverse=True)
        for _, phones in groupby(destinations, _preference):
            yield list(phones), ()
        return
    for member in board.turns.next(group):
        yield _located(board, caller, group, (member,), secure, forwarding)


def _located(
    board: Board, caller: str, group: GroupTarget, members: Iterable[ExtensionTarget], secure: bool, forwarding: bool
) -> tuple[list[Destination], list[Outcome]]:
    """Where members of a group are rung; each that cannot be has its attempt, too."""
    destinations: list[Destination] = []
    lost: list[Outcome] = []
    for member in members:
        found: list[Destination] | Outcome
        if member.number == caller or (group.skip_busy and board.is_engaged(member.number)):
            found = Busy(by=member, attempts=(Attempt(member, 486, "is in a call", None),))
        else:
            found = _place(board, member, secure, forwarding and group.forwarding)
        if isinstance(found, list):
            destinations.extend(found)
        elif found.attempts:
            lost.append(found)
        else:
            lost.append(replace(found, attempts=(Attempt(member, found.code, found.text, None),)))
    return destinations, lost


def _place(board: Board, target: ExtensionTarget, secure: bool, forwarding: bool) -> list[Destination] | Outcome:
    """Where an extension is rung; or the outcome when it cannot be, or does not want to."""
    extension = board.account(target.number)
    if extension is None:
        return board.locate(target, secure)
    outcome = unwanted(extension, target, board.calls_of)
    if outcome is not None:
        return outcome
    place = board.locate(target, secure)
    if forwarding and isinstance(place, list):
        place = [phone._replace(patience=patience(extension, phone.patience)) for phone in place]
    return place


def _preference(destination: Destination) -> float:
    return destination.q
