"""The doors in calls: who is banned and who goes on, limits of an account, privacy, classes of service."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pbx.dialplan import Call, Plan, ext
from pbx.exchange.accounts import Accounts
from pbx.exchange.thresholds import Thresholds
from pbx.sip.digest import Challenge, parse_challenge
from pbx.sip.message import Response
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.office import ACCOUNTS, office
from tests.flows.raw import DESCRIPTION, Raw

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


@plan.outbound("00<number:any>", allow="international")
async def abroad(call: Call, number: str) -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.outbound("0<number:int>", allow="national")
async def national(call: Call, number: str) -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.anonymous("welcome")
async def welcome(call: Call) -> None:
    await call.dial(ext("1002"), timeout=20)


@plan.anonymous("desk")
async def desk(call: Call) -> None:
    await call.dial(ext("1003"), timeout=20)


STRAY = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n"
    b"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


def permit(sim: SimulatedExchange, number: str, **columns: Any) -> None:
    """Change columns of an extension."""
    directory = sim.exchange.directory
    found = [directory.find(one) for one in ACCOUNTS]
    sim.exchange.replace_accounts(
        Accounts([replace(one, **columns) if one.number == number else one for one in found if one is not None])
    )


def final(sim: SimulatedExchange, phone: Phone, number: str, **features: Any) -> tuple[int, str]:
    """Call; return the final status, or 200 as soon as the other phone rings, and the reason phrase."""
    call = phone.invites(number, **features)
    sim.until(lambda: 180 in call.progress or call.state == "over")
    if call.state == "over":
        return call.status, call.why
    phone.hangs_up()
    sim.advance(1)
    return 200, ""


def guesses(sim: SimulatedExchange, times: int, host: str = "10.0.6.6") -> Phone:
    """Somebody tries so many wrong passwords for 1001."""
    mallory = sim.phone("1001", password="guess", host=host, register=False)
    for n in range(times):
        mallory.password = f"guess {n}"
        mallory.registers()
        sim.advance(0.25)
    return mallory


def test_guesser_is_banned_and_the_phones_go_on():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    mallory = guesses(sim, 11)
    assert [ban.reason for ban in sim.exchange.doors.bans.listed()] == ["wrong password"]
    # The last word is a final one: many phones answer a challenge for as long as there is another.
    told = [datagram.packet for datagram in sim.network.sent if datagram.target == mallory.address]
    assert [packet.partition(b"\r\n")[0] for packet in told[-2:]] == [
        b"SIP/2.0 401 Unauthorized",
        b"SIP/2.0 403 Too many wrong passwords",
    ]
    mallory.password = ACCOUNTS["1001"]
    before = len(sim.network.sent)
    mallory.registers()
    sim.advance(40)
    assert not mallory.registered
    assert not [datagram for datagram in sim.network.sent[before:] if datagram.target == mallory.address]
    assert sim.exchange.counts["banned"] > 0
    assert final(sim, alice, "1002") == (200, "")
    assert bob.call is not None
    sim.advance(30)
    mallory.registers()
    sim.advance(1)
    assert mallory.registered
    assert sim.exchange.doors.log.counts["authentication-failed"] == 11
    sim.assert_idle()


def test_guesser_beside_a_registered_phone_does_not_harm_it():
    sim, (bob,) = office("1002", plan=plan)
    alice = sim.phone("1001", host="198.51.100.1", behind_nat="192.168.0.7")
    mallory = sim.phone("1003", password="guess", host="198.51.100.1", register=False, transport="TCP")
    for n in range(12):
        mallory.password = f"guess {n}"
        mallory.registers()
        sim.advance(0.25)
    assert [ban.address for ban in sim.exchange.doors.bans.listed()] == ["198.51.100.1"]
    for _ in range(20):
        assert final(sim, alice, "1002") == (200, "")
    assert bob.call is not None
    mallory.leaves()
    sim.assert_idle()


def test_200_phones_behind_one_address_work_with_the_defaults():
    numbers = [str(number) for number in range(2000, 2200)]
    sim = SimulatedExchange(plan, {**ACCOUNTS, **dict.fromkeys(numbers, "secret")})
    bob = sim.phone("1002")
    phones = [
        sim.phone(number, host="198.51.100.1", behind_nat="192.168.0.7", outside=100 * n, register=False)
        for n, number in enumerate(numbers, 1)
    ]
    for _ in range(3):
        # The power is back: all come in the same moment, before any has proven who it is.
        for phone in phones:
            phone.registered = False
            phone.registers()
        sim.advance(2)
        assert all(phone.registered for phone in phones)
    for phone in phones:
        call = phone.invites("1002")
        sim.until(lambda call=call: 180 in call.progress)  # type: ignore[misc]
        phone.hangs_up()
        sim.advance(0.25)
    assert bob.call is not None
    assert sim.exchange.doors.bans.listed() == []
    assert not sim.exchange.doors.log.counts
    sim.assert_idle()


def test_flood_from_an_address_with_200_phones_behind_it_disturbs_none_of_them():
    numbers = [str(number) for number in range(2000, 2200)]
    sim = SimulatedExchange(plan, {**ACCOUNTS, **dict.fromkeys(numbers, "secret")})
    bob = sim.phone("1002")
    phones = [
        sim.phone(number, host="198.51.100.1", behind_nat="192.168.0.7", outside=100 * n)
        for n, number in enumerate(numbers, 1)
    ]
    mallory = Raw(sim, "198.51.100.1")
    for n in range(1000):
        mallory.sends("OPTIONS", branch=f"z9hG4bK{n}", call_id=str(n))
        sim.advance(1 / 256)
    assert [ban.address for ban in sim.exchange.doors.bans.listed()] == ["198.51.100.1"]
    assert len(mallory.received) < 1000
    for phone in phones:
        phone.registered = False
        phone.registers()
    sim.advance(1)
    assert all(phone.registered for phone in phones)
    for phone in phones[:20]:
        assert final(sim, phone, "1002") == (200, "")
    assert bob.call is not None
    mallory.close()
    sim.assert_idle()


def test_registered_flow_that_floods_rests_and_the_log_says_so():
    sim, (alice,) = office("1001", plan=plan)
    bob = sim.phone("1002", host="198.51.100.1")
    for n in range(1000):
        bob.asks("OPTIONS", f"{n}")
    sim.advance(0.25)
    assert sim.exchange.doors.log.counts == {"flow-rested": 1}
    assert sim.exchange.doors.bans.listed() == []
    sim.advance(2)
    assert final(sim, alice, "1002") == (200, "")
    sim.assert_idle()


def test_scanner_of_numbers_is_banned():
    sim, _ = office("1002", plan=plan)
    zoe = Raw(sim)
    for n in range(400):
        sender = f"<sip:{1000 + n}@10.0.0.1>;tag=zoe"
        zoe.sends("REGISTER", "sip:10.0.0.1", sender=sender, branch=f"z9hG4bKscan{n}", call_id=f"scan{n}")
        sim.advance(0.125)
    assert [ban.reason for ban in sim.exchange.doors.bans.listed()] == ["scan"]
    assert set(zoe.statuses) == {401}
    assert len(zoe.statuses) < 400
    zoe.close()
    sim.assert_idle()


@pytest.mark.parametrize("method", ["INVITE", "REGISTER", "MESSAGE"])
def test_stranger_that_asks_for_foreign_domains_is_banned(method):
    sim, _ = office("1002", plan=plan)
    zoe = Raw(sim)
    for n in range(20):
        zoe.sends(method, "sip:1001@example.net", branch=f"z9hG4bKforeign{n}", call_id=f"foreign{n}")
        sim.advance(0.125)
    assert [ban.reason for ban in sim.exchange.doors.bans.listed()] == ["foreign domain"]
    assert set(zoe.statuses) == {404}
    assert sim.exchange.doors.log.counts["domain-foreign"] == 11
    zoe.close()
    sim.assert_idle()


def test_stranger_reaches_what_is_declared_and_is_banned_for_trying_the_rest():
    sim, (bob,) = office("1002", plan=plan)
    zoe = sim.phone("zoe", domain="example.org", register=False)
    assert final(sim, zoe, "welcome") == (200, "")
    assert final(sim, zoe, "1002")[0] == 403
    assert final(sim, zoe, "00441234")[0] == 403
    for _ in range(9):
        zoe.invites("1002")
        sim.advance(0.25)
    assert [ban.reason for ban in sim.exchange.doors.bans.listed()] == ["refused call"]
    assert sim.exchange.doors.log.counts["anonymous-refused"] == 11
    assert bob.call is not None
    sim.assert_idle()


@pytest.mark.parametrize(
    ("send", "reason"),
    [
        (lambda zoe, n: zoe.sends("OPTIONS", "sip:10.0.0.1", branch=f"z9hG4bK{n}", call_id=f"{n}"), "flood"),
        (lambda zoe, n: zoe.sends("OPTIONS", "sip:10.0.0.1"), "flood"),
        (lambda zoe, n: zoe.sends_text(b"garbage"), "flood"),
        (lambda zoe, n: zoe.sends_text(b"\r\n\r\n"), "flood"),
        (lambda zoe, n: zoe.sends_text(STRAY), "flood"),
        (lambda zoe, n: zoe.sends("BYE", to_tag="none", branch=f"z9hG4bK{n}"), "flood"),
        (lambda zoe, n: zoe.sends("INVITE", "sip:desk@10.0.0.1", branch="z9hG4bKsame"), "flood"),
        (lambda zoe, n: zoe.sends("NONSENSE", branch=f"z9hG4bK{n}"), "flood"),
        (lambda zoe, n: zoe.sends("INVITE", sender="<sip:1001@10.0.0.1>;tag=x", branch=f"z9hG4bK{n}"), "scan"),
    ],
    ids=["options", "copies", "garbage", "keep-alives", "responses", "strays", "retransmissions", "unknown", "invites"],
)  # fmt: skip
def test_flood_is_banned_for_a_minute_and_costs_nothing_then(send: Callable[[Raw, int], None], reason: str):
    sim, (alice, _, _) = office("1001", "1002", "1003", plan=plan)
    zoe = Raw(sim)
    for n in range(1000):
        send(zoe, n)
    sim.advance(1)
    (ban,) = sim.exchange.doors.bans.listed()
    assert (ban.reason, ban.until - ban.since) == (reason, 60)
    assert sim.exchange.counts["banned"] >= 300
    assert final(sim, alice, "1002") == (200, "")
    zoe.close()
    sim.assert_idle()


def test_banned_host_does_not_connect_and_its_connections_are_closed():
    sim, (alice,) = office("1001", plan=plan)
    mallory = sim.phone("1003", host="198.51.100.1", transport="TCP", register=False, password="guess")
    for n in range(11):
        mallory.password = f"guess {n}"
        mallory.registers()
        sim.advance(0.25)
    assert sim.exchange.doors.bans.listed()[0].times == 1
    mallory.registers()
    sim.advance(5)
    assert sim.exchange.transports.connections == 0
    assert not mallory.registered
    assert alice.registered
    mallory.leaves()
    sim.assert_idle()


# Who a caller is


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


@pytest.mark.parametrize("method", ["MESSAGE", "PUBLISH", "REFER", "SUBSCRIBE"])
def test_stranger_asks_for_nothing_but_calls(method):
    sim, _ = office("1002", plan=plan)
    zoe = Raw(sim)
    for n, number in enumerate(("1002", "9999", "welcome")):
        zoe.sends(method, f"sip:{number}@10.0.0.1", branch=f"z9hG4bK{n}", call_id=f"{n}", fields=("Event: presence",))
    sim.advance(1)
    assert zoe.statuses == [403, 403, 403]
    zoe.close()
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


# What an account may do


def test_outbound_call_needs_the_word_of_its_route():
    sim, (alice, _) = office("1001", "1002", plan=plan)
    assert final(sim, alice, "0123")[0] == 403
    permit(sim, "1001", class_of_service=frozenset(("national",)))
    assert final(sim, alice, "0123") == (200, "")
    assert final(sim, alice, "00441234")[0] == 403
    assert sim.exchange.doors.log.counts == {"class-of-service": 2}
    sim.assert_idle()


def test_extension_that_has_its_calls_gets_403_and_the_reason():
    sim, (alice, _, carol, _) = office("1001", "1002", "1003", "1004", plan=plan)
    permit(sim, "1001", max_calls=1)
    first = alice.invites("1002")
    sim.until(lambda: 180 in first.progress)
    again = sim.phone("1001", host="10.0.8.8")
    assert final(sim, again, "1003") == (403, "Too many calls at once")
    assert sim.exchange.doors.log.counts == {"calls-at-once": 1}
    assert final(sim, carol, "1004") == (200, "")
    alice.call = first
    alice.hangs_up()
    sim.advance(1)
    assert final(sim, again, "1003") == (200, "")
    sim.assert_idle()


@pytest.mark.parametrize(
    ("thresholds", "event", "reason"),
    [
        (Thresholds(calls_per_hour=2), "calls-per-hour", "Too many calls this hour"),
        (Thresholds(destinations_per_hour=2), "destinations-per-hour", "Too many numbers called this hour"),
    ],
)
def test_extension_that_has_called_enough_gets_403_until_later(thresholds, event, reason):
    sim, (alice, _, _, _) = office("1001", "1002", "1003", "1004", plan=plan, thresholds=thresholds)
    assert final(sim, alice, "1002") == (200, "")
    assert final(sim, alice, "1003") == (200, "")
    assert final(sim, alice, "1004") == (403, reason)
    assert sim.exchange.doors.log.counts == {event: 1}
    sim.advance(3000)
    alice.registers()
    sim.phones[3].registers()
    sim.advance(700)
    assert final(sim, alice, "1004") == (200, "")
    sim.assert_idle()


def test_account_that_asks_too_much_gets_503_and_the_others_do_not():
    sim, (bob,) = office("1002", plan=plan, thresholds=Thresholds(account_requests_per_second=1))
    alice = sim.phone("1001")
    for _ in range(70):
        alice.registers()
        sim.advance(0.125)
    assert alice.register_status == 503
    bob.registers()
    sim.advance(1)
    assert bob.register_status == 200
    assert sim.exchange.doors.log.counts["requests-exceeded"] > 0
    sim.assert_idle()


def test_tls_only_extension_gets_403_elsewhere_once_it_has_proven_who_it_is():
    sim, _ = office("1002", plan=plan)
    permit(sim, "1001", tls_only=True)
    over_udp = sim.phone("1001")
    assert (over_udp.registered, over_udp.register_status) == (False, 403)
    assert final(sim, over_udp, "1002") == (403, "TLS only")
    guessing = sim.phone("1001", password="guess")
    assert guessing.register_status == 401
    over_tls = sim.phone("1001", transport="TLS")
    assert over_tls.registered
    assert final(sim, over_tls, "1002") == (200, "")
    assert sim.exchange.doors.log.counts["tls-missing"] == 2
    sim.assert_idle()


def test_phone_that_has_registered_before_tls_was_wanted_is_rung_over_tls_or_not_at_all():
    sim, (alice, bob) = office("1001", "1002", plan=plan)
    assert final(sim, alice, "1002") == (200, "")
    permit(sim, "1002", tls_only=True)
    assert final(sim, alice, "1002")[0] == 480
    over_tls = sim.phone("1002", transport="TLS")
    call = alice.invites("1002")
    sim.until(lambda: over_tls.ringing)
    sim.advance(1)
    assert bob.idle
    over_tls.answers()
    sim.until(lambda: alice.talking)
    assert call.status == 200
    alice.hangs_up()
    sim.until(lambda: over_tls.idle)
    sim.assert_idle()


def guarded(sim: SimulatedExchange) -> None:
    """Have 31 sources try a wrong password each, so that 1001 is guarded."""
    for n in range(31):
        guesses(sim, 1, host=f"10.0.7.{n + 1}")
    assert sim.exchange.doors.log.counts["account-guarded"] == 1
    assert sim.exchange.doors.bans.listed() == []


def test_owner_of_a_guarded_account_registers_from_anywhere():
    sim, (alice,) = office("1001", plan=plan)
    guarded(sim)
    traveller = sim.phone("1001", host="10.0.8.8")
    assert traveller.registered
    alice.registers()
    sim.advance(1)
    assert alice.register_status == 200
    sim.assert_idle()


def test_guarded_account_is_guessed_once_by_each_source():
    sim, _ = office("1001", plan=plan)
    guarded(sim)
    mallory = guesses(sim, 1)
    assert [ban.address for ban in sim.exchange.doors.bans.listed()] == [mallory.address[0]]
    assert mallory.register_status == 403
    mallory.password = ACCOUNTS["1001"]
    mallory.registers()
    sim.advance(1)
    assert not mallory.registered
    sim.advance(120)
    sim.assert_idle()


def test_registered_phone_with_a_wrong_password_for_a_guarded_account_goes_on():
    sim, (bob,) = office("1002", plan=plan)
    alice = sim.phone("1003")
    guarded(sim)
    alice.number, alice.password = "1001", "guess"
    alice.registers()
    sim.advance(1)
    assert alice.register_status == 401
    alice.number, alice.password = "1003", ACCOUNTS["1003"]
    assert final(sim, alice, "1002") == (200, "")
    assert bob.call is not None
    sim.assert_idle()


def test_forged_datagrams_do_not_guard_an_account():
    sim, _ = office("1001", plan=plan)
    for n in range(60):
        invented = Challenge("pbx", "0" * 46).answer("1001", "guess", "REGISTER", "sip:10.0.0.1")
        Raw(sim, f"10.0.7.{n + 1}").sends(
            "REGISTER",
            "sip:10.0.0.1",
            sender="<sip:1001@10.0.0.1>;tag=1",
            branch=f"z9hG4bK{n}",
            cseq=n + 1,
            fields=(f"Authorization: {invented}",),
        )
        sim.advance(0.125)
    assert sim.exchange.doors.log.counts["authentication-failed"] == 60
    assert sim.exchange.doors.log.counts["account-guarded"] == 0


# What answers tell


def test_answers_to_all_who_fail_differ_only_in_nonce_and_tags():
    sim, (alice,) = office("1001", plan=plan)
    permit(sim, "1004", enabled=False)
    answers = set()
    for number, password in (("1001", "wrong"), ("9999", "wrong"), ("1004", ACCOUNTS["1004"]), ("1004", "wrong")):
        phone = sim.phone(number, password=password, host=f"10.0.5.{len(sim.phones)}", register=False)
        before = len(sim.network.sent)
        computations = sim.exchange.authenticator.computations
        phone.registers()
        sim.advance(1)
        assert sim.exchange.authenticator.computations == computations + 1
        packets = [d.packet.decode() for d in sim.network.sent[before:] if d.target == phone.address]
        assert len(packets) == 2
        for packet in packets:
            shown = re.sub(r'nonce="[^"]*"|tag=\w+|branch=\S+|Call-ID: \S+|\d+ REGISTER|10\.0\.5\.\d', "", packet)
            answers.add(shown.replace(number, "N"))
        phone.leaves()
    assert len(answers) == 1
    assert alice.registered
    sim.assert_idle()


def test_options_tell_at_most_a_name():
    sim, _ = office("1001", plan=plan)
    zoe = Raw(sim)
    zoe.sends("OPTIONS", "sip:100@10.0.0.1")
    zoe.sends("OPTIONS", "sip:1001@10.0.0.1", branch="z9hG4bK2", call_id="2")
    sim.advance(1)
    assert [response.first("server") for response in zoe.responses] == ["PBX", "PBX"]
    assert all(isinstance(response, Response) and response.first("user-agent") is None for response in zoe.responses)
    zoe.close()
    sim.assert_idle()
