"""Text for who is away (RFC 3428): kept, and delivered at the next registration; on a network with faults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pbx.exchange.accounts import Accounts
from pbx.exchange.letterbox import LONGEST, MOST_OF_ONE, WEEK
from pbx.sip.headers import EXPIRES, PRIVACY
from tests.flows.office import flow, office
from tests.flows.test_messages import messages, status_of


def said(phone) -> list[bytes]:
    """The texts that a phone has shown."""
    return [body for _, body in phone.told]


def kept(sim) -> int:
    return len(sim.exchange.letterbox)


@flow("1001", "1002")
def test_text_for_who_is_away_arrives_when_he_comes_back(sim, alice, bob):
    bob.registers(0)
    sim.until(lambda: not bob.registered)
    sim.advance(1)
    assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"call me")) == 202
    assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"please")) == 202
    assert (said(bob), kept(sim)) == ([], 2)
    bob.registers()
    sim.until(lambda: kept(sim) == 0)
    assert said(bob) == [b"call me", b"please"]
    sim.advance(40)
    bob.registers()
    sim.advance(40)
    assert said(bob) == [b"call me", b"please"], "once"


def test_what_was_said_of_the_text_is_kept_too_and_when_it_was_sent():
    sim, (alice,) = office("1001")
    more = (("content-disposition", "Content-Disposition", "render"), ("x-secret", "X-Secret", "1"))
    assert status_of(sim, alice.asks("MESSAGE", "1002", more, b"<b>now</b>", "text/html;charset=utf-8")) == 202
    sim.advance(3600)
    bob = sim.phone("1002")
    sim.until(lambda: bob.told)
    (passed,) = messages(sim, bob.host)
    assert passed.first("from").startswith('"Phone 1001" <sip:1001@10.0.0.1>;tag=')
    assert (passed.body, passed.first("content-type")) == (b"<b>now</b>", "text/html;charset=utf-8")
    assert (passed.first("content-disposition"), passed.first("x-secret")) == ("render", None)
    assert passed.first("date") == "Tue, 10 Mar 2026 09:00:00 GMT"
    sim.assert_idle()


def test_phones_all_get_it_and_it_has_arrived_when_one_takes_it():
    sim, (alice, _) = office("1001", "1001")
    status_of(sim, alice.asks("MESSAGE", "1002", (), b"hello"))
    bob, desk = (sim.phone("1002", register=False) for _ in range(2))
    desk.takes = 480
    for phone in (bob, desk):
        phone.registers()
    sim.until(lambda: kept(sim) == 0)
    sim.advance(5)
    assert said(bob) == said(desk) == [b"hello"]
    sim.assert_idle()


def test_text_that_comes_while_others_wait_comes_after_them():
    sim, (alice, bob) = office("1001", "1002")
    bob.registers(0)
    sim.advance(1)
    status_of(sim, alice.asks("MESSAGE", "1002", (), b"first"))
    bob.takes = 480
    bob.registers()
    sim.advance(2)
    assert (said(bob), kept(sim)) == ([b"first"], 1)
    bob.takes = 200
    bob.told.clear()
    assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"second")) == 202
    sim.until(lambda: kept(sim) == 0)
    assert said(bob) == [b"first", b"second"]
    assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"third")) == 200
    sim.assert_idle()


def test_phone_that_is_gone_gets_it_once_when_it_is_back():
    """It was registered, and did not answer: the sender heard 202 after 24 s."""
    sim, (alice, bob) = office("1001", "1002")
    sim.network.loses("MESSAGE", target=bob.host, times=9)
    reply = alice.asks("MESSAGE", "1002", (), b"hello")
    sim.advance(24.25)
    assert (reply.status, kept(sim)) == (202, 1)
    bob.registers()  # while the last copy of the first attempt is still to come
    sim.advance(60)
    assert (said(bob), kept(sim)) == ([b"hello"], 0)
    sim.assert_idle()


def test_phone_that_stays_silent_gets_it_at_the_next_registration():
    sim, (alice, bob) = office("1001", "1002")
    bob.registers(0)
    sim.advance(1)
    status_of(sim, alice.asks("MESSAGE", "1002", (), b"hello"))
    sim.network.loses("MESSAGE", target=bob.host, times=11)
    bob.registers()
    sim.advance(60)
    assert (said(bob), kept(sim)) == ([], 1)
    bob.registers()
    sim.until(lambda: said(bob) == [b"hello"], within=2)
    sim.advance(60)
    assert (said(bob), kept(sim)) == ([b"hello"], 0)
    sim.assert_idle()


def test_text_that_the_phone_will_never_take_makes_way():
    sim, (alice, bob) = office("1001", "1002")
    bob.registers(0)
    sim.advance(1)
    for body in (b"one", b"two"):
        status_of(sim, alice.asks("MESSAGE", "1002", (), body))
    bob.takes = 415
    bob.registers()
    sim.advance(5)
    assert (said(bob), kept(sim)) == ([b"one", b"two"], 0)
    sim.assert_idle()


def test_what_is_too_long_for_udp_waits_for_a_phone_with_a_stream():
    """RFC 3428 section 8."""
    sim, (alice,) = office("1001")
    status_of(sim, alice.asks("MESSAGE", "1002", (), b"x" * 2000))
    status_of(sim, alice.asks("MESSAGE", "1002", (), b"short"))
    bob = sim.phone("1002")
    sim.advance(5)
    assert (said(bob), kept(sim)) == ([b"short"], 1)
    desk = sim.phone("1002", transport="TCP")
    sim.until(lambda: kept(sim) == 0)
    assert said(desk) == [b"x" * 2000]
    sim.assert_idle()


@pytest.mark.parametrize(
    ("number", "more", "body", "status"),
    [
        ("1002", (EXPIRES.field(0),), b"x", 480),
        ("1002", (), b"x" * (LONGEST + 1), 480),
        ("1999", (), b"x", 404),
        ("sip:1002@10.0.0.1;gr=urn:uuid:1", (), b"x", 480),
    ],
)
def test_what_is_not_kept(number, more, body, status):
    sim, (alice,) = office("1001")
    assert status_of(sim, alice.asks("MESSAGE", number, more, body)) in (status, 404)
    assert kept(sim) == 0
    sim.assert_idle()


def test_disabled_extension_gets_no_text_and_a_removed_one_leaves_none():
    sim, (alice,) = office("1001")
    extensions = [extension for number in ("1001", "1002") if (extension := sim.exchange.directory.find(number))]
    assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"x")) == 202
    disabled = [extensions[0], replace(extensions[1], enabled=False)]
    sim.exchange.replace_accounts(Accounts(disabled))
    assert (kept(sim), status_of(sim, alice.asks("MESSAGE", "1002", (), b"x"))) == (1, 480)
    sim.exchange.replace_accounts(Accounts(extensions))
    sim.exchange.replace_accounts(Accounts(extensions[:1]))
    assert kept(sim) == 0
    sim.assert_idle()


def test_box_that_is_full_takes_no_more_until_something_is_fetched_or_too_old():
    sim, (alice,) = office("1001")
    for _ in range(MOST_OF_ONE):
        assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"x")) == 202
    assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"x")) == 480
    assert status_of(sim, alice.asks("MESSAGE", "1003", (EXPIRES.field(60),), b"short-lived")) == 202
    assert kept(sim) == MOST_OF_ONE + 1
    sim.advance(WEEK)
    alice.registers()
    sim.advance(1)
    assert status_of(sim, alice.asks("MESSAGE", "1002", (), b"new")) == 202
    assert kept(sim) == 1
    sim.assert_idle()


def test_who_wants_to_be_named_to_nobody_is_not():
    sim, (alice,) = office("1001")
    assert status_of(sim, alice.asks("MESSAGE", "1002", (PRIVACY.field("id"),), b"guess")) == 202
    bob = sim.phone("1002")
    sim.until(lambda: bob.told)
    assert messages(sim, bob.host)[0].first("from").startswith('"Anonymous" <sip:anonymous@anonymous.invalid>')
    sim.assert_idle()


def test_texts_of_the_last_run_come_in_their_order_and_before_new_ones():
    first, (alice,) = office("1001")
    for body in (b"one", b"two"):
        status_of(first, alice.asks("MESSAGE", "1002", (), body))
    sim, (carol,) = office("1003")
    sim.exchange.restore([], [], texts=first.exchange.letterbox.waiting("1002"))
    assert status_of(sim, carol.asks("MESSAGE", "1002", (), b"three")) == 202
    bob = sim.phone("1002")
    sim.until(lambda: kept(sim) == 0)
    assert said(bob) == [b"one", b"two", b"three"]
    sim.assert_idle()
