"""What either relay tells of a phone: keys, and silence."""

from __future__ import annotations

import pytest

from pbx.media.sockets import SILENCE
from tests.media.loopback import AUDIO, Loopback, Phone, press, talk
from tests.media.network import port, result


@pytest.mark.parametrize("parts", [range(8), [7], [0], [3, 6], [0, 1, 2, 3, 4], [7, 3, 5]])
def test_a_key_is_told_once_whatever_is_lost_of_it_and_passed_on(
    relay: Loopback, alice: Phone, bob: Phone, parts: list[int]
) -> None:
    caller, callee = talk(relay, alice, bob)
    for key, start in ((11, 5000), (1, 9000), (1, 13000)):
        press(alice, port(caller), key, start, list(parts))
    press(bob, port(callee), 15, 1, [0, 5])
    assert (alice.keys, bob.keys) == (["#", "1", "1"], ["D"])
    assert len(bob.heard()) == 3 * len(parts)


def test_a_phone_that_falls_silent_is_told_once_and_so_is_its_end(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    for _ in range(int(SILENCE) + 3):
        relay.turn(1.0)
        bob.says(port(callee))
    assert (alice.silent, bob.silent) == ([True], [])
    alice.says(port(caller))
    relay.wait(2)
    assert (alice.silent, bob.silent) == ([True, False], [])


def test_a_phone_that_never_says_anything_is_silent(relay: Loopback, alice: Phone, bob: Phone) -> None:
    relay.call(alice, bob)
    relay.wait(int(SILENCE) + 2)
    assert (alice.silent, bob.silent) == ([True], [True])


def test_a_phone_on_hold_is_not_silent(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, callee = talk(relay, alice, bob)
    result(relay.relay.offer(callee, caller, bob.describes(AUDIO + "a=inactive\r\n")))
    result(relay.relay.answer(caller, callee, alice.describes(AUDIO + "a=inactive\r\n")))
    relay.wait(2 * int(SILENCE))
    assert (alice.silent, bob.silent) == ([], [])


def test_a_key_that_nobody_wants_to_know_of_is_passed_on(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    caller.user = None
    press(alice, port(caller), 5, 5000, [0, 7])
    assert len(bob.heard()) == 2


def test_one_who_presses_keys_like_a_machine_keeps_nobody_busy(relay: Loopback, alice: Phone, bob: Phone) -> None:
    caller, _ = talk(relay, alice, bob)
    for number in range(100):
        press(alice, port(caller), 1, 1000 * number, [0])
    assert 32 <= len(alice.keys) < 40
    assert len(bob.heard()) == 100
