from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip.digest import HASHES, Challenge, Credentials, ha1, parse_challenge, parse_credentials
from pbx.sip.errors import InvalidState, Malformed

OLD_NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_example_of_rfc_7616_3_9_1(algorithm, response):
    challenge = Challenge("http-auth@example.org", NONCE, algorithm, ("auth", "auth-int"))
    credentials = challenge.answer("Mufasa", "Circle of Life", "GET", "/dir/index.html", CNONCE)
    assert credentials.response == response
    secret = ha1(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert credentials.matches(secret, "GET")
    assert not credentials.matches(secret, "PUT")
    assert not credentials.matches(secret.replace(secret[0], "x"), "GET")


def test_example_of_rfc_2617_3_5():
    challenge = Challenge("testrealm@host.com", OLD_NONCE, opaque="5ccc069c403ebaf9f0171e9517f40e41")
    credentials = challenge.answer("Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b")
    assert credentials.response == "6629fae49393a05397450978507c4ef1"
    assert (credentials.nc, credentials.count, credentials.opaque) == ("00000001", 1, challenge.opaque)


@pytest.mark.parametrize(
    ("qop", "response"), [((), "bf57e4e0d0bffc0fbaedce64d59add5e"), (("auth",), "89eb0059246c02b2f6ee02c7961d5ea3")]
)
def test_examples_of_draft_smith_sipping_auth_examples(qop, response):
    challenge = Challenge("biloxi.com", OLD_NONCE, qop=qop)
    assert challenge.answer("bob", "zanzibar", "INVITE", "sip:bob@biloxi.com", "0a4f113b").response == response


def test_response_counts_in_capital_digits_too():
    credentials = Challenge("r", "n").answer("u", "p", "REGISTER", "sip:h", "c", 31)
    credentials.response = credentials.response.upper()
    assert credentials.matches(ha1("MD5", "u", "r", "p"), "REGISTER")
    assert (credentials.nc, credentials.count) == ("0000001f", 31)


@pytest.mark.parametrize("response", ["", "0" * 32, "é" * 32, "\udcff"])
def test_nonsense_as_response_does_not_match(response):
    assert not Credentials("u", "r", "n", "sip:h", response).matches(ha1("MD5", "u", "r", "p"), "REGISTER")


def test_credentials_as_phones_write_them_are_read():
    # Spaces, order, quotes and capitals differ from phone to phone.
    read = parse_credentials(
        'digest  realm="ex\\"ample" ,nonce="a,b=c",algorithm=md5,username="1001", uri="sip:h;x=1",'
        'response="AB", cnonce="", nc=1 , qop="AUTH",opaque="",stale=FALSE,'
    )
    assert read == Credentials(
        "1001", 'ex"ample', "a,b=c", "sip:h;x=1", "AB", "MD5", qop="auth", cnonce="", nc="1", opaque=""
    )


def test_challenge_as_servers_write_it_is_read():
    read = parse_challenge(
        'Digest stale=TRUE, qop="auth-int, AUTH",nonce="n",realm="",domain="sip:a",algorithm="Sha-256"'
    )
    assert read == Challenge("", "n", "SHA-256", ("auth-int", "auth"), None, stale=True)
    assert parse_challenge('Digest realm="r",nonce="n"') == Challenge("r", "n", "MD5", ())


@pytest.mark.parametrize("text", ["", "Basic YTpi", "Digested x=1", 'NTLM realm="a"'])
def test_other_schemes_are_not_ours(text):
    assert parse_credentials(text) is parse_challenge(text) is None


GOOD = 'Digest username="u", realm="r", nonce="n", uri="sip:h", response="0"'


@pytest.mark.parametrize(
    "text",
    [
        "Digest",
        "Digest x",
        "Digest =1",
        "Digest ,",
        f'{GOOD}, realm="r"',
        f'{GOOD}, x="',
        f"{GOOD}, x=",
        f"{GOOD} x=1 y",
        f"{GOOD}, algorithm=",
        f'{GOOD}, algorithm="a b"',
        f"{GOOD}, qop=auth",
        f"{GOOD}, qop=auth, nc=1",
        f'{GOOD}, qop=auth, cnonce="c"',
        f'{GOOD}, qop=auth, nc=g, cnonce="c"',
        f'{GOOD}, qop=auth, nc=000000001, cnonce="c"',
        f'{GOOD}, qop="auth,auth-int", nc=1, cnonce="c"',
        *(GOOD.replace(f"{name}=", "x=") for name in ("username", "realm", "nonce", "uri", "response")),
    ],
)
def test_what_is_no_digest_is_malformed(text):
    with pytest.raises(Malformed, match="400"):
        parse_credentials(text)


def test_challenge_needs_realm_and_nonce():
    for text in ('Digest nonce="n"', 'Digest realm="r"'):
        with pytest.raises(Malformed, match="400 no"):
            parse_challenge(text)


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
RAW = st.text("abz019/+=.:; ,", max_size=12)


@given(TEXTS, RAW, st.sampled_from([*HASHES, "MD5-SESS"]), st.none() | RAW, st.booleans())
def test_challenge_comes_back(realm, nonce, algorithm, opaque, stale):
    for qop in ((), ("auth",), ("auth", "auth-int")):
        challenge = Challenge(realm, nonce, algorithm, qop, opaque, stale)
        assert parse_challenge(str(challenge)) == challenge


@given(TEXTS, TEXTS, RAW, RAW, st.sampled_from([*HASHES]), st.sampled_from([(), ("auth",)]), st.integers(1, 2**32 - 1))
def test_credentials_come_back_and_still_match(username, realm, nonce, cnonce, algorithm, qop, count):
    challenge = Challenge(realm, nonce, algorithm, qop, nonce)
    credentials = challenge.answer(username, "pässword", "INVITE", "sip:a@h;x", cnonce, count)
    read = parse_credentials(str(credentials))
    assert read == credentials
    assert read is not None and read.matches(ha1(algorithm, username, realm, "pässword"), "INVITE")
    assert read.count == (count if qop else 1)


@given(st.text('digest realm="\\,=nc1qop ', max_size=60) | st.text())
def test_parsers_are_total(text):
    for given_text in (text, f"Digest {text}", f"{GOOD}, {text}"):
        for parse in (parse_credentials, parse_challenge):
            try:
                parse(given_text)
            except Malformed as fault:
                assert fault.status == 400


def test_challenge_that_we_do_not_speak_is_not_answered():
    assert Challenge("r", "n", qop=("auth-int", "auth")).answerable
    for challenge in (Challenge("r", "n", "MD5-SESS"), Challenge("r", "n", qop=("auth-int",))):
        assert not challenge.answerable
        with pytest.raises(InvalidState):
            challenge.answer("u", "p", "REGISTER", "sip:h")


def test_strongest_hash_comes_first():
    assert list(HASHES) == ["SHA-256", "MD5"]
