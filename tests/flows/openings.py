"""How flows begin: two talk, one of them calls a third, one asks the exchange for a transfer; and how they end."""

from __future__ import annotations

from typing import Any

from pbx.sip.headers import REPLACES
from pbx.sip.lasting_session import LastingSession
from pbx.sip.message import Request
from pbx.sip.parser import parse
from pbx.testing.exchange import SimulatedExchange, is_sip
from pbx.testing.phone import Phone
from pbx.testing.phone_call import PhoneCall
from pbx.testing.watch import Transfer


def connect(sim: Any, caller: Phone, callee: Phone, ready: Phone | None = None) -> None:
    """One calls another, who answers.

    :param ready: who of the two is to change the session next, or to transfer the other; None for nobody.
    """
    caller.invites(callee.number)
    sim.until(lambda: callee.ringing)
    callee.answers()
    sim.until(lambda: caller.talking and (ready is None or ready.may_offer))


def consult(sim: Any, phone: Phone, colleague: Phone) -> tuple[PhoneCall, PhoneCall]:
    """Call a colleague in a second call; return both, the first one first."""
    sim.until(lambda: phone.may_offer)
    first = call_of(phone)
    phone.call = None
    connect(sim, phone, colleague, ready=colleague)
    return first, call_of(phone)


def ring(sim: Any, phone: Phone, colleague: Phone, number: str = "", offer: bool = True) -> tuple[PhoneCall, PhoneCall]:
    """Call a colleague in a second call, which rings; return both, the first one first. Where the network has lost the
    180 there is no dialog to name yet: then it is dialled again.

    :param number: what is dialled; "" for the colleague's own.
    :param offer: whether its INVITE offers anything.
    """
    sim.until(lambda: phone.may_offer)
    first = call_of(phone)
    while not phone.hears_ringing:
        if not phone.idle and phone.call is not first:
            phone.hangs_up()
            sim.until(lambda: colleague.idle)
        phone.call = None
        phone.invites(number or colleague.number, offer=offer)
        sim.until(lambda: colleague.ringing)
        sim.advance(1)
    return first, call_of(phone)


def visit(sim: Any, phone: Phone, number: str) -> tuple[PhoneCall, PhoneCall]:
    """Dial in a second call what the dialplan answers itself; return both, the first one first."""
    sim.until(lambda: phone.may_offer)
    first = call_of(phone)
    phone.call = None
    phone.invites(number)
    sim.until(lambda: phone.may_offer)
    return first, call_of(phone)


def naming(call: PhoneCall) -> str:
    """What names a call in a URI, for it to be replaced."""
    assert call.session is not None and call.session.dialog is not None
    call_id, local, remote = call.session.dialog.key
    return f"?Replaces={call_id}%3Bto-tag%3D{remote}%3Bfrom-tag%3D{local}"


def refer(phone: Phone, first: PhoneCall, second: PhoneCall) -> Transfer:
    """Connect those with each other whom a phone has in two calls."""
    phone.call = first
    return Transfer(phone, "sip:whoever@10.0.0.1" + naming(second))


def picks_up(phone: Phone, call: PhoneCall, offer: bool = True, more: str = "") -> None:
    """Take over a call of another phone.

    :param more: further parameters of the Replaces.
    """
    assert call.session is not None and call.session.dialog is not None
    call_id, local, remote = call.session.dialog.key
    replaces = REPLACES.field(f"{call_id};to-tag={remote};from-tag={local}{more}")
    phone.invites("1002", offer=offer, more=(replaces,))


def part(sim: Any, leaving: Phone, other: Phone, after: float = 16) -> None:
    """When all that is under way has come to its end the two hear each other, and one hangs up.

    :param after: seconds until that is so for certain.
    """
    sim.advance(after)
    assert sim.talk(leaving, other)
    leaving.hangs_up()
    sim.until(lambda: other.idle)


def early(sim: Any, caller: Phone, callee: Phone) -> None:
    """The caller hears what the callee says before it answers; each may change the session."""
    caller.invites(callee.number)
    sim.until(lambda: callee.ringing)
    callee.sends_early_media()
    sim.until(lambda: _may_update(caller) and _may_update(callee))
    sim.advance(2)


def updates(phone: Phone, direction: str = "sendrecv") -> None:
    """Offer something by UPDATE."""
    call = call_of(phone)
    assert isinstance(call.session, LastingSession)
    call.session.update(call.describe(direction))


def _may_update(phone: Phone) -> bool:
    session = call_of(phone).session
    return isinstance(session, LastingSession) and session.may_update


def call_of(phone: Phone) -> PhoneCall:
    """The call that a phone is in."""
    assert phone.call is not None
    return phone.call


def requests_to(sim: SimulatedExchange, phone: Phone, method: str, since: int = 0) -> list[Request]:
    """The requests that a phone was sent.

    :param since: how many datagrams there were before.
    """
    sent = [one for one in sim.network.sent[since:] if one.target[0] == phone.host and is_sip(one.packet)]
    found = [parse(one.packet) for one in sent if one.kind == method]
    return [one for one in found if isinstance(one, Request)]
