"""A lamp: what phones show of a number. Whatever has a number and a state can have lamps: an extension, a switch."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pbx.exchange.caller import Caller


class Stage(Enum):
    """How far a dialog is (RFC 4235 3.7.1), as far as lamps tell it."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


EARLY, CONFIRMED, TERMINATED = Stage.EARLY, Stage.CONFIRMED, Stage.TERMINATED


@dataclass(frozen=True, slots=True)
class LampDialog:
    """One dialog of a number (RFC 4235 4.1).

    :param id: tells it apart from others of that number, for as long as it lasts.
    :param is_incoming: whether somebody calls the number; None where nobody calls anybody.
    :param call_id: of the dialog that its phone has with us; "" while there is none, and for none.
    :param local_tag: the phone's.
    :param remote_tag: ours.
    :param peer: who is at the other end; None when that is not known.
    :param is_held: whether the phone has put the other end on hold.
    """

    id: str
    stage: Stage
    is_incoming: bool | None = None
    call_id: str = ""
    local_tag: str = ""
    remote_tag: str = ""
    peer: Caller | None = None
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Lamp:
    """The state of one number.

    :param dialogs: all of it; the last one that has ended, while there is no newer one.
    :param is_reachable: whether a call could get there: of an extension, whether any phone is registered.
    """

    dialogs: tuple[LampDialog, ...] = ()
    is_reachable: bool = True
