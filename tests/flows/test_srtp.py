"""Calls of phones on TLS that speak SRTP (RFC 3711) with keys in their descriptions (RFC 4568), in each mode."""

from __future__ import annotations

import pytest

from pbx.dialplan import Call, Plan, uri
from pbx.media.keying import MODES
from pbx.sip.flow import SIP_PORT, SIPS_PORT
from pbx.sip.hops import Naptr, Srv
from pbx.testing.exchange import HOST, SimulatedExchange
from pbx.testing.phone import Phone
from tests.flows.office import ACCOUNTS, plan
from tests.flows.openings import consult, refer
from tests.media.network import result

outside = Plan()


@outside.internal("<number:any>")
async def elsewhere(call: Call, number: str) -> None:
    await call.dial(uri(f"sip:{number}@example.com"), timeout=60)


def office(mode: str = "accept") -> SimulatedExchange:
    return SimulatedExchange(plan, ACCOUNTS, srtp=mode)


def call(sim: SimulatedExchange, alice: Phone, bob: Phone, number: str = "") -> None:
    alice.invites(number or bob.number)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking and bob.talking)
    sim.advance(1)


def over(sim: SimulatedExchange, alice: Phone, bob: Phone) -> None:
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.assert_idle()
    assert_keys_are_secret(sim)


def assert_keys_are_secret(sim: SimulatedExchange) -> None:
    """Whatever happened, we told nobody a key but over TLS (RFC 4568 section 7)."""
    told = [one for one in sim.network.sent if one.source[0] == HOST and b"a=crypto" in one.packet]
    assert all(SIPS_PORT in (one.source[1], one.target[1]) for one in told), told


def is_sealed(phone: Phone) -> bool:
    assert phone.call is not None
    return phone.call.sound.seal is not None


def keys_of(phone: Phone) -> bytes:
    assert phone.call is not None and phone.call.sound.seal is not None
    return phone.call.sound.seal._inward.crypto.key


@pytest.mark.parametrize("mode", ["accept", "offer", "require", "pass"])
def test_both_phones_speak_srtp(mode: str) -> None:
    sim = office(mode)
    alice = sim.phone("1001", transport="TLS", srtp="required")
    bob = sim.phone("1002", transport="TLS", srtp="required")
    call(sim, alice, bob)
    assert is_sealed(alice) and is_sealed(bob)
    assert sim.talk(alice, bob)
    # Terminated, each phone shares a key with us alone; passed, they share theirs.
    assert alice.call is not None and alice.call.crypto is not None
    assert (keys_of(bob) == alice.call.crypto.key) is (mode == "pass")
    over(sim, alice, bob)


@pytest.mark.parametrize("mode", ["accept", "pass"])
@pytest.mark.parametrize(("transport", "srtp"), [("UDP", ""), ("TCP", ""), ("TLS", "optional")])
def test_srtp_ends_with_us_where_the_other_phone_has_none_or_no_tls(mode: str, transport: str, srtp: str) -> None:
    sim = office(mode)
    alice = sim.phone("1001", transport="TLS", srtp="required")
    bob = sim.phone("1002", transport=transport, srtp=srtp)
    call(sim, alice, bob)
    assert is_sealed(alice) and is_sealed(bob) is bool(srtp)
    assert sim.talk(alice, bob)
    over(sim, alice, bob)


def test_plain_phone_calls_plain_phone_on_tls_in_the_default_mode() -> None:
    sim = office()
    alice, bob = sim.phone("1001", transport="TLS"), sim.phone("1002", transport="TLS")
    call(sim, alice, bob)
    assert not is_sealed(alice) and not is_sealed(bob) and sim.talk(alice, bob)
    over(sim, alice, bob)


@pytest.mark.parametrize(("caller", "callee"), [("optional", "optional"), ("optional", ""), ("", "optional")])
def test_optional_srtp_is_taken_where_both_know_it(caller: str, callee: str) -> None:
    """Keys under RTP/AVP: whoever does not know them ignores them."""
    sim = office()
    alice, bob = sim.phone("1001", transport="TLS", srtp=caller), sim.phone("1002", transport="TLS", srtp=callee)
    call(sim, alice, bob)
    assert is_sealed(alice) is (caller != "")
    assert is_sealed(bob) is (caller == callee == "optional")
    assert sim.talk(alice, bob)
    over(sim, alice, bob)


