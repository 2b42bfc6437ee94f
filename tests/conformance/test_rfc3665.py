"""The flows of RFC 3665, each named by its section, with our exchange in the place of the proxies and registrars.

It answers 401 where a proxy would answer 407, and ends both dialogs instead of recording a route. Where there are two
proxies the second is the simulator's.
"""

from __future__ import annotations

from pbx.dialplan import Call, Plan, ext, uri
from pbx.sip.flow import SIP_PORT, SIPS_PORT
from pbx.sip.hops import Srv
from pbx.sip.identifiers import Identifiers
from pbx.sip.keyring import Keyring
from pbx.sip.uac import Policy
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.sound import Sound
from tests.conformance.repeated import between, flow, names_of

SECTIONS = {f"2.{number}" for number in range(1, 6)} | {f"3.{number}" for number in range(1, 12)}

LEFT_OUT = {
    "3.5": "An ALG is a proxy in a firewall that rewrites what the phones say. The exchange rewrites it on both sides."
}


def test_every_flow_is_here_or_left_out_with_its_reason():
    assert names_of(globals()) | LEFT_OUT.keys() == SECTIONS
    assert not names_of(globals()) & LEFT_OUT.keys()


def contacts(sim, number):
    return sorted(contact for other, contact in sim.store.rows if other == number)


# 2. Registration


@flow("1001", register=False)
def test_2_1_successful_new_registration(sim, alice):
    alice.registers()
    sim.until(lambda: alice.registered)
    assert len(contacts(sim, "1001")) == 1


@flow("1001")
def test_2_2_update_of_contact_list(sim, alice):
    alice.registers(contact="<sip:alice@10.0.9.9:5099>")
    sim.until(lambda: len(contacts(sim, "1001")) == 2)
    alice.registers(contact="<sip:alice@10.0.9.9:5099>;expires=0")
    sim.until(lambda: len(contacts(sim, "1001")) == 1)


@flow("1001")
def test_2_3_request_for_current_contact_list(sim, alice):
    reply = asks(sim, alice)
    assert reply.status == 200
    assert alice.address[0] in reply.field("contact")


def asks(sim, phone):
    """Ask for the contacts; again with other credentials, when those were used up on a connection that was lost."""
    reply = phone.asks("REGISTER")
    sim.until(lambda: reply.status)
    if reply.status == 401:
        phone.take_challenge(reply.fields)
        reply = phone.asks("REGISTER")
        sim.until(lambda: reply.status)
    return reply


@flow("1001")
def test_2_4_cancellation_of_registration(sim, alice):
    alice.registers(0, "*")
    sim.until(lambda: not contacts(sim, "1001"))
    sim.until(lambda: not alice.registered)


@flow("1001", register=False)
def test_2_5_unsuccessful_registration(sim, alice):
    alice.password = "wrong"
    alice.registers()
    sim.until(lambda: alice.register_status == 401)
    sim.advance(8)
    assert not alice.registered
    assert not contacts(sim, "1001")


# 3. Session establishment


def talks_until_bob_hangs_up(sim, alice, bob):
    sim.advance(8)
    assert sim.talk(alice, bob)
    bob.hangs_up()
    sim.until(lambda: alice.idle)


