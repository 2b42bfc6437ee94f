"""Whole routes in one line: `plan.internal("900")(redirect("sip:desk@example.org"))`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from pbx.dialplan.call import Call, checked_redirection
from pbx.exchange.target import UriTarget

WholeRoute = Callable[..., Coroutine[Any, Any, None]]


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