@pytest.mark.parametrize("mode", ["offer", "require"])
def test_phone_on_tls_is_offered_srtp_whoever_calls(mode: str) -> None:
    sim = office(mode)
    alice, bob = sim.phone("1001"), sim.phone("1002", transport="TLS", srtp="optional")
    if mode == "require":
        alice.invites("1002")
        sim.until(lambda: alice.idle)
        assert alice.call is not None and alice.call.status == 488
        sim.assert_idle()
        return
    call(sim, alice, bob)
    assert is_sealed(bob) and not is_sealed(alice) and sim.talk(alice, bob)
    over(sim, alice, bob)


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_keys_over_unencrypted_signalling_are_not_taken(transport: str) -> None:
    sim = office()
    alice, bob = sim.phone("1001", transport=transport, srtp="required"), sim.phone("1002")
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert alice.call is not None and alice.call.status == 488 and bob.idle
    sim.assert_idle()


@pytest.mark.parametrize("mode", MODES)
def test_callee_without_tls_never_sees_a_key(mode: str) -> None:
    sim = office(mode)
    alice, bob = sim.phone("1001", transport="TLS", srtp="optional"), sim.phone("1002")
    alice.invites("1002")
    sim.advance(1)
    if mode == "require":
        assert alice.idle and bob.idle
    else:
        assert bob.call is not None and bob.call.session is not None
        assert b"crypto" not in bob.call.session.sdp and b"SAVP" not in bob.call.session.sdp
        alice.hangs_up()
        sim.until(lambda: bob.idle)
    sim.assert_idle()


@pytest.mark.parametrize("mode", ["accept", "offer", "pass"])
def test_no_key_leaks_whatever_happens_to_a_call_of_which_one_end_has_tls(mode: str) -> None:
    sim = office(mode)
    alice = sim.phone("1001", transport="TLS", srtp="required")
    bob, carol = sim.phone("1002"), sim.phone("1003", transport="TCP", srtp="optional")
    call(sim, alice, bob)
    for step in (alice.rekeys, alice.holds, alice.resumes, bob.asks_for_an_offer, bob.holds, bob.resumes):
        step()
        sim.advance(1)
    assert is_sealed(alice) and sim.talk(alice, bob)
    first, second = consult(sim, bob, carol)
    transfer = refer(bob, first, second)
    sim.until(lambda: transfer.over and bob.idle)
    sim.advance(1)
    assert is_sealed(alice) and not is_sealed(carol) and sim.talk(alice, carol)
    assert any(b"a=crypto" in one.packet for one in sim.network.sent)
    over(sim, alice, carol)


@pytest.mark.parametrize(("mode", "srtp"), [("offer", ""), ("accept", "required"), ("pass", "required")])
def test_no_key_goes_to_the_server_without_tls_that_follows_one_with_it(mode: str, srtp: str) -> None:
    sim = SimulatedExchange(outside, ACCOUNTS, srtp=mode)
    sim.zone.records |= {
        "example.com": [
            Naptr(10, 10, "s", "SIPS+D2T", "_sips._tcp.example.com"),
            Naptr(20, 10, "s", "SIP+D2U", "_sip._udp.example.com"),
        ],
        "_sips._tcp.example.com": [Srv(1, 0, SIPS_PORT, "gone.example.com")],
        "_sip._udp.example.com": [Srv(1, 0, SIP_PORT, "there.example.com")],
        "gone.example.com": ["10.0.8.1"],
        "there.example.com": ["10.0.8.2"],
    }
    alice = sim.phone("1001", transport="TLS", srtp=srtp)
    zoe = sim.phone("zoe", host="10.0.8.2", register=False, domain="example.com")
    call(sim, alice, zoe)
    assert is_sealed(alice) is bool(srtp) and not is_sealed(zoe) and sim.talk(alice, zoe)
    over(sim, alice, zoe)


