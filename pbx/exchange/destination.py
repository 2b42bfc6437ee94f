"""A destination: one place where a target is rung, found when the call is made."""

from __future__ import annotations

from typing import NamedTuple

from pbx.exchange.link import Link
from pbx.exchange.target import Target
from pbx.sip.flow import Flow
from pbx.sip.uac import Policy

PLAIN = Policy()


class Destination(NamedTuple):
    """One address to send an INVITE to.

    :param target: what the dialplan asked for.
    :param uri: the Request-URI.
    :param callee: the URI for To: who is called, as the callee may know it.
    :param flow: the way there; None where it is found when the INVITE is to be sent.
    :param neighbour: whether the callee itself is at the other end of that flow, as a registered phone is.
    :param policy: how the INVITE is delivered; neighbours have but the one way.
    :param patience: seconds that this one is rung at most; 0.0 for as long as all are.
    :param others: other ways to the same phone, to be tried one after the other where this one has failed (RFC 5626
        section 7).
    :param number: the extension whose phone it is; "" for none.
    :param link: the trunk that leads there; None where none does.
    :param q: how much the extension prefers this phone to its others, 0.0 to 1.0.
    """

    target: Target
    uri: str
    callee: str
    flow: Flow | None
    neighbour: bool
    policy: Policy = PLAIN
    patience: float = 0.0
    others: tuple[Destination, ...] = ()
    number: str = ""
    link: Link | None = None
    q: float = 1.0

    def instead(self, status: int) -> Destination | None:
        """The way to try in place of this one, which ended so; None where there is no other, or the phone has spoken.

        :param status: 430 when the flow has failed, 408 when nothing came back.
        """
        if status not in (408, 430) or not self.others:
            return None
        return self.others[0]._replace(others=self.others[1:])
