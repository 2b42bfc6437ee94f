"""Transfers as phones of a `Sim` do them: REFER alone, or with Replaces after a talk with a colleague (RFC 5589)."""

from __future__ import annotations

from urllib.parse import quote

from pbx.testing.clock import VirtualClock
from pbx.testing.phone import Phone
from pbx.testing.phone_call import PhoneCall
from pbx.testing.watch import Transfer

PATIENCE = 64.0  # seconds until a transfer is over, one way or the other


def send_on(clock: VirtualClock, phone: Phone, number: str) -> int:
    """Send whom a phone talks to to a number (RFC 5589 6); return the status of that call, or of the refusal."""
    clock.advance_until(lambda: phone.may_offer, PATIENCE)
    call = phone.call
    transfer = Transfer(phone, phone.address_of(number))
    clock.advance_until(lambda: transfer.over, PATIENCE)
    if transfer.status < 300 and call is not None and call.state != "over":
        phone.hangs_up()
    return transfer.status


def connect(clock: VirtualClock, phone: Phone, number: str, first: PhoneCall) -> int:
    """Connect whom a phone talks to in an earlier call with the number that it talks to now, or that rings for it
    (RFC 5589 7); return the status of that, or of the refusal."""
    clock.advance_until(lambda: phone.may_offer or phone.hears_ringing, PATIENCE)
    second = phone.call
    assert second is not None and second.session is not None and second.session.dialog is not None
    rings = phone.hears_ringing
    call_id, local, remote = second.session.dialog.key
    replaced = quote(f"{call_id};to-tag={remote};from-tag={local}", safe="")
    phone.call = first
    transfer = Transfer(phone, f"{phone.address_of(number)}?Replaces={replaced}")
    if rings:  # it is over for the one who asks when somebody answers
        clock.advance_until(lambda: transfer.over or second.state == "over", PATIENCE)
        return transfer.status or 180
    clock.advance_until(lambda: transfer.over and first.state == second.state == "over", PATIENCE)
    return transfer.status
