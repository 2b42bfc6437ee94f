"""How requests of ours get to their targets: the next server (RFC 3263 4.3), credentials (RFC 3261 22), redirections
(8.1.3.4), outbound proxies and strict routers (8.1.2, 12.2.1.1).
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.digest import ha1, parse_credentials
from pbx.sip.flow import Flow
from pbx.sip.headers import CALL_ID, CONTACT, CSEQ, FROM, TO, WWW_AUTHENTICATE
from pbx.sip.hops import Hop, Srv
from pbx.sip.identifiers import Identifiers
from pbx.sip.keyring import Keyring
from pbx.sip.locator import Locator
from pbx.sip.message import NO_BODY, Request, Response
from pbx.sip.outages import SILENCE, Outages
from pbx.sip.parser import parse
from pbx.sip.timers import TIMER_F
from pbx.sip.transaction_layer import TransactionLayer
from pbx.sip.uac import REDIRECTIONS, TRIES, Errand, Policy
from pbx.testing.clock import VirtualClock
from pbx.testing.names import Zone
from tests.sip.wire import Wire, response

PLAIN = Policy()
REDIRECTING = Policy(may_redirect=True)
RECORDS = {
    "_sip._udp.example.com": [Srv(1, 0, 5060, "one.example.com"), Srv(2, 0, 5060, "two.example.com")],
    "one.example.com": ["192.0.2.1"],
    "two.example.com": ["192.0.2.2"],
}


class Client:
    """A user agent with its own DNS, and an errand's user.

    :ivar wires: the flows that were asked for, by address and transport.
    :ivar told: what the errand came to.
    """

    def __init__(self, method: str = "MESSAGE") -> None:
        self.clock = VirtualClock(now=0.0)
        self.zone = Zone(self.clock, RECORDS)
        self.layer = TransactionLayer(self.clock, Identifiers(random.Random(1).randbytes))
        self.locator = Locator(self.zone, lambda: ("UDP", "TCP", "TLS"), lambda: 0.0)
        self.outages = Outages(self.clock)
        self.flows = self
        self.wires: dict[str, Wire] = {}
        self.unreachable: set[str] = set()
        self.told: list[object] = []
        self.method = method

    def flow_along(self, hop: Hop) -> Wire | None:
        name = f"{hop.host} {hop.transport}"
        if name in self.unreachable:
            return None
        wire = self.wires.get(name)
        if wire is None:
            wire = self.wires[name] = Wire(self.clock, hop.transport != "UDP", (hop.host, hop.port))
            wire.transport = hop.transport
        return wire

    def sends(self, target: str = "sip:bob@example.com", policy: Policy = PLAIN) -> Errand:
        """Send a request."""
        errand = Errand(self, self, policy, target)
        errand.start()
        self.clock.advance(0.25)
        return errand

    def asked(self, host: str, transport: str = "UDP") -> list[Request]:
        """The requests that came to a server since the last time, without retransmissions."""
        wire = self.wires.get(f"{host} {transport}")
        if wire is None:
            return []
        packets = dict.fromkeys(packet for _, packet in wire.sent)
        wire.sent.clear()
        return [parse(packet) for packet in packets]

    def answers(self, request: Request, status: int, *more: tuple[str, str, str]) -> None:
        """A server answers."""
        self.layer.message_received(next(iter(self.wires.values())), response(request, status, more=more))
        self.clock.advance(0.25)

    # pbx.sip.uac.ErrandUser

    def request_for(self, flow: Flow, target: str, cseq: int) -> Request:
        fields = [
            FROM.field("<sip:us@192.0.2.99>;tag=ours"),
            TO.field("<sip:bob@example.com>"),
            CALL_ID.field("one"),
            CSEQ.field(f"{cseq} {self.method}"),
            NO_BODY,
        ]
        return Request(self.method, target, fields)

    def errand_done(self, answer: Response) -> None:
        self.told.append(answer.status)

    def errand_failed(self, status: int, reason: str) -> None:
        self.told.append((status, reason))


@pytest.fixture
def client() -> Client:
    return Client()


def contacts(*uris: str) -> list:
    return [CONTACT.field(uri) for uri in uris]


# RFC 3263 4.3


def test_request_goes_to_the_first_server_and_is_answered(client):
    client.sends()
    (request,) = client.asked("192.0.2.1")
    assert (request.target, request.first("cseq")) == ("sip:bob@example.com", "1 MESSAGE")
    client.answers(request, 200)
    assert client.told == [200]
    assert client.asked("192.0.2.2") == []


def test_server_that_does_not_answer_is_followed_by_the_next(client):
    client.sends()
    (first,) = client.asked("192.0.2.1")
    client.clock.advance(TIMER_F)
    (second,) = client.asked("192.0.2.2")
    # RFC 3263 4.3: identical but for the branch.
    assert second.via.branch != first.via.branch
    assert second.fields[1:] == first.fields[1:]
    client.answers(second, 200)
    assert client.told == [200]


def test_silent_server_is_the_last_to_be_asked_for_a_while(client):
    client.sends()
    client.clock.advance(TIMER_F)
    client.asked("192.0.2.1"), client.asked("192.0.2.2")
    client.sends()
    assert len(client.asked("192.0.2.2")) == 1
    client.clock.advance(SILENCE)
    client.asked("192.0.2.1"), client.asked("192.0.2.2")
    client.sends()
    assert len(client.asked("192.0.2.1")) == 1


def test_connection_that_fails_is_followed_by_the_next_server(client):
    client.sends("sip:bob@one.example.com;transport=tcp")
    client.layer.flow_failed(client.wires["192.0.2.1 TCP"])
    assert client.told == [(503, "the transport failed")]
    client.zone.records["_sip._tcp.example.com"] = RECORDS["_sip._udp.example.com"]
    client.sends("sip:bob@example.com;transport=tcp")
    # The one whose connection failed a moment ago comes last now.
    client.layer.flow_failed(client.wires["192.0.2.2 TCP"])
    assert len(client.asked("192.0.2.1", "TCP")) == 2


def test_overloaded_server_is_followed_by_the_next_and_left_alone(client):
    client.sends()
    (request,) = client.asked("192.0.2.1")
    client.answers(request, 503, ("retry-after", "Retry-After", "300"))
    (again,) = client.asked("192.0.2.2")
    assert again.first("cseq") == "1 MESSAGE"
    client.answers(again, 200)
    client.sends()
    assert client.asked("192.0.2.1") == []
    client.answers(client.asked("192.0.2.2")[0], 503, ("retry-after", "Retry-After", "100"))
    assert client.told == [200, 503]
    client.sends()
    assert client.told[2:] == [(503, "example.com asked for a rest")]
    client.clock.advance(100)
    client.sends()
    assert len(client.asked("192.0.2.2")) == 1


def test_refusal_is_the_domains_and_no_other_server_is_asked(client):
    client.sends()
    client.answers(client.asked("192.0.2.1")[0], 486)
    assert client.told == [486]
    assert client.asked("192.0.2.2") == []


def test_server_without_a_way_is_left_out(client):
    client.unreachable.add("192.0.2.1 UDP")
    client.sends()
    assert len(client.asked("192.0.2.2")) == 1


def test_last_failure_is_told(client):
    client.sends()
    client.clock.advance(2 * TIMER_F + 1)
    assert client.told == [(408, "no final response within 32 s")]


def test_slow_server_is_not_silent(client):
    """RFC 3263 4.3: only who has not answered at all has failed."""
    client.sends()
    client.answers(client.asked("192.0.2.1")[0], 100)
    client.clock.advance(TIMER_F)
    assert client.told == [(408, "no final response within 32 s")]
    assert client.asked("192.0.2.2") == []


@pytest.mark.parametrize("target", ["sip:bob@nowhere.example.com", "sips:bob@192.0.2.1;transport=udp"])
def test_target_without_a_way_is_told(client, target):
    client.sends(target)
    assert client.told == [(408, f"no way to {target.split('@')[1].split(';')[0]}")]


def test_nothing_is_told_once_it_is_given_up(client):
    errand = Errand(client, client, PLAIN, "sip:bob@example.com")
    errand.start()
    errand.give_up()
    client.clock.advance(1)
    assert client.wires == {}
    errand = client.sends()
    errand.give_up()
    client.answers(client.asked("192.0.2.1")[0], 503)
    assert (client.told, client.asked("192.0.2.2")) == ([], [])
    errand = client.sends()
    errand.give_up()
    client.clock.advance(TIMER_F)
    assert client.told == []


def test_mistake_of_whoever_makes_the_request_ends_it(client, logged_errors):
    client.request_for = lambda flow, target, cseq: 1 / 0
    client.sends()
    assert client.told == [(500, "")]
    (error,) = logged_errors()
    assert "<delivery to sip:bob@example.com: over, 1 tries>" in error["log_format"].format(**error)


# RFC 3261 22


def challenged(realm: str = "there", nonce: str = "n1", algorithm: str = "MD5", more: str = "") -> tuple:
    return WWW_AUTHENTICATE.field(f'Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{more}')


@pytest.fixture
def account() -> Policy:
    return Policy(keyring=Keyring("us", "secret", Identifiers(random.Random(3).randbytes).token))


def test_challenge_is_answered_at_the_same_server(client, account):
    client.sends(policy=account)
    (request,) = client.asked("192.0.2.1")
    client.answers(request, 401, challenged(), challenged(nonce="n2", algorithm="SHA-256"))
    (again,) = client.asked("192.0.2.1")
    credentials = parse_credentials(again.first("authorization"))
    assert credentials.algorithm == "SHA-256"
    assert credentials.matches(ha1("SHA-256", "us", "there", "secret"), "MESSAGE")
    # RFC 3261 22.2
    assert (again.call_id, again.from_tag, again.cseq) == (request.call_id, request.from_tag, 2)
    client.answers(again, 200)
    assert client.told == [200]


def test_second_request_has_its_credentials_from_the_beginning(client, account):
    client.sends(policy=account)
    client.answers(client.asked("192.0.2.1")[0], 401, challenged())
    client.answers(client.asked("192.0.2.1")[0], 200)
    client.sends(policy=account)
    (request,) = client.asked("192.0.2.1")
    assert parse_credentials(request.first("authorization")).nc == "00000002"


def test_wrong_password_is_told(client, account):
    client.sends(policy=account)
    client.answers(client.asked("192.0.2.1")[0], 401, challenged())
    client.answers(client.asked("192.0.2.1")[0], 401, challenged(nonce="n2"))
    assert client.told == [401]
    assert client.asked("192.0.2.1") == []


def test_server_that_always_calls_the_nonce_stale_is_given_up(client, account):
    client.sends(policy=account)
    for count in range(TRIES):
        (request,) = client.asked("192.0.2.1")
        client.answers(request, 401, challenged(nonce=f"n{count}", more=", stale=true"))
    assert client.told == [401]
    assert client.asked("192.0.2.1") == []


def test_challenge_without_an_account_is_a_refusal(client):
    client.sends()
    client.answers(client.asked("192.0.2.1")[0], 401, challenged())
    assert client.told == [401]


def test_challenge_that_cannot_be_answered_is_a_refusal(client, account):
    client.sends(policy=account)
    auth_int = WWW_AUTHENTICATE.field('Digest realm="there", nonce="n1", qop="auth-int"')
    client.answers(client.asked("192.0.2.1")[0], 401, auth_int)
    assert client.told == [401]


# RFC 3261 8.1.3.4


def test_redirection_is_followed(client):
    client.sends(policy=REDIRECTING)
    (request,) = client.asked("192.0.2.1")
    client.answers(request, 302, *contacts("<sip:bob@192.0.2.7:5070;method=INVITE?Subject=hello>"))
    (again,) = client.asked("192.0.2.7")
    assert again.target == "sip:bob@192.0.2.7:5070"
    assert (again.call_id, again.from_tag, again.first("to")) == ("one", "ours", request.first("to"))
    assert again.cseq == 2
    assert again.first("subject") is None
    client.answers(again, 200)
    assert client.told == [200]


def test_best_contact_comes_first_and_the_next_after_its_failure(client):
    client.sends(policy=REDIRECTING)
    client.answers(
        client.asked("192.0.2.1")[0],
        300,
        *contacts("<sip:bob@192.0.2.7>;q=0.5, <sip:bob@192.0.2.8>;q=0.7", "<sip:bob@192.0.2.9>", "<sip:b@h>;q=x"),
    )
    client.answers(client.asked("192.0.2.9")[0], 486)
    client.answers(client.asked("192.0.2.8")[0], 404)
    (last,) = client.asked("192.0.2.7")
    assert last.cseq == 4
    client.answers(last, 603)
    assert client.told == [603]  # RFC 3261 16.7: nobody else is wanted


def test_redirected_to_names_that_lead_nowhere(client):
    client.sends(policy=REDIRECTING)
    client.answers(client.asked("192.0.2.1")[0], 302, *contacts("<sip:bob@nowhere.example.com>"))
    assert client.told == [(302, "Moved Temporarily")]


def test_loop_of_redirections_ends(client):
    client.sends("sip:bob@192.0.2.7", REDIRECTING)
    client.answers(client.asked("192.0.2.7")[0], 302, *contacts("<sip:bob@192.0.2.8>"))
    client.answers(client.asked("192.0.2.8")[0], 302, *contacts("<sip:%62ob@192.0.2.7>"))
    assert client.told == [302]


def test_five_redirections_are_followed_and_no_more(client):
    client.sends("sip:bob@192.0.2.100", REDIRECTING)
    for number in range(100, 100 + REDIRECTIONS):
        (request,) = client.asked(f"192.0.2.{number}")
        client.answers(request, 302, *contacts(f"<sip:bob@192.0.2.{number + 1}>"))
    (last,) = client.asked(f"192.0.2.{100 + REDIRECTIONS}")
    assert last.cseq == 1 + REDIRECTIONS
    client.answers(last, 302, *contacts("<sip:bob@192.0.2.99>"))
    assert client.told == [302]


@pytest.mark.parametrize(
    "fields", [[], contacts("<tel:+4930>"), contacts("<mailto:bob@example.com>"), contacts("<sip:bob@"), contacts("*")]
)
def test_redirection_to_nowhere_is_a_refusal(client, fields):
    client.sends(policy=REDIRECTING)
    client.answers(client.asked("192.0.2.1")[0], 302, *fields)
    assert client.told == [302]


@pytest.mark.parametrize("status", [305, 380])
def test_what_is_more_than_another_address_is_not_followed(client, status):
    client.sends(policy=REDIRECTING)
    client.answers(client.asked("192.0.2.1")[0], status, *contacts("<sip:bob@192.0.2.7>"))
    assert client.told == [status]


def test_redirections_are_not_followed_where_the_policy_says_so(client, account):
    client.sends(policy=account)
    client.answers(client.asked("192.0.2.1")[0], 302, *contacts("<sip:bob@192.0.2.7>"))
    assert client.told == [302]


def test_sips_is_not_redirected_to_sip(client):
    client.sends("sips:bob@192.0.2.1", REDIRECTING)
    (request,) = client.asked("192.0.2.1", "TLS")
    client.answers(request, 302, *contacts("<sip:bob@192.0.2.7>", "<sips:bob@192.0.2.8>"))
    assert len(client.asked("192.0.2.8", "TLS")) == 1
    assert set(client.wires) == {"192.0.2.1 TLS", "192.0.2.8 TLS"}


def test_caller_who_asked_for_security_gets_it_or_nothing(client):
    client.sends("sip:bob@192.0.2.1", Policy(is_secure=True))
    assert set(client.wires) == {"192.0.2.1 TLS"}
    client.sends("sip:bob@192.0.2.1;transport=udp", Policy(is_secure=True))
    assert client.told == [(408, "no way to 192.0.2.1")]


# RFC 3261 8.1.2, 12.2.1.1


def test_outbound_proxy_is_a_preloaded_route(client):
    client.sends("sip:bob@elsewhere.example", Policy(routes=("<sip:example.com;lr>",)))
    (request,) = client.asked("192.0.2.1")
    assert request.target == "sip:bob@elsewhere.example"
    assert request.first("route") == "<sip:example.com;lr>"


def test_strict_router_is_the_request_uri_and_the_target_comes_last(client):
    routes = ("<sip:example.com;method=INVITE>", "<sip:second.example.net;lr>")
    client.sends("sip:bob@elsewhere.example", Policy(routes=routes))
    (request,) = client.asked("192.0.2.1")
    assert request.target == "sip:example.com"
    found = [value for key, _, value in request.fields if key == "route"]
    assert found == ["<sip:second.example.net;lr>", "<sip:bob@elsewhere.example>"]


def test_credentials_are_for_what_is_asked_of_the_strict_router(client, account):
    policy = Policy(keyring=account.keyring, routes=("<sip:192.0.2.1>",))
    client.sends("sip:bob@elsewhere.example", policy)
    client.answers(client.asked("192.0.2.1")[0], 401, challenged())
    (again,) = client.asked("192.0.2.1")
    assert parse_credentials(again.first("authorization")).uri == again.target == "sip:192.0.2.1"


def test_sips_target_is_sent_securely_to_the_proxy(client):
    """RFC 3261 8.1.2: as if the Route were a SIPS URI."""
    client.sends("sips:bob@elsewhere.example", Policy(routes=("<sip:192.0.2.1;lr>",)))
    assert len(client.asked("192.0.2.1", "TLS")) == 1


def test_user_that_fails_when_it_is_told_of_the_end_is_not_told_again(client, logged_errors):
    def fail(status, reason):
        client.told.append(status)
        raise ValueError("planted")

    client.errand_failed = fail
    client.sends("sip:bob@nowhere.example")
    assert client.told == [408]
    (event,) = logged_errors()
    assert "planted" in str(event["log_failure"].value)


# Whatever the servers do

STEPS = st.one_of(
    st.sampled_from([100, 183, 200, 301, 302, 401, 407, 408, 486, 500, 503, 603]),
    st.sampled_from(["time", "gone", "silent", "again"]),
)


@given(steps=st.lists(STEPS, max_size=40), may_redirect=st.booleans(), routed=st.booleans(), known=st.booleans())
def test_every_request_comes_to_one_end(steps, may_redirect, routed, known):
    client = Client()
    keyring = Keyring("us", "secret", Identifiers(random.Random(3).randbytes).token) if known else None
    policy = Policy(keyring, ("<sip:example.com;lr>",) if routed else (), may_redirect)
    client.sends(policy=policy)
    sent: list[Request] = []
    for number, step in enumerate(steps):
        for wire in client.wires.values():
            sent.extend(message for message in wire.messages if isinstance(message, Request))
            wire.sent.clear()
        if step == "time":
            client.clock.advance(8)
        elif step == "gone":
            for wire in list(client.wires.values()):
                client.layer.flow_failed(wire)
        elif step == "silent":
            client.clock.advance(TIMER_F)
        elif sent and step == "again":
            client.layer.message_received(client.wires["192.0.2.1 UDP"], response(sent[0], 503))
        elif sent and isinstance(step, int):
            fields = [challenged(nonce=f"n{number}", more=", stale=true" if number % 2 else "")]
            fields += contacts(f"<sip:bob@192.0.2.{number + 20}>", "<sip:bob@two.example.com>")
            client.answers(sent[-1], step, *fields)
    client.clock.advance(TRIES * (TIMER_F + 1))
    assert len(client.told) == 1
    assert len({message.via.branch for message in sent}) <= TRIES
    assert len(client.layer) == 0
    assert client.clock.pending == []
