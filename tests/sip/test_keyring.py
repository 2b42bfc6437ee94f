"""Challenges and the credentials that answer them (RFC 3261 22, RFC 7616, RFC 8760)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.digest import Credentials, ha1, parse_credentials
from pbx.sip.headers import PROXY_AUTHENTICATE, WWW_AUTHENTICATE
from pbx.sip.keyring import REALMS, Keyring
from tests.sip.wire import request, response

MD5 = 'Digest realm="here", nonce="n1", algorithm=MD5, qop="auth"'
SHA = 'Digest realm="here", nonce="n2", algorithm=SHA-256, qop="auth,auth-int", opaque="o"'
INVITE = request(target="sip:bob@example.com")


@pytest.fixture
def keyring() -> Keyring:
    numbers = iter(range(1000))
    return Keyring("alice", "secret", lambda: f"cnonce{next(numbers)}")


def challenge(*values: str, status: int = 401, row=WWW_AUTHENTICATE):
    return response(INVITE, status, more=[row.field(value) for value in values])


def proof(keyring: Keyring, asked=INVITE, key: str = "authorization") -> Credentials:
    values = [value for given, _, value in keyring.proofs(asked) if given == key]
    assert len(values) == 1
    credentials = parse_credentials(values[0])
    assert credentials is not None
    return credentials


def right(credentials: Credentials, method: str = "INVITE") -> bool:
    return credentials.matches(ha1(credentials.algorithm, "alice", credentials.realm, "secret"), method)


def test_nothing_is_proven_before_anybody_asks(keyring):
    assert keyring.proofs(INVITE) == ()


def test_challenge_is_answered(keyring):
    assert keyring.challenged(challenge(MD5), set())
    credentials = proof(keyring)
    assert right(credentials)
    assert (credentials.username, credentials.uri, credentials.nc) == ("alice", "sip:bob@example.com", "00000001")
    assert credentials.algorithm == "MD5"


@pytest.mark.parametrize("offered", [(MD5, SHA), (SHA, MD5)])
def test_strongest_algorithm_is_chosen_in_whatever_order_they_come(keyring, offered):
    assert keyring.challenged(challenge(*offered), set())
    credentials = proof(keyring)
    assert (credentials.algorithm, credentials.nonce, credentials.qop) == ("SHA-256", "n2", "auth")
    assert credentials.opaque == "o"
    assert right(credentials)


def test_nonce_is_counted_and_each_request_has_its_own_cnonce(keyring):
    keyring.challenged(challenge(MD5), set())
    proofs = [proof(keyring) for _ in range(12)]
    assert [credentials.nc for credentials in proofs] == [f"{count:08x}" for count in range(1, 13)]
    assert len({credentials.cnonce for credentials in proofs}) == 12
    assert all(right(credentials) for credentials in proofs)


def test_count_begins_anew_with_a_new_nonce(keyring):
    keyring.challenged(challenge(MD5), set())
    proof(keyring)
    keyring.challenged(challenge(MD5.replace("n1", "n9")), set())
    credentials = proof(keyring)
    assert (credentials.nonce, credentials.nc) == ("n9", "00000001")


def test_count_goes_on_when_the_same_nonce_comes_again(keyring):
    """RFC 7616 3.4: it says how many requests were sent with it, and who counts along refuses one that is not news."""
    keyring.challenged(challenge(MD5), set())
    proof(keyring)
    keyring.challenged(challenge(MD5), set())
    assert (proof(keyring).nonce, proof(keyring).nc) == ("n1", "00000003")


def test_wrong_password_is_not_tried_twice(keyring):
    proven: set = set()
    assert keyring.challenged(challenge(MD5), proven)
    assert not keyring.challenged(challenge(MD5.replace("n1", "n9")), proven)


def test_stale_nonce_is_replaced(keyring):
    proven: set = set()
    assert keyring.challenged(challenge(MD5), proven)
    assert keyring.challenged(challenge(MD5.replace("n1", "n9") + ", stale=true"), proven)
    assert proof(keyring).nonce == "n9"


def test_nonce_of_an_earlier_request_may_be_refused_once_without_being_called_stale(keyring):
    assert keyring.challenged(challenge(MD5), set())
    proof(keyring)
    proven: set = set()
    assert keyring.challenged(challenge(MD5.replace("n1", "n9")), proven)
    assert not keyring.challenged(challenge(MD5.replace("n1", "n10")), proven)


def test_proxy_and_server_are_both_answered(keyring):
    proven: set = set()
    proxy = 'Digest realm="there", nonce="p1"'
    assert keyring.challenged(challenge(proxy, status=407, row=PROXY_AUTHENTICATE), proven)
    assert keyring.challenged(challenge(MD5), proven)
    assert proof(keyring).realm == "here"
    credentials = proof(keyring, key="proxy-authorization")
    assert (credentials.realm, credentials.qop, right(credentials)) == ("there", "", True)


def test_one_realm_may_ask_as_proxy_and_as_server(keyring):
    proven: set = set()
    assert keyring.challenged(challenge(MD5, status=407, row=PROXY_AUTHENTICATE), proven)
    assert keyring.challenged(challenge(MD5), proven)
    assert len(keyring.proofs(INVITE)) == 2


@pytest.mark.parametrize(
    "value",
    [
        'Digest realm="here", nonce="n", qop="auth-int"',
        'Digest realm="here", nonce="n", algorithm=MD5-sess',
        'Digest realm="here", nonce="n", algorithm=SHA-512-256',
        'Basic realm="here"',
        'Digest realm="here"',
        'Digest realm="here',
        "",
    ],
)
def test_what_cannot_be_answered_is_not(keyring, value):
    assert not keyring.challenged(challenge(value), set())
    assert keyring.proofs(INVITE) == ()


def test_what_cannot_be_answered_does_not_hide_what_can(keyring):
    assert keyring.challenged(challenge('Digest realm="here", nonce="n", algorithm=SHA-512-256', "Digest", MD5), set())
    assert proof(keyring).algorithm == "MD5"


def test_password_is_for_its_realm_only():
    keyring = Keyring("alice", "secret", lambda: "c", realm="here")
    assert not keyring.challenged(challenge(MD5.replace("here", "elsewhere")), set())
    assert keyring.challenged(challenge(MD5), set())


def test_realms_that_are_remembered_have_a_bound(keyring):
    for number in range(REALMS + 5):
        assert keyring.challenged(challenge(f'Digest realm="{number}", nonce="n"'), set())
    assert len(keyring.proofs(INVITE)) == REALMS


def test_repr_does_not_tell_the_password(keyring):
    assert "secret" not in repr(keyring)


CHALLENGES = st.one_of(
    st.builds(
        'Digest realm="{}", nonce="{}", algorithm={}{}{}'.format,
        st.just("here") | st.sampled_from(["there", *map(str, range(REALMS))]),
        st.sampled_from(["n1", "n2"]),
        st.sampled_from(["MD5", "SHA-256", "SHA-512-256", "MD5-sess"]),
        st.sampled_from(["", ', qop="auth"', ', qop="auth,auth-int"', ', qop="auth-int"']),
        st.sampled_from(["", ", stale=true"]),
    ),
    st.sampled_from(['Basic realm="here"', "Digest", 'Digest realm="', ""]),
    st.text(max_size=30).filter(lambda text: text.isprintable()),
)
STEPS = st.one_of(st.tuples(st.booleans(), st.lists(CHALLENGES, max_size=3)), st.just("request"))


@given(st.lists(STEPS, max_size=20))
def test_any_challenges_in_any_order(steps):
    """What is proven is right, no nonce is used with a count that it had, and nobody is answered in vain for ever."""
    keyring = Keyring("alice", "secret", iter(map(str, range(10_000))).__next__)
    proven: set = set()
    counts: dict[tuple[str, str], tuple[str, int]] = {}
    for step in steps:
        if step == "request":
            proven = set()
        else:
            from_proxy, values = step
            row, status = (PROXY_AUTHENTICATE, 407) if from_proxy else (WWW_AUTHENTICATE, 401)
            before = set(proven)
            worth = keyring.challenged(challenge(*values, status=status, row=row), proven)
            assert not worth or proven > before or any("stale=true" in value for value in values)
        proofs = keyring.proofs(INVITE)
        assert len(proofs) <= REALMS
        for key, _, value in proofs:
            credentials = parse_credentials(value)
            assert right(credentials)
            who, count = (key, credentials.realm), int(credentials.nc or "0", 16)
            nonce, last = counts.get(who, ("", 0))
            if credentials.qop:
                assert count == 1 or nonce == credentials.nonce
                assert count > last or nonce != credentials.nonce
                counts[who] = (credentials.nonce, count)
