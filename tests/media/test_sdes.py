"""What `a=crypto` lines say (RFC 4568), and what becomes of those that say nonsense."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.sdes import SUITES, Crypto, cryptos

KEY = b64encode(bytes(range(30))).decode()
LONG = b64encode(bytes(range(44))).decode()
CM = "AES_CM_128_HMAC_SHA1_80"


@pytest.mark.parametrize(("suite", "octets"), SUITES.items())
def test_line_is_read_as_it_was_written(suite: str, octets: int) -> None:
    crypto = Crypto(7, suite, bytes(range(octets)))
    assert cryptos([crypto.line]) == (crypto,)


@pytest.mark.parametrize(
    "line",
    [
        # RFC 4568 section 4 and 6.1, with and without what may be left out.
        f"a=crypto:1 {CM} inline:{KEY}",
        f"a=crypto:1 {CM} inline:{KEY}|2^20",
        f"a=crypto:1 {CM} inline:{KEY}|2^48",
        f"a=crypto:1 {CM} inline:{KEY}|1048576",
        f"a=crypto:1  {CM}\tinline:{KEY} ",
        f"a=crypto:1 {CM} inline:{KEY} WSH=64",
        f"a=crypto:1 {CM} inline:{KEY} -ANYTHING=1 WSH=128",
    ],
)
def test_line_that_can_be_honoured(line: str) -> None:
    assert cryptos([line]) == (Crypto(1, CM, bytes(range(30))),)


@pytest.mark.parametrize(
    "line",
    [
        "a=crypto:",
        "a=crypto:1",
        f"a=crypto:1 {CM}",
        f"a=crypto:1 {CM} inline:",
        f"a=crypto:x {CM} inline:{KEY}",
        f"a=crypto:-1 {CM} inline:{KEY}",
        f"a=crypto:٣ {CM} inline:{KEY}",
        f"a=crypto:1234567890 {CM} inline:{KEY}",
        f"a=crypto:1 {CM} inline:{KEY[:-4]}",  # three octets less
        f"a=crypto:1 {CM} inline:{LONG}",
        f"a=crypto:1 {CM} inline:{KEY[:-1]}",  # no base64
        f"a=crypto:1 {CM} inline:===={KEY}",
        f"a=crypto:1 {CM} uri:{KEY}",
        f"a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:{KEY}",
        f"a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"a=crypto:1 {CM} inline:{KEY}|2^20|1:4",  # a master key identifier
        f"a=crypto:1 {CM} inline:{KEY}|1:4",
        f"a=crypto:1 {CM} inline:{KEY}|2^20|1:4|more",
        f"a=crypto:1 {CM} inline:{KEY};inline:{KEY}",
        f"a=crypto:1 {CM} inline:{KEY}|0",
        f"a=crypto:1 {CM} inline:{KEY}|2^49",
        f"a=crypto:1 {CM} inline:{KEY}|2^99",
        f"a=crypto:1 {CM} inline:{KEY}|" + "9" * 5000,
        f"a=crypto:1 {CM} inline:{KEY}|",
        # RFC 4568 section 6.3: each of these changes what is sent, or cannot be had.
        f"a=crypto:1 {CM} inline:{KEY} KDR=1",
        f"a=crypto:1 {CM} inline:{KEY} UNENCRYPTED_SRTP",
        f"a=crypto:1 {CM} inline:{KEY} UNENCRYPTED_SRTCP",
        f"a=crypto:1 {CM} inline:{KEY} UNAUTHENTICATED_SRTP",
        f"a=crypto:1 {CM} inline:{KEY} FEC_ORDER=FEC_SRTP",
        f"a=crypto:1 {CM} inline:{KEY} WHATEVER",
    ],
)
def test_line_that_cannot_be_honoured_is_no_line(line: str) -> None:
    good = Crypto(2, CM, bytes(30))
    assert cryptos([line]) == ()
    assert cryptos([line, good.line]) == (good,)


def test_of_two_lines_with_one_tag_the_first_counts_and_many_lines_are_not_read() -> None:
    lines = [Crypto(1, CM, bytes([number]) * 30).line for number in range(3)]
    assert [crypto.key[0] for crypto in cryptos(lines)] == [0]
    assert len(cryptos([Crypto(tag, CM, bytes(30)).line for tag in range(1000)])) == 16


def test_no_text_of_ours_shows_a_key() -> None:
    crypto = Crypto(1, CM, b"secret" * 5)
    assert "secret" not in f"{crypto!r}{crypto}"


@given(st.text(), st.text())
def test_anything_is_a_line_or_none(one: str, other: str) -> None:
    cryptos([f"a=crypto:{one}", f"a=crypto:1 {CM} inline:{KEY}{other}", f"a=crypto:1 {CM} inline:{one}"])
