"""Whole routes, for what needs no coroutine of its own: `plan.internal("<number:2XXX>")(voicemail())`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from pbx.dialplan.call import Call
from pbx.dialplan.checks import checked_redirection
from pbx.exchange.target import UriTarget
from pbx.features.voicemail.mailbox import BUSY, UNAVAILABLE, MailboxTarget, mailbox

WholeRoute = Callable[..., Coroutine[Any, Any, None]]


def voicemail(box: MailboxTarget | None = None, greeting: str = UNAVAILABLE) -> WholeRoute:
    """Take messages.

    :param box: whose mailbox; None for the one that the first part of the pattern names, or else the number dialled.
    :param greeting: why there is nobody: "unavailable" or "busy".
    """
    if greeting not in (UNAVAILABLE, BUSY):
        raise ValueError(f'voicemail(): greeting is "unavailable" or "busy", not {greeting!r}')

    async def take_message(call: Call[Any], **values: object) -> None:
        await call.voicemail(box or mailbox(str(next(iter(values.values()), call.number))), greeting)

    return take_message


def voicemail_menu(box: MailboxTarget | None = None) -> WholeRoute:
    """Let callers hear their messages.

    :param box: whose mailbox; None for the caller's own.
    """

    async def hear_messages(call: Call[Any], **values: object) -> None:
        await call.voicemail_menu(box)

    return hear_messages


def redirect(*targets: UriTarget | str, status: int = 302) -> WholeRoute:
    """The route that tells every caller's phone other addresses to call: see `Call.redirect`.

    :param targets: SIP URIs, the preferred one first.
    :param status: 300 to 399; 301 means for ever.
    :raises TypeError: at load, when a target is no address; ValueError when it is none that can be called.
    """
    checked_redirection(targets, status)

    async def redirected(call: Call[Any], **dialled: object) -> None:
        await call.redirect(*targets, status=status)

    return redirected
