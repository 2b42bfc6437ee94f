"""Between a native thread and Python: a call goes from one to the other and back, and nobody hears it."""

from __future__ import annotations

from pbx.media import rtp
from pbx.media.clip import Clip
from pbx.media.g711 import Law
from pbx.media.sources import Sequel
from tests.media.loopback import HOST, Loopback, Phone, facts, press, talk
from tests.media.network import port, result


def test_a_call_goes_to_an_echo_and_back_without_losing_port_or_latch(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    number, descriptor = port(caller).number, port(caller).pair.rtp.fileno()
    for _ in range(3):
        relay.relay.echo(caller)
        assert alice.says(port(caller), b"echo")[12:] == alice.heard()[0][12:]
        bob.says(port(callee))
        assert (alice.heard(), bob.heard()) == ([], [])
        relay.relay.join(caller, callee)
        assert [bob.says(port(callee))] == alice.heard()  # latched still: it has not spoken since
        assert [alice.says(port(caller))] == bob.heard()
        assert relay.is_lent()
    assert (port(caller).number, port(caller).pair.rtp.fileno()) == (number, descriptor)
    assert facts(relay, caller).packets_in == 7


def test_what_python_sends_in_between_takes_the_call_back_and_loses_nothing(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    announcement = rtp.build(b"beep", 0, 1, 0, 99)
    for _ in range(5):
        alice.rtp.sendto(rtp.build(b"on its way", 0, 500, 0, 1234), (HOST, port(caller).number))
        port(callee).send_rtp(announcement)
        relay.turn()
        assert [packet[12:] for packet in bob.heard()] == [b"beep", b"on its way"]


def test_a_call_goes_to_a_voice_of_ours_and_back_without_losing_port_or_latch(
    relay: Loopback, alice: Phone, bob: Phone
) -> None:
    caller, callee = talk(relay, alice, bob)
    number = port(caller).number
    for _ in range(2):
        voice = relay.relay.voice(caller)
        assert voice is not None
        voice.play(Sequel([Clip(bytes(3 * 160))]))
        for _ in range(5):
            relay.turn(0.02)
        assert len(alice.heard()) == 3
        press(alice, port(caller), 3, 160 * alice.sequence, [0, 7])
        assert voice.pressed.pop() == "3"
        bob.says(port(callee))
        assert (alice.heard(), bob.heard()) == ([], [])
        relay.relay.join(caller, callee)
        assert [bob.says(port(callee))] == alice.heard()
        assert [alice.says(port(caller))] == bob.heard()
        assert relay.is_lent()
    assert (port(caller).number, facts(relay, caller).source) == (number, alice.address)


class Tape:
    """Somebody who listens in."""

    def __init__(self) -> None:
        self.both: list[bytes] = []

    def heard(self, law: Law, sound: bytes, header: rtp.Header) -> None:
        self.both.append(bytes(sound))

    def said(self, law: Law, sound: bytes, header: rtp.Header) -> None:
        self.both.append(bytes(sound))


def test_who_listens_in_hears_both_and_the_call_goes_on(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    tape = Tape()
    port(caller).tap = tape
    said = [alice.says(port(caller), b"alice"), bob.says(port(callee), b"bob")]
    port(caller).tap = None
    more = [alice.says(port(caller)), bob.says(port(callee))]
    assert tape.both == [b"alice", b"bob"]
    assert [*bob.heard(), *alice.heard()] == [said[0], more[0], said[1], more[1]]
    assert relay.is_lent()


def test_a_third_side_takes_over_and_the_second_hears_nothing_more(relay: Loopback, alice: Phone, bob: Phone) -> None:
    carol = relay.phone("127.0.0.33")
    caller, callee = talk(relay, alice, bob)
    third = relay.side(carol)
    result(relay.relay.end(third, carol.describes()))
    relay.relay.join(caller, third)
    assert [alice.says(port(caller))] == carol.heard()
    assert [carol.says(port(third))] == alice.heard()
    bob.says(port(callee))
    assert (alice.heard(), bob.heard()) == ([], [])
