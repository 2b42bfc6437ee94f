"""Phones watch what happens: SUBSCRIBE and NOTIFY through the whole exchange, on a network with faults (RFC 6665)."""

from __future__ import annotations

import pytest

from pbx.exchange.accounts import Accounts
from pbx.exchange.caller import Caller
from pbx.sip.errors import Malformed
from pbx.sip.headers import ACCEPT, CONTACT, EVENT, EXPIRES
from pbx.sip.interval import Interval
from pbx.testing.watch import Watch
from tests.flows.office import flow, office

KIND = "application/x-lamp"


class Lamps:
    """A package of lamps, which are dark until somebody lights them."""

    name = "lamp"
    kinds = (KIND,)
    interval = Interval(60, 7200, 3600)
    throttle = 0.0

    def __init__(self, sim) -> None:
        self.lit: dict[str, bytes] = {}
        self.events = sim.exchange.switchboard.events
        self.events.offer(self)
        self.events.accept(self)

    def admit(self, sender: Caller, resource: str) -> None:
        if resource == "1999":
            raise Malformed(404, "")

    def state(self, resource: str, version: int, watcher: str) -> tuple[str, bytes]:
        return KIND, self.lit.get(resource, b"dark")

    def light(self, number: str, state: bytes) -> None:
        """Light a lamp."""
        self.lit[number] = state
        self.events.changed(self.name, number)

    def understands(self, body: bytes) -> None:
        """All that comes."""

    def published(self, resource: str, publications) -> None:
        self.light(resource, publications[-1].body if publications else b"dark")


@flow("1001", "1002")
def test_lamp_shows_what_happens_until_nobody_looks(sim, alice, bob):
    lamps = Lamps(sim)
    watch = Watch(alice, "lamp", "1002")
    sim.until(lambda: watch.states)
    assert watch.states == [b"dark"]
    lamps.light("1002", b"blinks")
    sim.until(lambda: watch.states[-1] == b"blinks")
    lamps.light("1002", b"on")
    lamps.light("1003", b"on")
    sim.until(lambda: watch.states[-1] == b"on")
    watch.ends()
    sim.until(lambda: sim.exchange.figures()["subscriptions"] == 0)
    lamps.light("1002", b"dark")


@flow("1001")
def test_subscription_is_refreshed_for_as_long_as_somebody_looks(sim, alice):
    Lamps(sim)
    watch = Watch(alice, "lamp", "1002", expires=120)
    sim.advance(600)
    assert (watch.over, sim.exchange.figures()["subscriptions"]) == ("", 1)
    watch.ends()
    sim.until(lambda: sim.exchange.figures()["subscriptions"] == 0)


@flow("1001", "1002")
def test_state_that_is_published_lights_the_lamp(sim, alice, bob):
    """RFC 3903."""
    Lamps(sim)
    watch = Watch(alice, "lamp", "1002")
    sim.until(lambda: watch.states)
    reply = bob.asks("PUBLISH", "1002", (EVENT.field("lamp"), EXPIRES.field(60)), b"away", KIND)
    sim.until(lambda: watch.states[-1] == b"away")
    sim.until(lambda: reply.status)
    assert reply.status == 200
    sim.until(lambda: watch.states[-1] == b"dark", within=100)
    watch.ends()
    sim.until(lambda: sim.exchange.figures()["subscriptions"] == 0)


def test_outage_of_the_phone_costs_no_lamp():
    """A single unanswered NOTIFY ends no subscription, nor do two; what was missed is told again."""
    sim, (alice,) = office("1001")
    lamps = Lamps(sim)
    watch = Watch(alice, "lamp", "1002")
    sim.until(lambda: watch.states)
    sim.network.loses("NOTIFY", target=alice.host, times=24)
    sim.advance(0.25)
    lamps.light("1002", b"on")
    sim.advance(65)
    assert watch.states == [b"dark"]
    sim.until(lambda: watch.states[-1] == b"on", within=1)
    watch.ends()
    sim.assert_idle()


def test_phone_that_is_gone_loses_its_subscriptions_after_three_notifies():
    sim, (alice,) = office("1001")
    lamps = Lamps(sim)
    watch = Watch(alice, "lamp", "1002")
    sim.until(lambda: watch.states)
    sim.advance(0.25)
    alice.vanishes()
    lamps.light("1002", b"on")
    sim.advance(95.875)
    assert sim.exchange.figures()["subscriptions"] == 1
    sim.advance(0.125)
    assert sim.exchange.figures()["subscriptions"] == 0
    watch.ends()
    sim.assert_idle()


