"""A destination: one place where a target is rung, found when the call is made."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.exchange.target import Target
from pbx.sip.flow import Flow
from pbx.sip.uac import Policy

PLAIN = Policy()


@dataclass(frozen=True, slots=True)
class Destination:
    """One address to send an INVITE to.

    :param target: what the dialplan asked for.
    :param uri: the Request-URI.
    :param callee: the URI for To: who is called, as the callee may know it.
    :param flow: the way there; None where it is found when the INVITE is to be sent.
    :param neighbour: whether the callee itself is at the other end of that flow, as a registered phone is.
    :param policy: how the INVITE is delivered; neighbours have but the one way.
    """

    target: Target
    uri: str
    callee: str
    flow: Flow | None
    neighbour: bool
    policy: Policy = PLAIN
