"""Bans: who is banned for what and for how long, and who goes on all the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pbx.testing.exchange import SimulatedExchange
from tests.flows.doors import final, guesses, plan
from tests.flows.office import ACCOUNTS, office
from tests.flows.raw import Raw

STRAY = (
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\n"
    b"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
)


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
