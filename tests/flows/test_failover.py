"""Calls to names: servers found by the DNS, the next one when one fails, calls that are sent on elsewhere (RFC 3263,
RFC 3261 8.1.3.4).
"""

from __future__ import annotations

import pytest
from twisted.names import dns

from pbx.dialplan import Call, Plan, uri
from pbx.sip.hops import Naptr, Srv
from pbx.sip.locator import Locator
from pbx.testing.exchange import SIP_PORT
from pbx.testing.names import TIMEOUT
from tests.flows.office import flow, office
from tests.flows.raw import DESCRIPTION, Raw
from tests.sip.nameserver import Dns

ONE, TWO = "10.0.8.1", "10.0.8.2"
RECORDS = {
    "example.com": [Naptr(10, 10, "s", "SIP+D2U", "_sip._udp.example.com")],
    "_sip._udp.example.com": [Srv(1, 0, SIP_PORT, "one.example.com"), Srv(2, 0, SIP_PORT, "two.example.com")],
    "one.example.com": [ONE],
    "two.example.com": [TWO],
}

plan = Plan()


@plan.internal("<number:any>")
async def elsewhere(call: Call, number: str) -> None:
    await call.dial(uri(f"sip:{number}@example.com"), timeout=60)


@plan.internal("1<number:any>")
async def briefly(call: Call, number: str) -> None:
    await call.dial(uri(f"sip:{number}@example.com"), timeout=2)


@plan.internal("2<number:any>")
async def twice(call: Call, number: str) -> None:
    """One of the two is here, the other has a name."""
    await call.dial(uri(f"sip:{number}@{ONE}"), uri(f"sip:{number}@two.example.com"), timeout=20)


def outside(sim):
    """Two servers of example.com, each a phone that everybody can call."""
    sim.zone.records |= RECORDS
    return [sim.phone("zoe", host=host, register=False, domain="example.com") for host in (ONE, TWO)]


def calling(number="zoe"):
    sim, (alice,) = office("1001", plan=plan)
    one, two = outside(sim)
    alice.invites(number)
    return sim, alice, one, two


@flow("1001", plan=plan)
def test_call_to_a_name(sim, alice):
    zoe, other = outside(sim)
    alice.invites("zoe")
    sim.until(lambda: zoe.ringing)
    zoe.answers()
    sim.until(lambda: alice.talking and zoe.may_offer)
    assert sim.talk(alice, zoe)
    zoe.hangs_up()
    sim.until(lambda: alice.idle)
    assert other.call is None


@flow("1001", plan=plan)
def test_overloaded_server_is_followed_by_the_next(sim, alice):
    one, two = outside(sim)
    alice.invites("zoe")
    sim.until(lambda: one.ringing)
    one.declines(503)
    sim.until(lambda: two.ringing)
    two.answers()
    sim.until(lambda: alice.talking and two.may_offer)
    assert sim.talk(alice, two)
    alice.hangs_up()
    sim.until(lambda: two.idle)


def test_server_that_is_gone_is_followed_by_the_next_after_64_t1():
    sim, alice, one, two = calling()
    one.vanishes()
    sim.until(lambda: two.ringing, within=33)
    two.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, two)
    # The next call does not wait for the one that is gone.
    alice.hangs_up()
    sim.until(lambda: two.idle)
    alice.invites("zoe")
    sim.until(lambda: two.ringing, within=1)
    alice.hangs_up()
    sim.until(lambda: two.idle)
    sim.assert_idle()


def test_server_that_asks_for_a_rest_is_left_alone():
    sim, (alice,) = office("1001", plan=plan)
    sim.zone.records |= RECORDS
    one, two = Raw(sim, ONE), Raw(sim, TWO)
    alice.invites("zoe")
    sim.until(lambda: one.requests("INVITE"))
    one.answers(one.requests("INVITE")[0], 503, fields=("Retry-After: 100",))
    sim.until(lambda: two.requests("INVITE"))
    two.answers(two.requests("INVITE")[0], 503, fields=("Retry-After: 50",))
    sim.until(lambda: alice.idle)
    assert alice.call.status == 500  # a 503 would say that we are overloaded (RFC 3261 16.7)
    first, second = one.requests("INVITE")[0], two.requests("INVITE")[0]
    assert (first.call_id, first.from_tag, first.cseq) == (second.call_id, second.from_tag, second.cseq)
    assert first.via.branch != second.via.branch
    alice.invites("zoe")
    sim.until(lambda: alice.idle, within=1)
    assert alice.call.status == 500
    assert len(one.requests("INVITE")) == len(two.requests("INVITE")) == 1
    sim.advance(50)
    alice.invites("zoe")
    sim.until(lambda: len(two.requests("INVITE")) == 2)
    two.answers(two.requests("INVITE")[1], 486)
    sim.until(lambda: alice.idle)
    assert alice.call.status == 486
    one.close(), two.close()
    sim.assert_idle()


