"""SRTP of one stream: the packets of RFC 3711 as others make them, and what is forged, replayed or of another key."""

from __future__ import annotations

import pytest

from pbx.media import rtp
from pbx.media.sdes import SUITES, Crypto
from pbx.media.srtp import MOST_SOURCES, Seal

OURS, THEIRS = bytes(range(46)), bytes(range(100, 146))


def seals(suite: str) -> tuple[Seal, Seal]:
    """Ours, and that of the phone at the other end."""
    size = SUITES[suite]
    one, other = Crypto(1, suite, OURS[:size]), Crypto(1, suite, THEIRS[:size])
    return Seal(one, other), Seal(other, one)


def packet(sequence: int, ssrc: int = 7) -> bytes:
    return rtp.build(b"x" * 160, 0, sequence, sequence * 160, ssrc)


def test_packet_of_libsrtp_s_own_test_opens() -> None:
    """Key, packet and ciphertext are those of the reference implementation's `srtp_validate`."""
    key = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
    plain = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
    sealed = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
    crypto = Crypto(1, "AES_CM_128_HMAC_SHA1_80", key)
    assert Seal(crypto, crypto).seal_rtp(plain) == sealed
    assert Seal(crypto, crypto).open_rtp(sealed) == plain


@pytest.mark.parametrize("suite", SUITES)
def test_what_one_end_seals_the_other_opens(suite: str) -> None:
    ours, theirs = seals(suite)
    report = bytes.fromhex("80c90001") + bytes(4)
    for sequence in (*range(65_500, 65_536), *range(40)):
        sealed = theirs.seal_rtp(packet(sequence))
        assert sealed is not None and b"xxxx" not in sealed and len(sealed) > len(packet(sequence))
        assert ours.open_rtp(memoryview(sealed)) == packet(sequence)
        controlled = theirs.seal_rtcp(report)
        assert controlled is not None and ours.open_rtcp(controlled) == report


@pytest.mark.parametrize("suite", SUITES)
def test_what_is_changed_replayed_or_of_another_key_opens_to_nothing(suite: str) -> None:
    ours, theirs = seals(suite)
    sealed = theirs.seal_rtp(packet(1))
    assert sealed is not None
    for place in range(len(sealed)):
        assert ours.open_rtp(sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]) is None
        assert ours.open_rtp(sealed[:place]) is None
    assert theirs.open_rtp(sealed) is None  # it was sealed by the key of the other direction
    assert ours.open_rtcp(sealed) is None
    assert ours.open_rtp(packet(1)) is None
    assert ours.open_rtp(sealed) == packet(1)
    assert ours.open_rtp(sealed) is None
    report = theirs.seal_rtcp(bytes.fromhex("80c90001") + bytes(4))
    assert report is not None and ours.open_rtcp(report) is not None
    assert ours.open_rtcp(report) is None


def test_the_same_key_again_does_not_begin_again() -> None:
    ours, theirs = seals("AES_CM_128_HMAC_SHA1_80")
    sealed = theirs.seal_rtp(packet(1))
    assert sealed is not None and ours.open_rtp(sealed) == packet(1)
    ours.rekey(Crypto(2, "AES_CM_128_HMAC_SHA1_80", OURS[:30]), Crypto(2, "AES_CM_128_HMAC_SHA1_80", THEIRS[:30]))
    assert ours.open_rtp(sealed) is None
    ours.rekey(ours.ours, Crypto(2, "AES_CM_128_HMAC_SHA1_80", OURS[:30]))
    later = theirs.seal_rtp(packet(2))
    assert later is not None and ours.open_rtp(later) is None


def test_packets_that_the_library_cannot_hold_and_sources_without_end_are_refused() -> None:
    ours, theirs = seals("AES_CM_128_HMAC_SHA1_80")
    assert ours.seal_rtp(rtp.build(bytes(2000), 0, 1, 1, 1)) is None
    assert ours.open_rtp(rtp.build(bytes(2000), 0, 1, 1, 1)) is None
    passed = [ours.seal_rtp(packet(1, ssrc)) for ssrc in range(MOST_SOURCES + 10)]
    assert passed.count(None) == 10 and passed[-1] is None
    assert ours.seal_rtp(packet(2, 0)) is not None
    for ssrc in range(MOST_SOURCES + 10):  # what does not open takes no room
        assert theirs.open_rtp(packet(1, ssrc)) is None
    assert theirs.open_rtp(passed[5] or b"") == packet(1, 5)