def test_call_that_has_begun_over_tls_stays_there_wherever_a_contact_leads() -> None:
    sim = office()
    alice = sim.phone("1001", transport="TLS", srtp="required")
    bob = sim.phone("1002", transport="TLS", srtp="required")
    call(sim, alice, bob)
    [bridge] = sim.exchange.switchboard.calls.values()
    dialog = bridge.party.session.dialog
    assert dialog is not None
    dialog.remote_target = f"sip:1001@{alice.host}:5060;transport=udp"
    sim.exchange.switchboard.agent.direct(dialog)
    bob.rekeys()
    sim.advance(1)
    assert sim.talk(alice, bob)
    over(sim, alice, bob)


def test_switched_off_nobody_is_taken_with_srtp() -> None:
    sim = office("off")
    alice, bob = sim.phone("1001", transport="TLS", srtp="required"), sim.phone("1002", transport="TLS")
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert alice.call is not None and alice.call.status == 488 and bob.idle
    sim.assert_idle()


@pytest.mark.parametrize("mode", ["accept", "pass"])
def test_new_keys_in_the_middle_of_a_call(mode: str) -> None:
    sim = office(mode)
    alice = sim.phone("1001", transport="TLS", srtp="required")
    bob = sim.phone("1002", transport="TLS", srtp="required")
    call(sim, alice, bob)
    assert sim.talk(alice, bob)
    for phone in (alice, bob, alice):
        phone.rekeys()
        sim.advance(1)
        assert sim.talk(alice, bob)
    over(sim, alice, bob)


@pytest.mark.parametrize("mode", ["accept", "pass"])
def test_hold_and_resume_keep_the_keys(mode: str) -> None:
    sim = office(mode)
    alice = sim.phone("1001", transport="TLS", srtp="required")
    bob = sim.phone("1002", transport="TLS", srtp="required")
    call(sim, alice, bob)
    before = keys_of(bob)
    alice.holds()
    sim.advance(1)
    alice.resumes()
    sim.advance(1)
    assert keys_of(bob) == before and sim.talk(alice, bob)
    bob.asks_for_an_offer()
    sim.advance(1)
    assert sim.talk(alice, bob)
    over(sim, alice, bob)


@pytest.mark.parametrize("mode", ["accept", "pass"])
def test_caller_whom_we_answered_first_gets_srtp_with_us_and_then_with_the_callee(mode: str) -> None:
    sim = office(mode)
    alice = sim.phone("1001", transport="TLS", srtp="required")
    bob = sim.phone("1002", transport="TLS", srtp="required")
    call(sim, alice, bob, "91002")
    assert is_sealed(alice) and is_sealed(bob) and sim.talk(alice, bob)
    over(sim, alice, bob)


def test_srtp_stays_when_a_plain_callee_takes_over() -> None:
    """The caller has SRTP with us; the callee's plain offer is no reason to give it up."""
    sim = office()
    alice, bob = sim.phone("1001", transport="TLS", srtp="required"), sim.phone("1002")
    call(sim, alice, bob, "91002")
    assert is_sealed(alice) and sim.talk(alice, bob)
    over(sim, alice, bob)


@pytest.mark.parametrize("mode", ["accept", "pass"])
def test_echo_is_sealed(mode: str) -> None:
    sim = office(mode)
    alice = sim.phone("1001", transport="TLS", srtp="required")
    alice.invites("600")
    sim.until(lambda: alice.talking)
    sim.advance(1)
    alice.says(0.5, 440.0)
    sim.advance(0.5)
    assert alice.call is not None and alice.call.sound.hears(440.0)
    alice.hangs_up()
    sim.advance(1)
    sim.assert_idle()


def test_what_a_wrong_key_sealed_is_never_heard() -> None:
    sim = office()
    alice, bob = sim.phone("1001", transport="TLS", srtp="required"), sim.phone("1002")
    call(sim, alice, bob)
    assert alice.call is not None and bob.call is not None and alice.call.crypto is not None
    (bridge,) = sim.exchange.switchboard.calls.values()
    alice.call.rekey()  # and tells nobody
    crypto, sound = alice.call.crypto, alice.call.sound
    assert sound.seal is not None
    sound.seal.rekey(crypto, sound.seal._inward.crypto)
    bob.call.sound.forgets()
    alice.says(0.5, 440.0)
    sim.advance(0.5)
    assert bob.call.sound.payloads == []
    (facts,), _ = result(bridge.streams())
    assert (facts.garbage, facts.packets_in, facts.source) == (25, 0, None)
    over(sim, alice, bob)