def test_address_that_asks_for_a_rest_is_left_alone():
    sim, (alice,) = office("1001", plan=addresses)
    one = Raw(sim, ONE)
    alice.invites("zoe")
    sim.until(lambda: one.requests("INVITE"))
    one.answers(one.requests("INVITE")[0], 503, fields=("Retry-After: 10",))
    sim.until(lambda: alice.idle)
    alice.invites("zoe")
    sim.until(lambda: alice.idle, within=1)
    assert len(one.requests("INVITE")) == 1
    sim.advance(10)
    alice.invites("zoe")
    sim.until(lambda: len(one.requests("INVITE")) == 2)
    one.answers(one.requests("INVITE")[1], 486)
    sim.until(lambda: alice.idle)
    one.close()
    sim.assert_idle()


addresses = Plan()


@addresses.internal("<number:any>")
async def address(call: Call, number: str) -> None:
    await call.dial(uri(f"sip:{number}@{ONE}"), timeout=20)


@pytest.mark.parametrize("number", ["zoe", "2zoe"])
def test_exchange_without_media_ports_says_so_before_it_calls(number):
    sim, (alice,) = office("1001", plan=plan, pairs=1)
    one, two = outside(sim)
    alice.invites(number)
    sim.until(lambda: alice.idle)
    assert alice.call.status == 503
    assert one.call is two.call is None
    sim.assert_idle()


def test_refusal_is_final():
    sim, alice, one, two = calling()
    sim.until(lambda: one.ringing)
    one.declines(486)
    sim.until(lambda: alice.idle)
    assert alice.call.status == 486
    assert two.call is None
    sim.assert_idle()


def test_name_that_is_not_there():
    sim, (alice,) = office("1001", plan=plan)
    alice.invites("zoe")
    sim.until(lambda: alice.idle, within=1)
    assert alice.call.status == 408
    sim.assert_idle()


def test_name_that_is_not_there_does_not_end_the_ringing_of_others():
    sim, alice, one, _ = calling("2zoe")
    sim.zone.records.clear()
    sim.until(lambda: one.ringing)
    sim.advance(1)
    one.answers()
    sim.until(lambda: alice.talking)
    alice.hangs_up()
    sim.until(lambda: one.idle)
    sim.assert_idle()


def test_silent_dns_takes_no_longer_than_the_plan_waits():
    sim, (alice,) = office("1001", plan=plan)
    sim.zone.silent = True
    alice.invites("zoe")
    sim.until(lambda: alice.idle, within=4 * TIMEOUT)
    assert alice.call.status == 408
    alice.invites("1zoe")
    sim.advance(1.75)
    assert not alice.idle
    sim.until(lambda: alice.idle, within=0.5)
    assert alice.call.status == 480
    sim.assert_idle()


def test_caller_who_leaves_while_a_name_is_looked_up_is_forgotten():
    sim, (alice,) = office("1001", plan=plan)
    sim.zone.silent = True
    alice.invites("zoe")
    sim.until(lambda: sim.zone.asked)
    alice.hangs_up()
    sim.assert_idle()
    assert [datagram.kind for datagram in sim.network.sent][-2:] == ["487 INVITE", "ACK"]


def test_caller_who_leaves_while_nobody_answers_takes_no_other_way():
    sim, alice, one, two = calling()
    one.vanishes()
    sim.advance(1)
    alice.hangs_up()
    sim.advance(64)
    assert two.call is None
    sim.assert_idle()


def test_one_callee_rings_while_the_other_is_looked_up():
    sim, alice, one, two = calling("2zoe")
    sim.until(lambda: one.ringing)
    assert two.call is None
    sim.until(lambda: two.ringing)
    two.answers()
    sim.until(lambda: alice.talking and one.idle)
    assert sim.talk(alice, two)
    alice.hangs_up()
    sim.until(lambda: two.idle)
    sim.assert_idle()


def test_the_other_address_family_has_its_own_description():
    sim, (alice,) = office("1001", plan=plan)
    ours = sim.network.bind("fd00::1", SIP_PORT)
    ours.receiver = sim.exchange.listen(ours).datagram_received
    sim.zone.records |= {"example.com": ["fd00::9", TWO]}
    six, zoe = Raw(sim, "fd00::9"), sim.phone("zoe", host=TWO, register=False, domain="example.com")
    alice.invites("zoe")
    sim.until(lambda: six.requests("INVITE"))
    assert b"c=IN IP6 fd00::1\r\n" in six.requests("INVITE")[0].body
    six.answers(six.requests("INVITE")[0], 503)
    sim.until(lambda: zoe.ringing)
    zoe.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, zoe)
    alice.hangs_up()
    sim.until(lambda: zoe.idle)
    six.close(), ours.close()
    sim.assert_idle()


