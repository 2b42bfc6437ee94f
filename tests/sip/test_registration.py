"""Registrations of our own: kept alive, tried again, ended (RFC 3261 10.2, RFC 5626 4.5)."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.headers import CONTACT, EXPIRES, MIN_EXPIRES, RETRY_AFTER, WWW_AUTHENTICATE
from pbx.sip.hops import Hop, Srv
from pbx.sip.identifiers import Identifiers
from pbx.sip.keyring import Keyring
from pbx.sip.locator import Locator
from pbx.sip.message import Request
from pbx.sip.outages import Outages
from pbx.sip.registration import (
    EARLY,
    ENDING,
    FIRST_PAUSE,
    IDLE,
    LONGEST,
    LONGEST_PAUSE,
    REGISTERED,
    REGISTERING,
    SOONEST,
    WAITING,
    Registration,
)
from pbx.sip.timers import TIMER_F
from pbx.sip.transaction_layer import TransactionLayer
from pbx.sip.uac import Policy
from pbx.testing.clock import VirtualClock
from pbx.testing.names import Zone
from tests.sip.wire import Wire, response

CHALLENGE = WWW_AUTHENTICATE.field('Digest realm="example.com", nonce="n1", qop="auth"')


class Registrant:
    """A user agent with one registration, and whom it tells.

    :ivar told: what it told, in short.
    """

    def __init__(self, registrar: str = "sip:192.0.2.9", transport: str = "UDP", password: str = "", **given) -> None:
        self.clock = VirtualClock(now=1000.0)
        self.zone = Zone(self.clock)
        self.identifiers = Identifiers(random.Random(5).randbytes)
        self.layer = TransactionLayer(self.clock, Identifiers(random.Random(6).randbytes))
        self.locator = Locator(self.zone, lambda: ("UDP", "TCP", "TLS"), lambda: 0.0)
        self.outages = Outages(self.clock)
        self.flows = self
        self.wires: dict[str, Wire] = {}
        self.told: list[object] = []
        keyring = Keyring("us", password, self.identifiers.token) if password else None
        self.registration = Registration(self, self, registrar, "sip:us@example.com", Policy(keyring=keyring), **given)

    def flow_along(self, hop: Hop) -> Wire:
        if hop.host not in self.wires:
            self.wires[hop.host] = Wire(self.clock, hop.transport != "UDP", (hop.host, hop.port))
            self.wires[hop.host].transport = hop.transport
        return self.wires[hop.host]

    def asked(self, host: str = "192.0.2.9") -> Request:
        """The last request that came to the registrar."""
        wire = self.wires[host]
        found = wire.last
        wire.sent.clear()
        assert isinstance(found, Request)
        return found

    @property
    def silent(self) -> bool:
        """Whether nothing was sent since the last time."""
        return not any(wire.sent for wire in self.wires.values())

    def answers(self, request: Request, status: int, *more) -> None:
        """The registrar answers; after a while, its answer comes no more again."""
        self.layer.message_received(next(iter(self.wires.values())), response(request, status, more=more))

    def starts(self) -> Request:
        """Start, and return the first request."""
        self.registration.start()
        return self.asked()

    def is_registered(self, seconds: int = 3600) -> Request:
        """Start, and be registered."""
        request = self.starts()
        self.answers(request, 200, CONTACT.field(f"{request.first('contact')};expires={seconds}"))
        return request

    # pbx.sip.registration.RegistrationUser

    def registered(self, registration: Registration) -> None:
        self.told.append("registered")

    def registration_failed(self, registration: Registration, status: int, reason: str) -> None:
        self.told.append(status)

    def unregistered(self, registration: Registration) -> None:
        self.told.append("unregistered")


@pytest.fixture
def us() -> Registrant:
    return Registrant()


def test_register_has_all_that_it_must_have(us):
    request = us.starts()
    assert (request.method, request.target) == ("REGISTER", "sip:192.0.2.9")
    assert request.first("to") == "<sip:us@example.com>"
    assert request.first("from") == f"<sip:us@example.com>;tag={request.from_tag}"
    assert request.first("contact") == "<sip:us@192.0.2.1:5060>"
    assert request.first("expires") == "3600"
    assert request.first("cseq") == "1 REGISTER"
    assert us.registration.state is REGISTERING


@pytest.mark.parametrize(
    ("registrar", "contact"),
    [
        ("sip:192.0.2.9;transport=tcp", "<sip:us@192.0.2.1:5060;transport=tcp>"),
        ("sips:192.0.2.9", "<sips:us@192.0.2.1:5060>"),
    ],
)
def test_contact_names_the_way_back(registrar, contact):
    assert Registrant(registrar).starts().first("contact") == contact


def test_registration_is_refreshed_before_it_ends(us):
    first = us.is_registered(1800)
    assert us.told == ["registered"]
    assert us.registration.state is REGISTERED
    assert us.registration.expires_at == 2800.0
    us.clock.advance((1800 - EARLY) * 15 / 16 - 1)
    assert us.silent
    us.clock.advance(1800 - EARLY - (1800 - EARLY) * 15 / 16 + 1)
    again = us.asked()
    assert (again.call_id, again.cseq) == (first.call_id, 2)
    us.answers(again, 200, CONTACT.field(f"{again.first('contact')};expires=1800"))
    assert us.told == ["registered", "registered"]
    assert us.registration.expires_at > 4300


def test_registrations_do_not_stay_in_step():
    delays = set()
    for count in range(8):
        us = Registrant()
        for _ in range(count):
            us.identifiers.token()
        us.is_registered()
        (refresh,) = [timer for timer in us.clock.pending if timer.time > 1000 + TIMER_F]
        delays.add(refresh.time)
    assert len(delays) == 8


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ([CONTACT.field("<sip:other@192.0.2.77>;expires=50, <sip:us@192.0.2.1:5060>;expires=120")], 120),
        ([CONTACT.field("<sip:us@198.51.100.7:1024>;expires=90")], 90),  # rewritten by a border controller
        ([CONTACT.field("<sip:us@192.0.2.1:5060>"), EXPIRES.field(600)], 600),
        ([EXPIRES.field(600)], 600),
        ([], 3600),
        ([CONTACT.field("<sip:us@192.0.2.1:5060>;expires=x"), EXPIRES.field("y")], 3600),
        ([CONTACT.field("<sip:us@192.0.2.1:5060>;expires=999999999")], LONGEST),
        ([CONTACT.field("<sip:a@192.0.2.77>;expires=5, <sip:b@192.0.2.78>;expires=6")], 3600),
    ],
)
def test_registrar_says_for_how_long(us, fields, seconds):
    us.answers(us.starts(), 200, *fields)
    assert us.registration.expires_at == 1000 + seconds


def test_registrar_cannot_make_us_ask_without_a_pause(us):
    us.is_registered(1)
    us.clock.advance(SOONEST * 15 / 16 - 0.125)
    assert us.silent
    us.clock.advance(SOONEST / 16 + 0.25)
    assert us.asked().cseq == 2


def test_credentials_are_given_when_asked_for_and_with_each_refresh():
    us = Registrant(password="secret")
    first = us.starts()
    us.answers(first, 401, CHALLENGE)
    second = us.asked()
    assert (second.cseq, second.call_id) == (2, first.call_id)
    assert "nc=00000001" in second.first("authorization")
    us.answers(second, 200)
    us.clock.advance_until(lambda: us.registration.state is REGISTERING, 3600 - EARLY)
    third = us.asked()
    assert third.cseq == 3
    assert "nc=00000002" in third.first("authorization")


def test_wrong_password_is_a_failure_like_others():
    us = Registrant(password="wrong")
    us.answers(us.starts(), 401, CHALLENGE)
    us.answers(us.asked(), 401, CHALLENGE)
    assert us.told == [401]
    assert us.registration.state is WAITING


def test_longer_time_is_asked_for_where_ours_was_too_brief():
    us = Registrant(expires=60)
    us.answers(us.starts(), 423, MIN_EXPIRES.field(1800))
    second = us.asked()
    assert (second.first("expires"), second.cseq) == ("1800", 2)
    us.answers(second, 200)
    assert us.registration.expires_at == 2800
    us.clock.advance(1800)
    assert us.asked().first("expires") == "1800"


@pytest.mark.parametrize("least", [None, "60", "59", "86401", "x"])
def test_too_brief_without_saying_what_would_do_is_a_failure(least):
    us = Registrant(expires=60)
    us.answers(us.starts(), 423, *([] if least is None else [MIN_EXPIRES.field(least)]))
    assert us.told == [423]
    assert us.registration.state is WAITING


def test_registrar_that_always_wants_longer_gets_a_pause():
    us = Registrant(expires=60)
    us.answers(us.starts(), 423, MIN_EXPIRES.field(61))
    us.answers(us.asked(), 423, MIN_EXPIRES.field(62))
    assert us.told == [423]
    assert us.silent


def test_failures_are_tried_again_for_ever_and_less_and_less_often(us):
    us.starts()
    pauses = []
    for _ in range(20):
        us.clock.advance_until(lambda: us.registration.state is WAITING, TIMER_F)
        before = us.clock.seconds()
        us.clock.advance_until(lambda: us.registration.state is REGISTERING, LONGEST_PAUSE)
        pauses.append(us.clock.seconds() - before)
    assert us.told == [408] * 20
    for number, pause in enumerate(pauses):
        longest = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE)
        assert longest / 2 <= pause <= longest
    assert len(set(pauses)) == 20
    us.answers(us.asked(), 200)
    assert us.registration.state is REGISTERED
    us.clock.advance(3600 - EARLY)
    us.clock.advance(TIMER_F)
    before = us.clock.seconds()
    us.clock.advance_until(lambda: us.registration.state is REGISTERING, LONGEST_PAUSE)
    assert us.clock.seconds() - before <= FIRST_PAUSE  # a success has made all good


def test_former_registration_holds_while_its_refresh_fails(us):
    us.is_registered(600)
    us.clock.advance(600 - EARLY)
    us.answers(us.asked(), 500)
    assert us.told == ["registered", 500]
    assert us.registration.expires_at == 1600


def test_registrar_that_asks_for_a_rest_gets_it(us):
    us.answers(us.starts(), 480, RETRY_AFTER.field("600"))
    us.clock.advance(599)
    assert us.silent
    us.clock.advance(1)
    assert us.asked().cseq == 2


def test_registrar_cannot_ask_for_a_rest_without_end(us):
    us.answers(us.starts(), 480, RETRY_AFTER.field("999999999"))
    us.clock.advance(2 * LONGEST_PAUSE)
    assert us.asked().cseq == 2


def test_second_server_of_the_registrar_is_tried():
    us = Registrant("sip:example.com")
    us.zone.records = {
        "_sip._udp.example.com": [Srv(1, 0, 5060, "a.example.com"), Srv(2, 0, 5060, "b.example.com")],
        "a.example.com": ["192.0.2.10"],
        "b.example.com": ["192.0.2.11"],
    }
    us.registration.start()
    us.clock.advance(0.125)
    us.answers(us.asked("192.0.2.10"), 503)
    us.answers(us.asked("192.0.2.11"), 200)
    assert us.told == ["registered"]
    assert us.registration.flow is us.wires["192.0.2.11"]


def test_stopped_registration_is_removed(us):
    us.is_registered()
    us.registration.stop()
    assert us.registration.state is ENDING
    request = us.asked()
    assert (request.first("expires"), request.first("contact")) == ("0", "<sip:us@192.0.2.1:5060>")
    us.answers(request, 200)
    assert us.told == ["registered", "unregistered"]
    assert us.registration.state is IDLE
    us.clock.advance(TIMER_F)
    assert us.clock.pending == []


def test_registrar_that_does_not_hear_of_it_does_not_keep_us(us):
    us.is_registered()
    us.registration.stop()
    us.clock.advance(TIMER_F)
    assert us.told == ["registered", "unregistered"]
    assert us.clock.pending == []


def test_stop_waits_for_the_answer_to_what_is_under_way(us):
    request = us.starts()
    us.registration.stop()
    assert us.silent
    us.answers(request, 200)
    last = us.asked()
    assert (last.first("expires"), last.cseq) == ("0", 2)
    us.answers(last, 200)
    assert us.told == ["unregistered"]


def test_stop_of_what_is_not_registered_says_so_at_once(us):
    us.answers(us.starts(), 500)
    us.registration.stop()
    assert us.told == [500, "unregistered"]
    assert us.silent
    us.clock.advance(TIMER_F)
    assert us.clock.pending == []


def test_stop_is_asked_for_once(us):
    us.registration.stop()
    assert us.told == []
    us.is_registered()
    us.registration.stop()
    us.registration.stop()
    us.answers(us.asked(), 200)
    assert us.told == ["registered", "unregistered"]


def test_repr_tells_how_far_it_is(us):
    us.answers(us.starts(), 480, RETRY_AFTER.field("600"))
    assert repr(us.registration) == "<registration of sip:us@example.com: waiting to try again, 600.0 s left>"


def test_it_can_be_started_again(us):
    first = us.is_registered()
    us.registration.start()
    assert us.silent
    us.registration.stop()
    us.answers(us.asked(), 200)
    second = us.is_registered()
    assert (second.call_id, second.cseq) == (first.call_id, 3)


@given(
    st.lists(st.sampled_from(["start", "stop", "wait", "long", 100, 200, 302, 401, 408, 423, 503, "gone"]), max_size=30)
)
def test_whatever_happens_it_ends_when_it_is_stopped(steps):
    us = Registrant(password="secret")
    for step in steps:
        if step in ("start", "stop"):
            getattr(us.registration, step)()
        elif step in ("wait", "long"):
            us.clock.advance(4 if step == "wait" else 4000)
        elif step == "gone":
            for wire in us.wires.values():
                us.layer.flow_failed(wire)
        elif not us.silent:
            us.answers(us.asked(), step, CHALLENGE, MIN_EXPIRES.field(7200))
    us.registration.stop()
    us.clock.advance(4 * TIMER_F)
    assert us.registration.state is IDLE
    assert us.clock.pending == []
