"""Who a caller is: what it has proven, whatever its From says, and what privacy leaves of that (RFC 3323, RFC 3325)."""

from __future__ import annotations

import re

import pytest

from pbx.sip.digest import parse_challenge
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.doors import plan
from tests.flows.office import ACCOUNTS, office
from tests.flows.raw import DESCRIPTION, Raw


def invite_to(sim: SimulatedExchange, phone: Phone) -> bytes:
    """The INVITE that a phone was sent last."""
    sent = [d.packet for d in sim.network.sent if d.target == phone.address and d.packet.startswith(b"INVITE")]
    return sent[-1]


def from_of(sim: SimulatedExchange, phone: Phone) -> str:
    """Its From."""
    return next(line[6:].decode() for line in invite_to(sim, phone).split(b"\r\n") if line.startswith(b"From: "))


@pytest.mark.parametrize("privacy", ["id", "user;critical", "header", "ID ; session"])
def test_caller_that_asks_for_privacy_is_named_to_nobody(privacy):
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    more = (
        ("privacy", "Privacy", privacy),
        ("subject", "Subject", "this is alice"),
        ("organization", "Organization", "alice's"),
        ("priority", "Priority", "urgent"),
    )
    call = alice.invites("1002", more=more)
    sim.until(lambda: 180 in call.progress)
    invite = invite_to(sim, bob)
    assert re.search(rb'\r\nFrom: "Anonymous" <sip:anonymous@anonymous.invalid>;tag=', invite)
    assert b"1001" not in invite and b"alice" not in invite.lower()
    assert b"Priority: urgent" in invite
    alice.hangs_up()
    sim.assert_idle()


def test_caller_that_asks_for_none_is_named():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    call = alice.invites("1002", more=(("privacy", "Privacy", "none"),))
    sim.until(lambda: 180 in call.progress)
    assert from_of(sim, bob).startswith('"Phone 1001" <sip:1001@')
    alice.hangs_up()
    sim.assert_idle()


def test_what_a_phone_asserts_is_removed_and_believed_of_nobody():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    more = (
        ("p-asserted-identity", "P-Asserted-Identity", "<sip:boss@10.0.0.1>"),
        ("p-preferred-identity", "P-Preferred-Identity", "<sip:boss@10.0.0.1>"),
        ("remote-party-id", "Remote-Party-ID", "<sip:boss@10.0.0.1>"),
    )
    call = alice.invites("1002", more=more)
    sim.until(lambda: 180 in call.progress)
    invite = invite_to(sim, bob)
    assert b"boss" not in invite
    assert from_of(sim, bob).startswith('"Phone 1001" <sip:1001@')
    alice.hangs_up()
    sim.assert_idle()


def test_caller_is_who_it_has_proven_to_be_whatever_its_from_says():
    sim, (bob, _) = office("1002", "1003", plan=plan)
    mallory = Raw(sim)
    liar = "<sip:1003@10.0.0.1>;tag=liar"
    mallory.sends("INVITE", "sip:1002@10.0.0.1", sender=liar)
    sim.until(lambda: mallory.statuses == [401])
    challenge = parse_challenge(mallory.responses[0].values("www-authenticate")[0])
    assert challenge is not None
    proof = challenge.answer("1001", ACCOUNTS["1001"], "INVITE", "sip:1002@10.0.0.1", "c")
    mallory.sends(
        *("INVITE", "sip:1002@10.0.0.1"),
        sender=liar, branch="z9hG4bK2", cseq=2, fields=(f"Authorization: {proof}",), body=DESCRIPTION,
    )  # fmt: skip
    sim.until(lambda: 180 in mallory.statuses)
    assert from_of(sim, bob).startswith('"Phone 1001" <sip:1001@')
    assert b"1003" not in invite_to(sim, bob)
    bob.declines(486)
    sim.until(lambda: 486 in mallory.statuses)
    sim.advance(40)
    mallory.close()
    sim.assert_idle()


def test_anonymous_from_of_a_registered_phone_is_asked_for_its_password():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    alice.withheld = True
    call = alice.invites("1002")
    sim.until(lambda: 180 in call.progress)
    assert from_of(sim, bob).startswith('"Anonymous" <sip:anonymous@anonymous.invalid>')
    alice.hangs_up()
    sim.assert_idle()


def test_anonymous_from_of_a_stranger_stays_a_strangers():
    sim, _ = office("1002", plan=plan)
    zoe = Raw(sim)
    anonymous = "<sip:anonymous@anonymous.invalid>;tag=zoe"
    zoe.sends("INVITE", "sip:1002@10.0.0.1", sender=anonymous)
    sim.advance(1)
    assert zoe.statuses == [403]
    preferred = ("P-Preferred-Identity: <sip:1001@10.0.0.1>",)
    zoe.sends("INVITE", "sip:1002@10.0.0.1", sender=anonymous, branch="z9hG4bK2", call_id="2", fields=preferred)
    sim.advance(1)
    assert zoe.statuses == [403, 401]
    zoe.close()
    sim.assert_idle()


def test_stranger_is_shown_with_its_own_domain():
    sim, (bob,) = office("1002", plan=plan)
    zoe = sim.phone("1001", domain="evil.example", register=False)
    call = zoe.invites("welcome")
    sim.until(lambda: 180 in call.progress)
    assert "<sip:1001@evil.example>" in from_of(sim, bob)
    zoe.hangs_up()
    sim.assert_idle()
