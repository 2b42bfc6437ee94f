"""Who may send through either relay, and whom it sends to."""

from __future__ import annotations

from pbx.media.latch import PATIENCE, WINDOW
from pbx.media.port import FLOOD
from tests.media.loopback import ALICE, AUDIO, HOST, MUX, NAT, Loopback, Phone, facts, talk
from tests.media.network import port, result


def test_what_is_injected_or_replayed_during_a_call_is_not_heard_and_redirects_nothing(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    replayed = alice.says(port(caller))
    bob.heard()
    for _ in range(60):
        relay.turn(0.125)
        mallory.says(port(caller))
        mallory.sends(replayed, port(caller).number)
        mallory.reports_to(port(caller))
        assert (bob.heard(), bob.reports()) == ([], [])
        assert [bob.says(port(callee))] == alice.heard()
    assert [alice.says(port(caller))] == bob.heard()
    assert (mallory.heard(), mallory.reports()) == ([], [])
    assert relay.is_lent()
    assert facts(relay, caller).strange == 180


def test_one_who_sprays_before_the_phone_speaks_loses_to_it(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = relay.call(alice, bob)
    bob.says(port(callee))  # a native thread has it before anybody is latched at the other end
    assert relay.is_lent()
    alice.heard()
    for _ in range(3):
        mallory.says(port(caller))
        assert bob.heard() == []
        assert [bob.says(port(callee))] == alice.heard()
    assert [alice.says(port(caller))] == bob.heard()
    for _ in range(20):
        relay.turn(PATIENCE)
        mallory.says(port(caller))
    assert (bob.heard(), mallory.heard()) == ([], [])
    assert facts(relay, caller).source == alice.address


def test_one_who_got_in_while_the_phone_was_silent_is_thrown_out_by_it(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = relay.call(alice, bob)
    bob.says(port(callee))
    mallory.says(port(caller))
    relay.turn(PATIENCE)
    mallory.says(port(caller))
    assert facts(relay, caller).source == mallory.address
    bob.says(port(callee))
    relay.wait(60)
    alice.heard(), bob.heard()
    assert [alice.says(port(caller))] == bob.heard()
    mallory.says(port(caller))
    assert bob.heard() == []
    assert [bob.says(port(callee))] == alice.heard()


def test_a_phone_that_only_listens_loses_nothing_to_one_who_merely_sends(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    """Nothing of its own could throw out who took its place."""
    caller, callee = relay.side(alice), relay.side(bob)
    result(relay.relay.offer(caller, callee, alice.describes(AUDIO)))
    result(relay.relay.answer(callee, caller, bob.describes(AUDIO + "a=recvonly\r\n")))
    assert [alice.says(port(caller))] == bob.heard()
    assert relay.is_lent()
    for _ in range(20):
        relay.turn(PATIENCE)
        mallory.says(port(callee))
        assert [alice.says(port(caller))] == bob.heard()
    assert (mallory.heard(), alice.heard(), facts(relay, callee).source) == ([], [], None)
    bob.says(port(callee))  # what opens its NAT
    assert facts(relay, callee).source == bob.address


def test_a_phone_behind_nat_is_answered_where_it_sends_from(relay: Loopback, bob: Phone) -> None:
    alice = relay.phone(NAT)
    caller, callee = relay.side(alice, NAT), relay.side(bob)
    result(relay.relay.offer(caller, callee, alice.describes(host="192.168.1.93")))
    result(relay.relay.answer(callee, caller, bob.describes()))
    bob.says(port(callee))
    assert alice.heard() == []
    assert [alice.says(port(caller))] == bob.heard()[-1:]
    assert [bob.says(port(callee))] == alice.heard()
    known = facts(relay, caller)
    assert (known.signalled, known.source) == (("192.168.1.93", alice.address[1]), alice.address)


def test_the_signalled_address_takes_over_within_the_window_and_not_after_it(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    other = relay.phone(ALICE)  # the same host, another port
    caller, callee = relay.call(alice, bob)
    bob.says(port(callee))
    other.says(port(caller))
    assert facts(relay, caller).source == other.address
    relay.turn(WINDOW - 0.125)
    alice.says(port(caller))
    assert facts(relay, caller).source == alice.address
    other.says(port(caller))
    assert facts(relay, caller).source == alice.address


def test_another_port_of_the_phones_host_follows_silence(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    moved = relay.phone(ALICE)
    relay.wait(3)
    moved.says(port(caller))
    relay.turn(PATIENCE)
    assert bob.heard() == []
    assert [moved.says(port(caller))] == bob.heard()
    assert [bob.says(port(callee))] == moved.heard()


def test_packets_do_not_go_round_where_phones_name_our_own_ports(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = relay.call(alice, bob)
    port(caller).latch.signal((HOST, port(callee).number))
    port(callee).latch.signal((HOST, port(caller).number))
    relay.phone(HOST).says(port(caller))
    for _ in range(100):
        relay.turn()
    before = facts(relay, caller).packets_in, facts(relay, callee).packets_in
    assert max(before) > 1000  # so they did, at first
    for _ in range(100):
        relay.turn()
    assert (facts(relay, caller).packets_in, facts(relay, callee).packets_in) == before


def test_a_clock_that_is_set_back_makes_no_flood_of_a_call(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for number in range(2 * FLOOD):
        alice.says(port(caller))
        relay.turn(0.02)
        assert len(bob.heard()) == 1
        if number == FLOOD:
            relay.turns.advance(-3600)


def test_signalling_that_names_another_address_opens_the_latch(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    number = port(caller).number
    moved = relay.phone(NAT)
    result(relay.relay.offer(caller, callee, moved.describes()))
    result(relay.relay.answer(callee, caller, bob.describes()))
    bob.says(port(callee))
    assert (len(moved.heard()), alice.heard()) == (1, [])
    assert [moved.says(port(caller))] == bob.heard()
    alice.says(port(caller))
    assert (bob.heard(), port(caller).number) == ([], number)


def test_rtcp_is_taken_from_the_host_of_the_rtp_and_answered_where_it_comes_from(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    mallory.reports_to(port(caller))
    assert bob.reports() == []
    elsewhere = relay.phone(ALICE)
    assert [elsewhere.reports_to(port(caller))] == bob.reports()
    assert [bob.reports_to(port(callee))] == elsewhere.reports()
    assert alice.reports() == []


def test_rtcp_on_the_port_of_rtp_where_that_is_agreed(
    relay: Loopback, alice: Phone, bob: Phone, mallory: Phone
) -> None:
    caller, callee = talk(relay, alice, bob, MUX)
    report = bytes([0x80, 200, 0, 1, 9, 9, 9, 9])
    alice.sends(report, port(caller).number)
    mallory.sends(report, port(caller).number)
    assert (bob.heard(), bob.reports()) == ([report], [])
    bob.sends(report, port(callee).number)
    assert (alice.heard(), facts(relay, caller).strange) == ([report], 1)