def test_phone_that_was_restarted_says_so_to_the_next_notify():
    sim, (alice,) = office("1001")
    lamps = Lamps(sim)
    watch = Watch(alice, "lamp", "1002")
    sim.until(lambda: watch.states)
    watch.forgets()
    lamps.light("1002", b"on")
    sim.advance(0.25)
    assert sim.exchange.figures()["subscriptions"] == 0
    sim.assert_idle()


def test_phone_behind_a_nat_is_told_where_it_really_is():
    sim, _ = office()
    alice = sim.phone("1001", behind_nat="192.168.0.2")
    lamps = Lamps(sim)
    watch = Watch(alice, "lamp", "1002")
    sim.until(lambda: watch.states)
    lamps.light("1002", b"on")
    sim.until(lambda: watch.states[-1] == b"on", within=1)
    watch.ends()
    sim.assert_idle()


def test_removed_extension_watches_no_more():
    sim, (alice, bob) = office("1001", "1002")
    Lamps(sim)
    watches = [Watch(alice, "lamp", "1002"), Watch(bob, "lamp", "1001")]
    sim.until(lambda: all(watch.states for watch in watches))
    kept = [extension for number in ("1002", "1003") if (extension := sim.exchange.directory.find(number))]
    sim.exchange.replace_accounts(Accounts(kept))
    sim.advance(0.25)
    assert [watch.over for watch in watches] == ["rejected", ""]
    watches[1].ends()
    sim.assert_idle()


# Who may (docs/operating, "Who a caller is"), and for what


def test_stranger_may_watch_nothing():
    sim, _ = office()
    Lamps(sim)
    zoe = sim.phone("zoe", domain="example.org", register=False)
    watch = Watch(zoe, "lamp", "1002")
    sim.advance(0.25)
    assert (watch.status, watch.states) == (403, [])
    sim.assert_idle()


def test_subscriber_is_asked_who_it_is_before_anything_else():
    sim, _ = office()
    alice = sim.phone("1001", register=False)
    watch = Watch(alice, "nonsense", "1999")
    sim.advance(0.25)
    assert watch.status == 489
    mallory = sim.phone("1002", password="guessed", register=False)
    watch = Watch(mallory, "nonsense", "1999")
    sim.advance(0.25)
    assert watch.status == 401
    sim.assert_idle()


@pytest.mark.parametrize(
    ("package", "number", "more", "status"),
    [
        ("presence.winfo", "1002", (), 489),
        ("", "1002", (), 489),
        ("LAMP", "1002", (), 489),
        ("refer", "1002", (), 403),
        ("lamp", "1999", (), 404),
        ("lamp", "1002", (CONTACT.field("<sip:1001@10.0.1.1>"), EXPIRES.field(59)), 423),
        ("lamp", "1002", (ACCEPT.field("text/plain"),), 406),
        ("lamp", "1002", (ACCEPT.field("application/*"),), 400),  # and no Contact
        ("lamp", "1002", (), 400),
    ],
)
def test_what_cannot_be_watched_is_refused(package, number, more, status):
    sim, (alice,) = office("1001")
    Lamps(sim)
    reply = alice.asks("SUBSCRIBE", number, (*((EVENT.field(package),) if package else ()), *more))
    sim.until(lambda: reply.status)
    assert reply.status == status
    if status == 489:
        assert {"lamp", "refer", "reg"} <= set(reply.field("allow-events").split(", "))
    if status == 423:
        assert reply.field("min-expires") == "60"
    sim.assert_idle()


@pytest.mark.parametrize(
    ("package", "number", "body", "kind", "status"),
    [
        ("lamp", "1002", b"x", KIND, 403),
        ("dialog", "1001", b"x", KIND, 489),
        ("", "1001", b"x", KIND, 489),
        ("lamp", "1001", b"x", "text/plain", 415),
        ("lamp", "1001", b"", KIND, 400),
        ("lamp", "1001", b"x", KIND, 200),
    ],
)
def test_what_cannot_be_published_is_refused(package, number, body, kind, status):
    sim, (alice,) = office("1001")
    Lamps(sim)
    event = (EVENT.field(package),) if package else ()
    reply = alice.asks("PUBLISH", number, (*event, EXPIRES.field(60)), body, kind)
    sim.until(lambda: reply.status)
    assert reply.status == status
    sim.assert_idle()


def test_options_tells_what_can_be_watched():
    sim, (alice,) = office("1001")
    Lamps(sim)
    reply = alice.asks("OPTIONS")
    sim.until(lambda: reply.status)
    assert {"lamp", "refer", "reg"} <= set(reply.field("allow-events").split(", "))
    sim.assert_idle()


def test_notify_that_nobody_asked_for_is_481():
    """RFC 6665 4.1.3."""
    sim, (alice,) = office("1001")
    reply = alice.asks("NOTIFY", "1001")
    sim.until(lambda: reply.status)
    assert reply.status == 481
    sim.assert_idle()
