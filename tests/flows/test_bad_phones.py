"""Phones that misbehave: each ends its own call at most, while two others go on talking and nothing is left behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pbx.sip.session import NOBODY
from pbx.testing.watch import Transfer, Watch
from tests.flows.office import office
from tests.flows.openings import connect, part

Misbehaviour = Callable[..., None]
MISBEHAVIOURS: dict[str, Misbehaviour] = {}


def misbehaviour(function: Misbehaviour) -> Misbehaviour:
    MISBEHAVIOURS[function.__name__] = function
    return function


@misbehaviour
def vanishes_while_it_rings(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.vanishes()
    sim.until(lambda: alice.idle, within=40)
    assert alice.call.status == 480
    bob.declines()  # which nobody hears


@misbehaviour
def answers_twice(sim, alice, bob):
    answered = []
    bob_answers(sim, alice, bob, answered)
    for _ in range(3):
        sim.network.send(bob.address, (sim.host, 5060), answered[0])
        sim.advance(1)
    part(sim, alice, bob, after=1)
    sim.network.send(bob.address, (sim.host, 5060), answered[0])  # and after the end


@misbehaviour
def answers_after_cancel(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    alice.hangs_up()
    bob.answers()
    sim.until(lambda: bob.idle)


@misbehaviour
def sends_bye_twice(sim, alice, bob):
    connect(sim, alice, bob)
    dialog = bob.call.session.dialog
    bob.hangs_up()
    bob.layer.request(dialog.flow, dialog.request("BYE"), NOBODY)
    sim.until(lambda: alice.idle)
    bob.layer.request(dialog.flow, dialog.request("BYE"), NOBODY)
    sim.advance(4)


@misbehaviour
def offers_during_its_own_offer(sim, alice, bob):
    connect(sim, alice, bob, ready=bob)
    bob.holds()
    dialog = bob.call.session.dialog
    bob.layer.request(dialog.flow, dialog.request("UPDATE", (dialog.contact,), bob.call.describe()), NOBODY)
    sim.advance(16)
    assert alice.talking and bob.talking
    bob.hangs_up()
    sim.until(lambda: alice.idle)


def is_not_transferred(sim, alice, bob, *targets):
    """Whoever is sent to such a target stays where it is."""
    connect(sim, alice, bob, ready=bob)
    for target in targets:
        transfer = Transfer(bob, target)
        sim.until(lambda transfer=transfer: transfer.over)
        assert transfer.status in (400, 403), target
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@misbehaviour
def transfers_to_itself(sim, alice, bob):
    is_not_transferred(sim, alice, bob, "sip:1002@10.0.0.1")


@misbehaviour
def transfers_to_nonsense(sim, alice, bob):
    is_not_transferred(sim, alice, bob, "sip:%00@10.0.0.1", "sip:zoe@elsewhere.example", "sip:@10.0.0.1")


@misbehaviour
def transfers_to_a_number_it_may_not_call(sim, alice, bob):
    is_not_transferred(sim, alice, bob, "sip:777@10.0.0.1", "sip:0123456@10.0.0.1")


@misbehaviour
def parks_twice(sim, alice, bob):
    """Twice the same call, at once; and then another one where the first waits."""
    connect(sim, alice, bob, ready=bob)
    twice = [Transfer(bob, "sip:691@10.0.0.1") for _ in range(2)]
    sim.until(lambda: all(transfer.over for transfer in twice) and bob.idle)
    assert sorted(transfer.status for transfer in twice)[0] == 200
    assert alice.talking and len(sim.exchange.parking) == 1
    cell = sim.phone("1001")
    connect(sim, cell, bob, ready=bob)
    again = Transfer(bob, "sip:691@10.0.0.1")
    sim.until(lambda: again.over)
    assert again.status == 480
    sim.advance(8)
    assert sim.talk(cell, bob) and len(sim.exchange.parking) == 1
    bob.hangs_up()
    sim.until(lambda: cell.idle)
    bob.invites("691")
    sim.until(lambda: bob.talking)
    part(sim, alice, bob, after=8)


@misbehaviour
def vanishes_while_it_talks(sim, alice, bob):
    """The other one hears of it by the session timer, and hangs up before."""
    connect(sim, alice, bob)
    bob.vanishes()
    sim.advance(20)
    assert alice.talking
    alice.hangs_up()
    sim.until(lambda: alice.idle)
    sim.advance(40)
    bob.hangs_up()  # which nobody hears


@misbehaviour
def transfers_again_while_it_transfers(sim, alice, bob):
    connect(sim, alice, bob, ready=bob)
    first = Transfer(bob, "sip:1004@10.0.0.1")
    again = Transfer(bob, "sip:1003@10.0.0.1")
    sim.until(lambda: first.over and again.over)
    assert {first.status, again.status} <= {403, 486}
    part(sim, bob, alice, after=8)


@misbehaviour
def vanishes_while_it_is_transferred(sim, alice, bob):
    connect(sim, alice, bob, ready=bob)
    alice.vanishes()
    transfer = Transfer(bob, "sip:1004@10.0.0.1")  # who is busy
    sim.until(lambda: transfer.over)
    sim.until(lambda: bob.idle, within=80)
    alice.hangs_up()  # which nobody hears


@misbehaviour
def subscribes_a_thousand_times(sim, alice, bob):
    watches = [Watch(bob, "dialog", "1001") for _ in range(1000)]
    sim.advance(8)
    assert any(watch.status in (200, 0) for watch in watches)
    for watch in watches:
        watch.forgets() if watch.status != 200 else watch.ends()
    sim.advance(40)


@pytest.mark.parametrize("name", MISBEHAVIOURS)
def test_others_talk_on(name):
    sim, (alice, bob, carol, dave) = office("1001", "1002", "1003", "1004")
    connect(sim, carol, dave)
    sim.advance(4)
    assert sim.talk(carol, dave)
    MISBEHAVIOURS[name](sim, alice, bob)
    assert sim.talk(carol, dave)
    carol.hangs_up()
    sim.until(lambda: dave.idle)
    sim.assert_idle()


def bob_answers(sim, alice, bob, answered):
    """Let one answer, and keep its 200 as it went out."""
    connect(sim, alice, bob)
    answered += [sent.packet for sent in sim.network.sent if sent.kind == "200 INVITE" and sent.source == bob.address]
