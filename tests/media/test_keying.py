"""Which keys are offered to whom and which answers are refused: descriptions with nonsense about SRTP, too."""

from __future__ import annotations

import pytest

from pbx.media.relay import Relay
from pbx.media.sdes import Crypto, cryptos
from pbx.media.side import Side
from pbx.sip import sdp
from pbx.sip.errors import Malformed
from pbx.sip.identifiers import Identifiers
from tests.media.network import HOST, Exchange, result

CM, SHORT = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"
THEIRS = Crypto(1, CM, b"k" * 30)
BAD = "a=crypto:1 NONSENSE inline:AAAA"


class Office:
    """A relay of one mode, and sides of phones on TLS."""

    def __init__(self, mode: str = "accept") -> None:
        exchange = Exchange()
        self.relay = Relay(exchange.network, exchange.clock, ["PCMU"], Identifiers(), mode)
        self.caller, self.callee = self.side(), self.side()

    def side(self, encrypted: bool = True) -> Side:
        return self.relay.side(HOST, HOST, "", encrypted)

    def offered(self, profile: str, *keys: str) -> sdp.Media:
        """What the callee sees of an offer."""
        return line(result(self.relay.offer(self.caller, self.callee, text(profile, *keys))))

    def answered(self, profile: str, *keys: str) -> sdp.Media:
        """What the caller sees of the answer."""
        return line(result(self.relay.answer(self.callee, self.caller, text(profile, *keys))))


def text(profile: str, *keys: str) -> bytes:
    rows = ["v=0", "o=- 1 1 IN IP4 10.0.0.1", "s=-", "c=IN IP4 10.0.0.1", "t=0 0", f"m=audio 4000 {profile} 0", *keys]
    return "\r\n".join([*rows, ""]).encode()


def line(description: bytes) -> sdp.Media:
    (media,) = sdp.parse(description).media
    return media


def keys(media: sdp.Media) -> tuple[Crypto, ...]:
    return cryptos([row for row in media.lines if row.startswith("a=crypto:")])


@pytest.mark.parametrize(("profile", "plain"), [("RTP/SAVP", "RTP/AVP"), ("RTP/SAVPF", "RTP/AVPF")])
def test_each_phone_sees_its_own_profile_and_keys_of_ours(profile: str, plain: str) -> None:
    office = Office()
    offered = office.offered(profile, BAD, Crypto(2, SHORT, b"s" * 30).line, THEIRS.line)
    assert offered.profile == profile
    assert [(crypto.tag, crypto.suite) for crypto in keys(offered)] == [(1, CM), (2, SHORT)]
    answered = office.answered(profile, Crypto(2, SHORT, b"b" * 30).line)
    # The first that we can honour, by its tag (RFC 4568 section 5.1.2); four keys, and all of them differ.
    (ours,) = keys(answered)
    assert (answered.profile, ours.tag, ours.suite) == (profile, 2, SHORT)
    assert len({crypto.key for crypto in (*keys(offered), ours)} | {b"s" * 30, b"b" * 30}) == 5
    office.callee = office.side(encrypted=False)
    assert office.offered(profile, THEIRS.line).profile == plain


@pytest.mark.parametrize("rows", [(), (BAD,), (f"{THEIRS.line}|2^20|1:4",), (f"{THEIRS.line} UNENCRYPTED_SRTP",)])
@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF"])
def test_offer_of_srtp_without_a_key_that_can_be_honoured_is_488(profile: str, rows: tuple[str, ...]) -> None:
    office = Office()
    with pytest.raises(Malformed) as caught:
        office.offered(profile, *rows)
    assert caught.value.status == 488
    with pytest.raises(Malformed):
        result(office.relay.end(office.caller, text(profile, *rows)))
    assert office.relay.ports_in_use == 0


@pytest.mark.parametrize(
    ("profile", "rows"),
    [
        ("RTP/SAVP", ()),
        ("RTP/SAVP", (BAD,)),
        ("RTP/AVP", ()),
        ("RTP/SAVP", (Crypto(3, CM, b"k" * 30).line,)),  # a tag that was not offered
        ("RTP/SAVP", (Crypto(2, CM, b"k" * 30).line,)),  # another suite than was offered under that tag
        ("RTP/SAVP", (Crypto(1, "AEAD_AES_128_GCM", b"k" * 28).line,)),
    ],
)
def test_answer_without_a_key_that_was_offered_is_488_and_nothing_flows(profile: str, rows: tuple[str, ...]) -> None:
    office = Office()
    office.offered("RTP/SAVP", THEIRS.line)
    with pytest.raises(Malformed) as caught:
        office.answered(profile, *rows)
    assert caught.value.status == 488
    assert not any(port.agreed for port in office.caller.ports + office.callee.ports if port)


def test_answer_of_srtp_to_a_plain_offer_is_488() -> None:
    office = Office()
    office.offered("RTP/AVP")
    with pytest.raises(Malformed) as caught:
        office.answered("RTP/SAVP", THEIRS.line)
    assert caught.value.status == 488


def test_keys_of_a_plain_stream_are_a_wish() -> None:
    """What phones call optional SRTP."""
    office = Office()
    assert len(keys(office.offered("RTP/AVP", THEIRS.line))) == 2
    assert len(keys(office.answered("RTP/AVP"))) == 1
    assert [port and port.is_srtp for port in office.caller.ports + office.callee.ports] == [True, False]
    assert keys(office.offered("RTP/AVP", BAD)) == ()


def test_offer_of_our_own_is_srtp_where_the_phone_has_it_or_the_mode_wants_it() -> None:
    office = Office()
    assert line(result(office.relay.end(office.caller, None))).profile == "RTP/AVP"
    result(office.relay.end(office.caller, text("RTP/SAVP", THEIRS.line)))
    offer = line(result(office.relay.end(office.caller, None)))
    assert (offer.profile, len(keys(offer))) == ("RTP/SAVP", 2)
    wanting = Office("offer")
    assert line(result(wanting.relay.end(wanting.caller, None))).profile == "RTP/SAVP"


def test_where_srtp_is_required_a_phone_without_tls_gets_nothing_of_ours() -> None:
    office = Office("require")
    side = office.side(encrypted=False)
    for offer in (None, text("RTP/AVP"), text("RTP/SAVP", THEIRS.line)):
        with pytest.raises(Malformed) as caught:
            result(office.relay.end(side, offer))
        assert caught.value.status == 488
    with pytest.raises(Malformed):
        office.offered("RTP/AVP")
    assert office.relay.ports_in_use == 0


def test_key_that_was_in_use_is_not_used_again() -> None:
    """Its indices are lost with the state of its packets (RFC 3711 section 9.1)."""
    office = Office()
    seen = set()
    for suite in (CM, SHORT, CM):
        answer = line(result(office.relay.end(office.caller, text("RTP/SAVP", Crypto(1, suite, b"k" * 30).line))))
        seen.add(keys(answer)[0].key)
    again = line(result(office.relay.end(office.caller, text("RTP/SAVP", Crypto(1, CM, b"n" * 30).line))))
    assert len(seen) == 3 and keys(again)[0].key in seen


def test_passed_keys_are_the_phones_own_and_nothing_else_of_theirs_is_read() -> None:
    office = Office("pass")
    strange = "a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:what|2^31|1:4 UNENCRYPTED_SRTP"
    offered = office.offered("RTP/SAVP", strange)
    assert (offered.profile, offered.attribute("crypto")) == ("RTP/SAVP", strange.partition(":")[2])
    assert strange in office.answered("RTP/SAVP", strange).lines
    assert [port and (port.seal, port.speech) for port in office.caller.ports] == [(None, None)]
