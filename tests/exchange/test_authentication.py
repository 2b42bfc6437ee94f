from __future__ import annotations

import hmac
import re
from dataclasses import replace

import pytest

from pbx.exchange.authentication import Authenticator
from pbx.exchange.directory import Directory
from pbx.exchange.extension import Extension
from pbx.sip import digest
from pbx.sip.digest import Challenge, parse_challenge
from pbx.sip.errors import Malformed
from pbx.sip.headers import Field
from pbx.sip.message import Request
from pbx.sip.nonces import Nonces
from pbx.testing.clock import VirtualClock
from tests.exchange.phones import PASSWORD, REALM, doors, extension
from tests.sip.wire import Wire, request

TARGET = f"sip:1002@{REALM}"


class Door:
    """An authenticator with the accounts 1001 and 1003 (disabled), and who stands before it."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.directory = Directory()
        self.directory.replace([extension("1001"), extension("1003", enabled=False)])
        self.nonces = Nonces(self.clock, b"secret", lifetime=300)
        self.authenticator = self.offering("SHA-256", "MD5")
        self.wire = Wire(self.clock)

    def offering(self, *algorithms: str) -> Authenticator:
        """One that offers these algorithms. Ours is the host that senders say they are from, too."""
        return Authenticator(
            *(self.directory, self.nonces, REALM, algorithms, doors(self.clock)),
            is_ours=lambda host: host in (REALM, "192.0.2.9"),
        )

    def knock(
        self, *authorizations: object, method: str = "INVITE", target: str = TARGET
    ) -> Extension | list[Challenge]:
        """Send a request with these credentials: who that is, or the challenges that come back."""
        found = self.authenticator.identify(self.asking(*authorizations, method=method, target=target), self.wire)
        if isinstance(found, Extension):
            return found
        assert {field[:2] for field in found} == {("www-authenticate", "WWW-Authenticate")}
        challenges = [parse_challenge(value) for _, _, value in found]
        return [challenge for challenge in challenges if challenge is not None]

    def asking(self, *authorizations: object, method: str = "INVITE", target: str = TARGET) -> Request:
        more: list[Field] = [("authorization", "Authorization", str(value)) for value in authorizations]
        asking = request(method, target=target, more=more)
        assert isinstance(asking, Request)
        return asking

    def challenge(self, algorithm: str = "SHA-256") -> Challenge:
        """A fresh challenge."""
        challenges = self.knock()
        assert isinstance(challenges, list)
        return next(challenge for challenge in challenges if challenge.algorithm == algorithm)


@pytest.fixture
def door() -> Door:
    return Door()


def is_challenge(found: Extension | list[Challenge], *, stale: bool = False) -> bool:
    assert isinstance(found, list)
    assert [challenge.algorithm for challenge in found] == ["SHA-256", "MD5"]
    assert {challenge.stale for challenge in found} == {stale}
    return True


def test_request_without_credentials_is_challenged_with_the_strongest_first(door):
    challenges = door.knock()
    assert is_challenge(challenges)
    assert {(challenge.realm, challenge.qop) for challenge in challenges} == {(REALM, ("auth",))}
    assert door.authenticator.computations == 0


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_right_credentials_tell_who_it_is(door, algorithm):
    credentials = door.challenge(algorithm).answer("1001", PASSWORD, "INVITE", TARGET, "c")
    assert door.knock(credentials) is door.directory.find("1001")


def test_credentials_are_for_one_method(door):
    credentials = door.challenge().answer("1001", PASSWORD, "REGISTER", TARGET, "c")
    assert is_challenge(door.knock(credentials))


def test_credentials_without_qop_are_good_once(door):
    challenge = door.challenge("MD5")
    challenge.qop = ()
    credentials = challenge.answer("1001", PASSWORD, "INVITE", TARGET)
    assert isinstance(door.knock(credentials), Extension)
    assert is_challenge(door.knock(credentials), stale=True)


def test_whoever_fails_gets_the_same_fresh_challenge_for_the_same_work(door):
    answers = set()
    for number, password in (("1001", "wrong"), ("9999", PASSWORD), ("1003", PASSWORD), ("1003", "wrong"), ("", "")):
        for algorithm in ("MD5", "SHA-256"):
            door.clock.advance(60)  # one failure is forgiven a minute
            challenge = door.challenge(algorithm)
            before = door.authenticator.computations
            asking = door.asking(challenge.answer(number, password, "INVITE", TARGET, "c"))
            fields = door.authenticator.identify(asking, door.wire)
            assert door.authenticator.computations == before + 1
            assert challenge.nonce not in str(fields)
            answers.add(re.sub('nonce="[^"]*"', "", str(fields)))
    assert len(answers) == 1
    assert "stale" not in answers.pop()


def test_removed_extension_is_unknown_at_once(door):
    challenge = door.challenge()
    door.directory.replace([])
    assert is_challenge(door.knock(challenge.answer("1001", PASSWORD, "INVITE", TARGET, "c")))


def test_account_without_a_password_lets_nobody_in(door):
    door.directory.replace([Extension("1001", "", "", "")])
    for algorithm, length in (("MD5", 32), ("SHA-256", 64)):
        credentials = door.challenge(algorithm).answer("1001", "", "INVITE", TARGET, "c")
        assert is_challenge(door.knock(credentials))
        # Nor does whoever knows what is computed with instead.
        credentials.response = credentials.expected("0" * length, "INVITE")
        assert is_challenge(door.knock(credentials))


def test_replayed_count_is_refused_and_the_next_one_is_good(door):
    challenge = door.challenge()
    for count in (1, 2):
        credentials = challenge.answer("1001", PASSWORD, "INVITE", TARGET, "c", count)
        assert isinstance(door.knock(credentials), Extension)
        assert is_challenge(door.knock(credentials), stale=True)


def test_old_nonce_is_stale_only_when_the_digest_is_right(door):
    challenge = door.challenge()
    door.clock.advance(301)
    assert is_challenge(door.knock(challenge.answer("1001", PASSWORD, "INVITE", TARGET, "c")), stale=True)
    assert is_challenge(door.knock(challenge.answer("1001", "wrong", "INVITE", TARGET, "c")))
    assert is_challenge(door.knock(challenge.answer("1003", PASSWORD, "INVITE", TARGET, "c")))


def test_nonce_of_an_earlier_run_or_another_address_is_stale_so_that_a_phone_goes_on(door):
    # RFC 7616 3.3: "the nonce is invalid but with a valid digest for that nonce". Some phones give up for good without.
    challenge = door.challenge()
    challenge.nonce = "of an earlier run"
    assert is_challenge(door.knock(challenge.answer("1001", PASSWORD, "INVITE", TARGET, "c")), stale=True)
    challenge = door.challenge()
    door.wire.remote = ("192.0.2.10", 5060)
    assert is_challenge(door.knock(challenge.answer("1001", PASSWORD, "INVITE", TARGET, "c")), stale=True)


def test_wrong_digest_does_not_use_up_a_nonce(door):
    challenge = door.challenge()
    assert is_challenge(door.knock(challenge.answer("1001", "wrong", "INVITE", TARGET, "c")))
    assert len(door.nonces) == 0
    assert isinstance(door.knock(challenge.answer("1001", PASSWORD, "INVITE", TARGET, "c")), Extension)


def test_credentials_for_others_are_passed_over(door):
    challenge = door.challenge()
    right = challenge.answer("1001", PASSWORD, "INVITE", TARGET, "c")
    other_realm = replace(challenge, realm="elsewhere.example").answer("1001", PASSWORD, "INVITE", TARGET, "c")
    other_algorithm = replace(right, algorithm="SHA-512-256")
    for others in (["Basic MTAwMTp4"], [other_realm], [other_algorithm]):
        assert is_challenge(door.knock(*others))
    assert door.authenticator.computations == 0
    assert isinstance(door.knock("Basic MTAwMTp4", other_realm, other_algorithm, right), Extension)


def test_only_one_digest_is_computed_however_many_are_sent(door):
    wrong = [door.challenge().answer("1001", "wrong", "INVITE", TARGET, "c") for _ in range(20)]
    assert is_challenge(door.knock(*wrong))
    assert door.authenticator.computations == 1


def test_algorithm_that_was_not_offered_is_not_accepted(door):
    md5_only = door.offering("MD5")
    found = md5_only.identify(door.asking(), door.wire)
    assert isinstance(found, tuple) and len(found) == 1
    challenge = parse_challenge(found[0][2])
    assert challenge is not None and challenge.algorithm == "MD5"
    challenge.algorithm = "SHA-256"
    asking = door.asking(challenge.answer("1001", PASSWORD, "INVITE", TARGET, "c"))
    assert isinstance(md5_only.identify(asking, door.wire), tuple)
    assert md5_only.computations == 0


@pytest.mark.parametrize(
    "signed",
    [
        TARGET,
        f"sip:1002@{REALM}:5060",
        f"sip:1002@{REALM};transport=udp",
        f"sip:%31002@{REALM.upper()}",
        f"sip:{REALM}",
        f"sip:{REALM}:5060",
    ],
)
def test_uri_that_means_the_request_or_its_server_is_accepted(door, signed):
    credentials = door.challenge().answer("1001", PASSWORD, "INVITE", signed, "c")
    assert isinstance(door.knock(credentials), Extension)


@pytest.mark.parametrize(
    "signed", ["", "/", "*", f"sip:1003@{REALM}", "sip:1002@elsewhere.example", "sip:elsewhere.example", "tel:1002"]
)
def test_uri_of_another_resource_is_400_whether_the_password_is_right_or_not(door, signed):
    for password in (PASSWORD, "wrong"):
        with pytest.raises(Malformed, match="400"):
            door.knock(door.challenge().answer("1001", password, "INVITE", signed, "c"))


def test_other_schemes_are_compared_whole(door):
    credentials = door.challenge().answer("1001", PASSWORD, "INVITE", "tel:1", "c")
    assert isinstance(door.knock(credentials, target="tel:1"), Extension)
    with pytest.raises(Malformed, match="400"):
        door.knock(credentials, target="tel:2")


@pytest.mark.parametrize("text", ["Digest", 'Digest realm="x"', 'Digest username="1001'])
def test_malformed_credentials_are_400(door, text):
    with pytest.raises(Malformed, match="400"):
        door.knock(text)


def test_quality_of_protection_that_was_not_offered_is_400(door):
    credentials = door.challenge().answer("1001", PASSWORD, "INVITE", TARGET, "c")
    credentials.qop = "auth-int"
    with pytest.raises(Malformed, match="400 qop"):
        door.knock(credentials)


def test_certificate_that_names_the_sender_stands_for_its_password(door):
    door.wire.names = frozenset(("1001@192.0.2.9", "1003@192.0.2.9"))
    sender = "<sip:{}@192.0.2.9>;tag=peer"
    for number, known in (("1001", True), ("1002", False), ("1003", False), ("9999", False)):
        asking = request("INVITE", target=TARGET, caller=sender.format(number))
        found = door.authenticator.identify(asking, door.wire)
        assert (found is door.directory.find("1001")) is known
    asking = request("INVITE", target=TARGET, caller="<sip:1001@elsewhere.example>;tag=peer")
    assert isinstance(door.authenticator.identify(asking, door.wire), tuple)
    # Nor is who has the same name elsewhere, and a certificate that says so.
    door.wire.names = frozenset(("1001@elsewhere.example",))
    assert isinstance(door.authenticator.identify(asking, door.wire), tuple)
    assert door.authenticator.computations == 0


def test_whoever_fails_costs_one_digest_and_one_comparison_in_constant_time(door, monkeypatch):
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def comparing(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(digest.hmac, "compare_digest", comparing)
    work = set()
    for number, password in (("1001", "wrong"), ("9999", "wrong"), ("1003", PASSWORD), ("1003", "wrong")):
        challenge = door.challenge()
        before, computations = len(compared), door.authenticator.computations
        assert is_challenge(door.knock(challenge.answer(number, password, "INVITE", TARGET, "c")))
        work.add((door.authenticator.computations - computations, tuple(compared[before:])))
    assert len(work) == 1
    assert work.pop() == (1, ((64, 64), (32, 32)))  # the response, and whether the nonce is ours
