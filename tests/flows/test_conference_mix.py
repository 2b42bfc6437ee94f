"""The mix of a conference: each hears all others and not himself, and it is known who talks."""

from __future__ import annotations

from pbx.media.clip import FRAME, Clip
from pbx.media.g711 import ULAW
from pbx.testing.exchange import SimulatedExchange
from tests.flows.conferences import conference, enter, enters, heard, nothing_ended, say, silence, sim

__all__ = ["nothing_ended", "sim"]


def test_sixteen_parties_each_hears_all_others_and_not_himself(sim: SimulatedExchange) -> None:
    phones = enter(sim, *[str(number) for number in range(1001, 1017)])
    tones = [300.0 + 170 * place for place in range(16)]
    say(sim, phones, tones, amplitude=1500)
    for place, phone in enumerate(phones):
        shares = [heard(phone, tone) for tone in tones]
        assert shares[place] < 0.001
        assert all(share > 0.04 for other, share in enumerate(shares) if other != place), shares


def test_three_phones_of_both_laws_hear_each_other(sim: SimulatedExchange) -> None:
    phones = [
        enters(sim, "1001", payload_types=(0,)),
        enters(sim, "1002", payload_types=(8,)),
        enters(sim, "1003", payload_types=(9, 8, 0)),
    ]
    sim.advance(1)
    say(sim, phones, (440.0, 600.0, 910.0))
    for phone, own in zip(phones, (440.0, 600.0, 910.0), strict=True):
        assert sum(heard(phone, tone) for tone in (440.0, 600.0, 910.0)) > 0.95
        assert heard(phone, own) < 0.001


def test_who_is_alone_hears_nothing_but_the_tone_and_then_silence(sim: SimulatedExchange) -> None:
    alice = enters(sim, "1001")
    assert alice.hears(sim.library.tone("join"))
    silence(sim)
    alice.says(2)
    assert alice.call is not None
    assert set(alice.call.sound.payloads) <= {ULAW.nothing}


def test_hiss_of_a_line_is_not_mixed(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    silence(sim)
    assert alice.call is not None and bob.call is not None
    alice.call.sound.says(1000, 1, amplitude=60)
    sim.advance(1)
    assert set(bob.call.sound.payloads) <= {ULAW.nothing}


def test_too_loud_together_is_cut_off_and_does_not_wrap_around(sim: SimulatedExchange) -> None:
    alice, bob, carol = enter(sim, "1001", "1002", "1003")
    say(sim, (alice, bob), (500.0, 500.0), amplitude=30000)
    # Cut off, the tone is nearly a square, and nine tenths of a square are its fundamental.
    assert heard(carol, 500.0) > 0.75


def test_lost_datagrams_are_silence_and_late_ones_are_not_lost(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    silence(sim)
    assert alice.call is not None and bob.call is not None
    sound = alice.call.sound
    for place, frame in enumerate(Clip(b"\x30" * FRAME * 50).frames(ULAW)):
        if place % 5:
            # Every fifth is lost, and every other comes 30 ms late, after the one that follows it.
            sound.says_later(frame, place, late=0.03 * (place % 2))
    sim.advance(1.5)
    full = [payload for payload in bob.call.sound.payloads if payload == b"\x30" * FRAME]
    assert len(full) == 40


def test_music_of_a_phone_that_holds_is_not_mixed(sim: SimulatedExchange) -> None:
    alice, bob = enter(sim, "1001", "1002")
    bob.holds()
    sim.advance(1)
    silence(sim)
    bob.says(1)
    assert alice.call is not None and set(alice.call.sound.payloads) <= {ULAW.nothing}
    bob.resumes()
    sim.advance(1)
    say(sim, (alice, bob), (440.0, 600.0))
    assert heard(alice, 600.0) > 0.95 and heard(bob, 440.0) > 0.95


def test_list_knows_who_talks(sim: SimulatedExchange) -> None:
    alice, _ = enter(sim, "1001", "1002")
    silence(sim)
    alice.says(0.5)
    one, two = conference(sim).parties.values()
    assert one.talks and not two.talks
    sim.advance(2)
    assert not one.talks