@flow("1001", "1002")
def test_3_1_successful_session_establishment(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.advance(2)
    bob.answers()
    sim.until(lambda: alice.talking)
    talks_until_bob_hangs_up(sim, alice, bob)


NEAR, FAR = "10.0.0.1", "10.0.0.2"


def two_exchanges(transport):
    """Two exchanges, with Alice at one and Bob at the other; each sends on what it does not know itself."""
    near, far = Plan(), Plan()

    @near.internal("<number:1XXX>")
    async def onward(call: Call, number: str) -> None:
        await call.dial(uri(f"sip:{number}@{FAR};transport={transport.lower()}"), timeout=20)

    @far.anonymous("<number:1XXX>")
    async def inward(call: Call, number: str) -> None:
        await call.dial(ext(number), timeout=20)

    sim = SimulatedExchange(near, {"1001": "alice's"}, host=NEAR)
    other = SimulatedExchange(far, {"1002": "bob's"}, host=FAR, beside=sim)
    return sim, sim.phone("1001", transport=transport), other.phone("1002", host="10.0.2.1", transport=transport)


@between(two_exchanges)
def test_3_2_session_establishment_through_two_proxies(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    talks_until_bob_hangs_up(sim, alice, bob)


PASSWORD = "the exchange's"
SERVICES = {"UDP": "_sip._udp.", "TCP": "_sip._tcp.", "TLS": "_sips._tcp."}


def behind_a_proxy(transport, host):
    """An exchange with Alice, which sends Bob's calls to a host; and Bob behind a proxy that asks it for a password."""
    plan = Plan()

    @plan.internal("<number:1XXX>")
    async def onward(call: Call, number: str) -> None:
        await call.dial(uri(f"sip:{number}@{host};transport={transport.lower()}"), timeout=60)

    sim = SimulatedExchange(plan, {"1001": "alice's"}, host=NEAR)
    proxy = sim.proxy(FAR, transport=transport, accounts={"exchange": PASSWORD})
    alice = sim.phone("1001", transport=transport)
    bob = sim.phone("1002", host="10.0.2.1", server=FAR, register=False, transport=transport)
    proxy.serves(bob)
    knows_a_password(sim)
    return sim, alice, bob


def knows_a_password(sim):
    """Let the exchange answer challenges on all ways but those to its own phones."""
    board, keyring = sim.exchange.switchboard, Keyring("exchange", PASSWORD, Identifiers().token, "proxy")
    locate = board.locate

    def with_a_keyring(target, secure, beside=()):
        found = locate(target, secure, beside)
        assert isinstance(found, list)
        return [destination._replace(policy=Policy(keyring)) for destination in found]

    board.locate = with_a_keyring


def times(sim, kind, source):
    return len([one for one in sim.network.sent if one.kind == kind and one.source[0] == source])


@between(lambda transport: behind_a_proxy(transport, FAR))
def test_3_3_session_with_multiple_proxy_authentication(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.advance(2)
    bob.answers()
    sim.until(lambda: alice.talking)
    assert times(sim, "407 INVITE", FAR) >= 1
    talks_until_bob_hangs_up(sim, alice, bob)


def two_proxies(transport):
    """The first of the two servers of Bob's domain is not there."""
    sim, *phones = behind_a_proxy(transport, "example.com")
    port = SIPS_PORT if transport == "TLS" else SIP_PORT
    sim.zone.records = {
        f"{SERVICES[transport]}example.com": [Srv(1, 0, port, "one.example.com"), Srv(2, 0, port, "two.example.com")],
        "one.example.com": ["10.0.0.99"],
        "two.example.com": [FAR],
    }
    return sim, *phones


@between(two_proxies)
def test_3_4_session_with_proxy_failure(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    assert times(sim, "407 INVITE", FAR) >= 1
    talks_until_bob_hangs_up(sim, alice, bob)


@flow("1001", "1002")
def test_3_6_via_redirect_with_sdp_in_ack(sim, alice, bob):
    alice.invites("604", offer=False)
    sim.until(lambda: alice.idle)
    assert alice.call.status == 302
    alice.invites("1002", offer=False)
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    talks_until_bob_hangs_up(sim, alice, bob)


@flow("1001", "1002")
def test_3_7_session_with_reinvite_as_the_address_changes(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(8)
    moves(sim, bob, "10.0.7.7")
    sim.until(lambda: bob.may_offer)
    talks_until_bob_hangs_up(sim, alice, bob)


def moves(sim, phone, host):
    """Let a phone have its sound at another address from now on, and say so."""
    former = phone.call.sound
    former.close()
    phone.inside = host
    phone.call.sound = Sound(sim.network, sim.clock, host, 30_000, 30_000, 7)
    phone.call.sound.target = former.target
    phone.resumes()


@flow("1001", "1002")
def test_3_8_unsuccessful_no_answer(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    sim.advance(4)
    alice.hangs_up()
    sim.until(lambda: bob.idle)
    sim.until(lambda: not alice.agent.sessions)
    assert bob.call.ended_by == "them"


@flow("1001", "1002")
def test_3_9_unsuccessful_busy(sim, alice, bob):
    bob.busy = True
    alice.invites("1002")
    sim.until(lambda: alice.idle)
    assert alice.call.status == 486


@flow("1001", "1002")
def test_3_10_unsuccessful_no_response_from_user_agent(sim, alice, bob):
    bob.vanishes()
    alice.invites("81002")
    sim.until(lambda: alice.idle)
    assert alice.call.status in (408, 480)


@flow("1001", "1002")
def test_3_11_unsuccessful_temporarily_unavailable(sim, alice, bob):
    alice.invites("1002")
    sim.until(lambda: bob.ringing)
    bob.declines(480)
    sim.until(lambda: alice.idle)
    assert alice.call.status == 480