served = Plan()


@served.internal("<number:any>")
async def domain(call: Call, number: str) -> None:
    await call.dial(uri(f"sip:{number}@example.test"), timeout=60)


def test_call_by_a_zone_that_is_really_served_goes_to_the_second_server_when_the_first_fails():
    server = Dns(
        {
            "example.test": [dns.Record_NAPTR(1, 1, b"s", b"SIP+D2U", b"", b"_sip._udp.example.test")],
            "_sip._udp.example.test": [
                dns.Record_SRV(2, 0, SIP_PORT, b"two.example.test"),
                dns.Record_SRV(1, 0, SIP_PORT, b"one.example.test"),
            ],
            "one.example.test": [dns.Record_A(ONE)],
            "two.example.test": [dns.Record_A(TWO)],
        }
    )
    sim, (alice,) = office("1001", plan=served)
    sim.exchange.agent.locator = Locator(server.resolver, lambda: ("UDP",), lambda: 0.0)
    one, two = outside(sim)
    one.vanishes()
    alice.invites("zoe")
    sim.advance(0.125)
    server.reactor.until(lambda: any(datagram.target[0] == ONE for datagram in sim.network.sent))
    sim.until(lambda: two.ringing, within=33)
    two.answers()
    sim.until(lambda: alice.talking)
    assert sim.talk(alice, two)
    alice.hangs_up()
    sim.until(lambda: two.idle)
    server.close()
    sim.assert_idle()


# Redirections


@flow("1001", plan=addresses)
def test_callee_sends_the_call_on(sim, alice):
    one = Raw(sim, ONE)
    two = sim.phone("zoe", host=TWO, register=False, domain="example.com")
    one.answers_all(302, fields=(f"Contact: <sip:zoe@{TWO}>",))
    alice.invites("zoe")
    sim.until(lambda: two.ringing)
    two.answers()
    sim.until(lambda: alice.talking and two.may_offer)
    assert sim.talk(alice, two)
    two.hangs_up()
    sim.until(lambda: alice.idle)
    sim.advance(32)
    one.close()


def test_call_that_was_sent_on_is_the_same_call():
    sim, (alice,) = office("1001", plan=addresses)
    one, two = Raw(sim, ONE), Raw(sim, TWO)
    alice.invites("zoe")
    sim.until(lambda: one.requests("INVITE"))
    first = one.requests("INVITE")[0]
    one.answers(first, 301, fields=(f"Contact: <sip:robert@{TWO};transport=udp>",))
    sim.until(lambda: two.requests("INVITE"))
    second = two.requests("INVITE")[0]
    assert second.target == f"sip:robert@{TWO};transport=udp"
    assert (second.call_id, second.from_tag, second.cseq) == (first.call_id, first.from_tag, first.cseq + 1)
    two.answers(second, 200, body=DESCRIPTION)
    sim.until(lambda: two.requests("ACK"))
    alice.hangs_up()
    sim.until(lambda: two.requests("BYE"))
    assert two.requests("BYE")[0].cseq == 3
    two.answers(two.requests("BYE")[0], 200)
    one.close(), two.close()
    sim.assert_idle()


def test_two_that_send_the_call_to_each_other_do_not_keep_it():
    sim, (alice,) = office("1001", plan=addresses)
    one, two = Raw(sim, ONE), Raw(sim, TWO)
    one.answers_all(302, fields=(f"Contact: <sip:zoe@{TWO}>",))
    two.answers_all(302, fields=(f"Contact: <sip:zoe@{ONE}>",))
    alice.invites("zoe")
    sim.until(lambda: alice.idle, within=1)
    assert alice.call.status == 480
    assert len(one.requests("INVITE")) == len(two.requests("INVITE")) == 1
    one.close(), two.close()
    sim.assert_idle()


def test_phone_does_not_send_calls_on_by_itself():
    """Forwarding is the dialplan's: it knows what the phone may reach."""
    sim, (alice, bob) = office("1001", "1002")
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.call.session.reject(302, "", (("contact", "Contact", f"<sip:zoe@{TWO}>"),))
    bob.call.over("us")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 603
    assert not [datagram for datagram in sim.network.sent if datagram.target[0] == TWO]
    sim.assert_idle()
