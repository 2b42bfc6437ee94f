"""An INVITE that is delivered: it takes one way after the other and stays the same call (RFC 3263 4.3, RFC 3261
8.1.3.4, 22); then the requests of its dialog, with credentials and by names.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.digest import ha1, parse_credentials
from pbx.sip.headers import CONTACT, PROXY_AUTHENTICATE, RECORD_ROUTE, WWW_AUTHENTICATE
from pbx.sip.hops import Hop, Srv
from pbx.sip.identifiers import Identifiers
from pbx.sip.keyring import ANSWERED, Keyring
from pbx.sip.locator import Locator
from pbx.sip.message import Request
from pbx.sip.outbound_session import OutboundSession
from pbx.sip.timers import TIMER_B
from pbx.sip.uac import Delivery, Policy
from pbx.sip.uri import Uri
from pbx.testing.names import Zone
from tests.sip.endpoint import OFFER, Endpoint, names
from tests.sip.wire import SDP, Wire, response

ONE, TWO, THREE = "192.0.2.11", "192.0.2.12", "192.0.2.13"
RECORDS = {
    "_sip._udp.example.com": [Srv(1, 0, 5060, "one.example.com"), Srv(2, 0, 5060, "two.example.com")],
    "one.example.com": [ONE],
    "two.example.com": [TWO],
    "proxy.example.com": [THREE],
}
ANYHOW = Policy(may_redirect=True)
CHALLENGE = 'Digest realm="there", nonce="{}", qop="auth"'


class Caller(Endpoint):
    """An endpoint with a DNS, that makes one call.

    :ivar wires: the flows by address.
    """

    def __init__(self, policy: Policy = ANYHOW) -> None:
        super().__init__()
        self.zone = Zone(self.clock, RECORDS)
        self.agent.locator = Locator(self.zone, lambda: ("UDP",), lambda: 0.0)
        self.wires: dict[str, Wire] = {}
        self.session: OutboundSession = OutboundSession(self.agent, self, None, neighbour=False)
        self.session.delivery = Delivery(self.agent, self, policy, "sip:bob@example.com")

    def flow_along(self, hop: Hop) -> Wire | None:
        if hop.host == "192.0.2.66":
            return None
        return self.wires.setdefault(hop.host, Wire(self.clock, remote=(hop.host, hop.port)))

    def flow_to(self, uri: Uri) -> Wire | None:
        return self.flow_along(Hop("UDP", uri.host, 5060, "")) if uri.host[0].isdigit() else None

    def dials(self) -> Request:
        """Find the way, and call: the INVITE that came to the first server."""
        self.session.delivery.start()
        self.clock.advance(0.25)
        return self.asked(ONE)

    def asked(self, host: str, method: str = "INVITE") -> Request:
        """The last request of a method that came to a server; then all that came is forgotten."""
        found = [message for message in self.wires[host].messages if getattr(message, "method", "") == method]
        self.wires[host].sent.clear()
        return found[-1]

    def says(self, request: Request, status: int, *more, tag: str = "bob", **parts) -> None:
        """A server answers."""
        self.layer.message_received(self.wires[ONE], response(request, status, tag, more=more, **parts))
        self.clock.advance(0.25)

    # pbx.sip.uac.DeliveryUser

    def way_found(self, flow) -> None:
        self.session.flow = flow
        self.session.invite("", "<sip:us@192.0.2.1>", "<sip:bob@example.com>", SDP, 70)

    def undeliverable(self, status, reason) -> None:
        self.session.undelivered(status, reason)


@pytest.fixture
def us() -> Caller:
    return Caller()


@pytest.fixture
def known() -> Caller:
    """One with an account."""
    return Caller(Policy(keyring=Keyring("us", "secret", Identifiers(random.Random(3).randbytes).token)))


def test_way_is_found_and_the_call_is_answered(us):
    invite = us.dials()
    assert (invite.target, invite.first("contact")) == ("sip:bob@example.com", "<sip:192.0.2.1:5060>")
    us.says(invite, 180)
    us.says(invite, 200, contact=f"<sip:bob@{ONE}>", sdp=SDP)
    assert us.told == [(180, b""), ("answered", SDP)]
    assert us.asked(ONE, "ACK").target == f"sip:bob@{ONE}"
    assert us.session.delivery is None
    us.session.hang_up()
    us.says(us.asked(ONE, "BYE"), 200)
    us.assert_idle()


def test_silent_server_is_followed_by_the_next_with_the_same_invite(us):
    first = us.dials()
    us.clock.advance(TIMER_B)
    second = us.asked(TWO)
    assert second.via.branch != first.via.branch
    assert second.fields[1:] == first.fields[1:]  # RFC 3263 4.3
    assert second.body == first.body
    us.says(second, 200, contact=f"<sip:bob@{TWO}>", sdp=SDP)
    assert us.told == [("answered", SDP)]
    assert us.asked(TWO, "ACK").cseq == 1


def test_overloaded_server_is_followed_by_the_next_and_its_early_dialog_forgotten(us):
    first = us.dials()
    us.says(first, 183, tag="one", sdp=OFFER)
    assert us.agent.dialogs == 1
    us.says(first, 503, tag="one")
    assert us.agent.dialogs == 0
    assert us.asked(ONE, "ACK")
    second = us.asked(TWO)
    us.says(second, 200, tag="two", contact=f"<sip:bob@{TWO}>", sdp=SDP)
    assert us.told == [(183, OFFER), ("answered", SDP)]
    assert us.session.dialog.remote_tag == "two"
    assert us.agent.dialogs == 1


def test_servers_that_all_fail_end_the_call(us):
    us.dials()
    us.clock.advance(TIMER_B)
    us.says(us.asked(TWO), 503)
    assert us.told == [("rejected", 503)]
    us.assert_idle()


def test_name_that_leads_nowhere_ends_the_call_with_408(us):
    us.zone.records.clear()
    us.session.delivery.start()
    us.clock.advance(0.25)
    assert us.told == [("rejected", 408)]
    us.assert_idle()


def test_redirected_call_keeps_its_call_id(us):
    first = us.dials()
    us.says(first, 302, CONTACT.field(f"<sip:robert@{THREE}>"))
    second = us.asked(THREE)
    assert (second.target, second.cseq) == (f"sip:robert@{THREE}", 2)
    assert (second.call_id, second.from_tag, second.first("to")) == (first.call_id, first.from_tag, first.first("to"))
    us.says(second, 486)
    assert us.told == [("rejected", 486)]
    us.assert_idle()


def test_challenged_invite_is_sent_again_and_its_ack_has_the_same_credentials(known):
    us = known
    first = us.dials()
    us.says(first, 407, PROXY_AUTHENTICATE.field(CHALLENGE.format("n1")))
    second = us.asked(ONE)
    assert (second.cseq, second.call_id) == (2, first.call_id)
    credentials = parse_credentials(second.first("proxy-authorization"))
    assert credentials.matches(ha1("MD5", "us", "there", "secret"), "INVITE")
    us.says(second, 200, contact=f"<sip:bob@{ONE}>", sdp=SDP)
    ack = us.asked(ONE, "ACK")
    assert ack.cseq == 2
    # RFC 3261 13.2.2.4
    assert ack.first("proxy-authorization") == second.first("proxy-authorization")


def answered(us: Caller) -> OutboundSession:
    us.says(us.dials(), 407, PROXY_AUTHENTICATE.field(CHALLENGE.format("n1")))
    us.says(us.asked(ONE), 200, contact=f"<sip:bob@{ONE}>", sdp=SDP)
    us.asked(ONE, "ACK")
    us.told.clear()
    return us.session


def test_later_requests_have_credentials_at_once(known):
    answered(known).hang_up()
    bye = known.asked(ONE, "BYE")
    credentials = parse_credentials(bye.first("proxy-authorization"))
    assert (credentials.nc, credentials.uri) == ("00000002", bye.target)
    assert credentials.matches(ha1("MD5", "us", "there", "secret"), "BYE")
    known.says(bye, 200)
    known.assert_idle()


def test_challenged_bye_is_sent_again(known):
    answered(known).hang_up()
    first = known.asked(ONE, "BYE")
    stale = CHALLENGE.format("n2") + ", stale=true"
    known.says(first, 407, PROXY_AUTHENTICATE.field(stale))
    second = known.asked(ONE, "BYE")
    assert second.cseq == first.cseq + 1
    assert len([field for field in second.fields if field[0] == "via"]) == 1
    assert parse_credentials(second.first("proxy-authorization")).nonce == "n2"
    known.says(second, 200)
    known.assert_idle()


def test_challenged_reinvite_is_sent_again_and_acknowledged_with_the_same_credentials(known):
    session = answered(known)
    session.offer(OFFER)
    first = known.asked(ONE)
    known.says(first, 401, WWW_AUTHENTICATE.field(CHALLENGE.format("w1")))
    assert known.told == []
    second = known.asked(ONE)
    assert (second.cseq, second.body) == (first.cseq + 1, OFFER)
    known.says(second, 200, contact=f"<sip:bob@{ONE}>", sdp=SDP)
    assert known.told == [("answered", SDP)]
    ack = known.asked(ONE, "ACK")
    assert ack.cseq == second.cseq
    for key in ("authorization", "proxy-authorization"):
        assert ack.first(key) == second.first(key)
    assert session.may_offer


def test_reinvite_that_is_challenged_in_vain_is_refused(known):
    session = answered(known)
    session.offer(OFFER)
    for nonce in ("w1", "w2"):
        known.says(known.asked(ONE), 401, WWW_AUTHENTICATE.field(CHALLENGE.format(nonce)))
    assert known.told == [("rejected", 401)]
    assert session.may_offer


@pytest.mark.parametrize("method", ["INVITE", "BYE"])
def test_server_to_whom_every_nonce_is_stale_is_not_answered_for_ever(known, method):
    session = answered(known)
    session.offer(OFFER) if method == "INVITE" else session.hang_up()
    numbers = []
    for number in range(30):
        if not any(getattr(message, "method", "") == method for message in known.wires[ONE].messages):
            break
        asked = known.asked(ONE, method)
        numbers.append(asked.cseq)
        known.says(asked, 401, WWW_AUTHENTICATE.field(CHALLENGE.format(f"n{number}") + ", stale=true"))
    assert len(numbers) == 1 + ANSWERED
    assert known.told == ([("rejected", 401)] if method == "INVITE" else [])
    if method == "BYE":
        known.assert_idle()


def test_challenge_in_a_dialog_without_an_account_is_a_refusal(us):
    us.says(us.dials(), 200, contact=f"<sip:bob@{ONE}>", sdp=SDP)
    us.session.offer(OFFER)
    us.told.clear()
    us.says(us.asked(ONE), 401, WWW_AUTHENTICATE.field(CHALLENGE.format("n")))
    assert us.told == [("rejected", 401)]


# We give up


def test_call_given_up_while_its_way_is_looked_for_is_never_sent(us):
    us.session.delivery.start()
    us.session.cancel()
    us.clock.advance(1)
    assert (us.told, us.wires) == ([], {})
    us.assert_idle()


def test_call_given_up_between_two_ways_takes_no_other(us):
    moved = response(us.dials(), 302, more=[CONTACT.field("<sip:bob@two.example.com>")])
    us.layer.message_received(us.wires[ONE], moved)
    us.session.cancel()
    us.assert_idle()
    assert (us.told, set(us.wires)) == ([], {ONE})


@pytest.mark.parametrize("status", [503, 302, 401])
def test_call_given_up_takes_no_other_way(us, status):
    invite = us.dials()
    us.session.cancel()
    us.says(invite, status, CONTACT.field(f"<sip:bob@{THREE}>"))
    assert (us.told, set(us.wires)) == ([], {ONE})
    us.clock.advance(64)
    us.assert_idle()


# Names in dialogs (RFC 3261 12.2.1.1, RFC 3263)


def test_next_hop_that_is_a_name_is_looked_up(us):
    invite = us.dials()
    answer = response(
        invite, 200, "bob", more=[RECORD_ROUTE.field("<sip:proxy.example.com;lr>")], contact="<sip:b@h>", sdp=SDP
    )
    us.layer.message_received(us.wires[ONE], answer)
    # While it is looked up, requests go where the INVITE went; the ACK comes again when the 200 does.
    assert us.asked(ONE, "ACK").first("route") == "<sip:proxy.example.com;lr>"
    us.clock.advance(0.25)
    us.layer.message_received(us.wires[ONE], answer)
    us.session.hang_up()
    assert names(us.wires[THREE]) == ["ACK", "BYE"]


def test_dialog_stays_with_the_server_that_has_it(us):
    """Another draw among the servers of a domain must not take a dialog to one that does not know it."""
    us.dials()
    us.clock.advance(TIMER_B)
    us.says(us.asked(TWO), 200, RECORD_ROUTE.field("<sip:example.com;lr>"), contact="<sip:b@h>", sdp=SDP)
    us.session.hang_up()
    assert us.asked(TWO, "BYE")


@pytest.mark.parametrize("host", ["nowhere.example.com", "unreachable.example.com"])
def test_next_hop_without_a_way_leaves_the_old_one(us, host):
    us.zone.records["unreachable.example.com"] = ["192.0.2.66"]
    us.says(us.dials(), 200, RECORD_ROUTE.field(f"<sip:{host};lr>"), contact="<sip:b@h>", sdp=SDP)
    us.session.hang_up()
    assert us.asked(ONE, "BYE").first("route") == f"<sip:{host};lr>"


def test_target_that_changes_while_its_name_is_looked_up_counts(us):
    invite = us.dials()
    ringing = response(invite, 180, "bob", contact="<sip:bob@proxy.example.com>")
    us.layer.message_received(us.wires[ONE], ringing)
    us.says(invite, 200, contact=f"<sip:bob@{TWO}>", sdp=SDP)
    us.session.hang_up()
    assert us.asked(TWO, "BYE")


# Whatever the servers do

STEPS = st.one_of(
    st.tuples(st.sampled_from([100, 180, 183, 200, 302, 401, 407, 422, 486, 503, 603]), st.sampled_from(["a", "b"])),
    st.tuples(st.sampled_from(["time", "gone", "cancel", "hang_up", "offer"]), st.sampled_from([0.25, 8.0, 32.0])),
)


@given(steps=st.lists(STEPS, max_size=25), known=st.booleans())
def test_every_invite_comes_to_one_end_and_leaves_nothing_behind(steps, known):
    keyring = Keyring("us", "secret", Identifiers(random.Random(3).randbytes).token) if known else None
    us = Caller(Policy(keyring, may_redirect=True))
    us.session.delivery.start()
    us.clock.advance(0.25)
    sent: list[Request] = []
    for number, (step, detail) in enumerate(steps):
        for wire in us.wires.values():
            found = [message for message in wire.messages if isinstance(message, Request)]
            sent.extend(message for message in found if message.method not in ("ACK", "CANCEL"))
            wire.sent.clear()
        if step == "time":
            us.clock.advance(detail)
        elif step == "gone":
            for wire in list(us.wires.values()):
                us.layer.flow_failed(wire)
        elif step == "offer":
            if us.session.may_offer:
                us.session.offer(OFFER)
        elif isinstance(step, str):
            getattr(us.session, step)()
        elif sent:
            fields = [
                WWW_AUTHENTICATE.field(CHALLENGE.format(f"n{number}") + (", stale=true" if number % 2 else "")),
                ("min-se", "Min-SE", "100"),
            ]
            if step == 302:
                fields.append(CONTACT.field(f"<sip:bob@192.0.2.{number + 20}>, <sip:bob@proxy.example.com>"))
            contact = "" if step == 302 else "<sip:bob@192.0.2.11>"
            us.says(sent[-1], step, *fields, tag=detail, contact=contact, sdp=SDP if step in (183, 200) else b"")
    ends = [told for told in us.told if told[0] in ("rejected", "ended")]
    assert len(ends) <= 1 or us.told.count(("answered", SDP))
    us.session.cancel()
    for _ in range(8):
        us.clock.advance(64)
    us.assert_idle()
