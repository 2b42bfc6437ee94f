"""Transfer: a party leaves, and connects those with each other whom it talks to in two calls (REFER with Replaces, RFC
5589 section 7). Both calls are ours, and both are the transferor's own.
"""

from __future__ import annotations

from typing import Protocol

from pbx.exchange.caller import Source
from pbx.exchange.party import Party
from pbx.sip.flow import hostport_of
from pbx.sip.headers import P_ASSERTED_IDENTITY, Field
from pbx.sip.refer import Referral
from pbx.sip.session import Session


class Sessions(Protocol):
    """Where sessions are found: the user agent."""

    def session_of(self, key: tuple[str, str, str]) -> Session | None:
        """The session with a dialog ID; None when there is none, or no more."""


def transfer(sessions: Sessions, party: Party, referral: Referral) -> None:
    """Do what a party asks for with a REFER in its call, or refuse it; the calls go on then."""
    wanted = referral.replaces
    if not party.number or wanted is None or referral.method != "INVITE":
        referral.refuse(403)  # to call somebody else for it, nobody may ask yet
        return
    session = sessions.session_of((wanted.call_id, wanted.to_tag, wanted.from_tag))
    consulting = session.user if session is not None else None
    if not isinstance(consulting, Party):
        referral.refuse(481)  # RFC 3891 section 3
        return
    remaining, target = party.other, consulting.other
    if consulting is party or consulting.number != party.number:
        referral.refuse(403, "that call is not yours")
    elif not (_is_talking(party) and _is_talking(consulting)) or remaining is None or target is None:
        referral.refuse(403, "nobody has answered that call")
    else:
        party.lingers = True
        referral.accept()
        referral.end(200)
        if target.user.leads(target) and not remaining.user.leads(remaining):
            # The call goes on whose caller stays: its dialplan has still something to say.
            party, consulting, target = consulting, party, remaining
        consulting.user.give_away(target)
        party.user.replace(party, target)


def named(party: Party) -> tuple[Field, ...]:
    """Who a party is, as the one that it is connected to is told from now on (RFC 3325 9.1)."""
    identity, other = party.identity, party.other
    if identity.source is Source.ANONYMOUS or not identity.number or identity.is_private:
        return ()
    if other is None or other.session.dialog is None:
        return ()
    return (P_ASSERTED_IDENTITY.field(identity.shown_at(hostport_of(other.session.dialog.flow))),)


def _is_talking(party: Party) -> bool:
    return party.answered and party.other is not None and party.other.answered
