from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.media.description import own_answer, own_offer, read_answer, read_offer
from pbx.media.formats import formats
from pbx.media.stream import Stream
from pbx.sip import sdp
from pbx.sip.errors import Malformed
from pbx.sip.sdp import Media, SessionDescription

ALLOWED = frozenset({"opus", "g722", "pcma", "pcmu", "telephone-event"})
HEAD = "v=0\no=alice 7 8 IN IP4 10.0.0.7\ns=secret\nc=IN IP4 192.0.2.7\nt=0 0\n"


def offer(text: str, head: str = HEAD) -> tuple[list[Stream], list[Media]]:
    return read_offer((head + text).encode(), ALLOWED)


def answer(text: str, asked: str, head: str = HEAD) -> tuple[list[Stream], list[Media]]:
    return read_answer((head + text).encode(), offer(asked)[0])


def text(line: Media) -> str:
    """An m-line and what is under it."""
    return "\n".join([f"{line.kind} {line.port} {line.profile} {' '.join(line.formats)}", *line.lines])


def test_an_offer_keeps_the_callers_order_and_only_configured_codecs() -> None:
    streams, lines = offer(
        "m=audio 4000 RTP/AVP 8 97 3 96 0 101\n"
        "a=rtpmap:97 iLBC/8000\na=rtpmap:96 OPUS/48000/2\na=fmtp:96 useinbandfec=1\na=rtpmap:101 telephone-event/8000\n"
        "a=fmtp:97 mode=30\na=fmtp:101 0-16\na=ptime:20\n"
    )
    assert [text(line) for line in lines] == [
        "audio 4000 RTP/AVP 8 96 0 101\na=rtpmap:96 OPUS/48000/2\na=fmtp:96 useinbandfec=1\n"
        "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:20\na=sendrecv"
    ]
    assert streams[0].codecs == ("pcma", "opus", "pcmu", "telephone-event")


def test_only_lines_of_the_allow_list_pass() -> None:
    _, (line,) = offer(
        "m=audio 4000 RTP/AVP 0\ni=Alice's desk\nb=AS:84\nb=RR:0\nk=prompt\na=rtcp:4001 IN IP4 10.0.0.7\na=rtcp-mux\n"
        "a=candidate:1 1 UDP 2130706431 10.0.0.7 4000 typ host\na=ice-ufrag:x\na=ice-pwd:y\na=fingerprint:sha-1 00\n"
        "a=setup:active\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:key\na=ssrc:1 cname:alice@10.0.0.7\na=mid:0\n"
        "a=maxptime:60\na=label:1\na=content:main\na=framerate:30\na=x-secret\na=recvonly\n"
    )
    stream_lines = ("b=AS:84", "a=maxptime:60", "a=label:1", "a=content:main", "a=framerate:30")
    assert line.lines == (*stream_lines, "a=rtcp-mux", "a=recvonly")
    assert line.connection == ""


def test_video_passes_with_all_its_formats() -> None:
    _, lines = offer(
        "m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVPF 99 100\na=rtpmap:99 VP8/90000\na=rtcp-fb:* nack\n"
        "a=rtcp-fb:99 ccm fir\na=rtcp-fb:101 nack\n"
    )
    assert text(lines[1]) == (
        "video 4002 RTP/AVPF 99 100\na=rtpmap:99 VP8/90000\na=rtcp-fb:* nack\na=rtcp-fb:99 ccm fir\na=sendrecv"
    )


def test_what_cannot_be_relayed_is_refused_in_its_place() -> None:
    streams, lines = offer(
        "m=image 4000 udptl t38\nm=audio 4002 RTP/AVP 0\nm=audio 4004 RTP/SAVP 0\nm=video 0 RTP/AVP 99\n"
        "a=rtpmap:99 VP8/90000\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\nm=message 0 TCP/MSRP\n"
    )
    assert [(line.kind, line.port, line.profile, line.formats) for line in lines] == [
        ("image", 0, "udptl", ("t38",)),
        ("audio", 4002, "RTP/AVP", ("0",)),
        ("audio", 0, "RTP/SAVP", ("0",)),
        ("video", 0, "RTP/AVP", ("99",)),
        ("application", 0, "UDP/DTLS/SCTP", ("webrtc-datachannel",)),
        ("message", 0, "TCP/MSRP", ("0",)),
    ]
    assert [line.lines for line in lines if not line.port] == [()] * 5
    assert [stream.active for stream in streams] == [False, True, False, False, False, False]


def test_an_offer_cannot_take_more_than_four_streams() -> None:
    streams, _ = offer("".join(f"m=audio {4000 + 2 * n} RTP/AVP 0\n" for n in range(9)))
    assert sum(stream.active for stream in streams) == 4


@pytest.mark.parametrize(
    "asked",
    [
        "m=audio 4000 RTP/AVP 18 3\n",
        "m=audio 4000 RTP/AVP 101 13\na=rtpmap:101 telephone-event/8000\n",
        "m=audio 4000 RTP/AVP 96\n",
        "m=audio 4000 RTP/AVP 18\nm=video 4002 RTP/AVP 31\n",
        "m=audio 4000 RTP/SAVP 0\n",
        "m=image 4000 udptl t38\n",
        "m=audio 4000 RTP/AVP 128\na=rtpmap:128 PCMU/8000\n",
    ],
)
def test_an_offer_without_a_common_codec_is_488(asked: str) -> None:
    with pytest.raises(Malformed) as raised:
        offer(asked)
    assert raised.value.status == 488


@pytest.mark.parametrize("asked", ["", "m=audio 0 RTP/AVP 18\n"])
def test_an_offer_that_asks_for_nothing_gets_it(asked: str) -> None:
    assert not any(stream.active for stream in offer(asked)[0])


def test_addresses_are_those_of_the_description() -> None:
    streams, _ = offer(
        "m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 31\nc=IN IP6 2001:DB8:0::7\na=rtcp:9000\n"
        "m=video 4004 RTP/AVP 31\na=rtcp:9002 IN IP4 192.0.2.8\n"
    )
    assert [(stream.rtp, stream.rtcp) for stream in streams] == [
        (("192.0.2.7", 4000), ("192.0.2.7", 4001)),
        (("2001:db8::7", 4002), ("2001:db8::7", 9000)),
        (("192.0.2.7", 4004), ("192.0.2.8", 9002)),
    ]


@pytest.mark.parametrize(
    "host", ["phone.example.com", "0.0.0.0", "224.0.0.1", "255.255.255.255", "1.2.3", "127.1", "ü", "1"]
)
def test_an_address_that_is_no_unicast_address_is_none(host: str) -> None:
    (stream,), _ = offer("m=audio 4000 RTP/AVP 0\n", HEAD.replace("IN IP4 192.0.2.7", f"IN IP4 {host}"))
    assert (stream.rtp, stream.rtcp) == (None, None)


@pytest.mark.parametrize("host", ["::", "ff02::1", "fe80::1%eth0", "2001:db8::g"])
def test_an_ipv6_address_that_is_no_unicast_address_is_none(host: str) -> None:
    (stream,), _ = offer("m=audio 4000 RTP/AVP 0\n", HEAD.replace("IN IP4 192.0.2.7", f"IN IP6 {host}"))
    assert stream.rtp is None


def test_rtcp_of_the_last_port_has_no_place() -> None:
    (stream,), _ = offer("m=audio 65535 RTP/AVP 0\n")
    assert (stream.rtp, stream.rtcp) == (("192.0.2.7", 65535), None)


def test_hold_passes_in_each_of_its_spellings() -> None:
    _, (sendonly,) = offer("m=audio 4000 RTP/AVP 0\na=sendonly\n")
    _, (session,) = offer("m=audio 4000 RTP/AVP 0\n", HEAD + "a=inactive\n")
    _, (old,) = offer("m=audio 4000 RTP/AVP 0\nc=IN IP4 0.0.0.0\n")
    # However it is spelt, the other phone is to hear music.
    assert sendonly.lines == session.lines == old.lines == ("a=sendonly",)
    assert old.connection == ""


def test_an_answer_is_left_with_what_was_offered() -> None:
    streams, lines = answer(
        "m=audio 5000 RTP/AVP 0 18 9 110\na=rtpmap:110 telephone-event/8000\na=recvonly\n",
        "m=audio 4000 RTP/AVP 8 0 101\na=rtpmap:101 telephone-event/8000\n",
    )
    assert text(lines[0]) == "audio 5000 RTP/AVP 0 110\na=rtpmap:110 telephone-event/8000\na=recvonly"
    assert streams[0].rtp == ("192.0.2.7", 5000)


@pytest.mark.parametrize("spelling", ["G722/16000", "g722/8000", "G722/8000/1"])
def test_codecs_are_compared_by_name(spelling: str) -> None:
    streams, _ = answer(f"m=audio 5000 RTP/AVP 9\na=rtpmap:9 {spelling}\n", "m=audio 4000 RTP/AVP 9\n")
    assert streams[0].active


def test_an_answer_without_keys_that_has_their_payload_type_for_something_else_is_given_another_one() -> None:
    """RFC 3264 section 6.1 lets it; two formats of one number nobody could tell apart."""
    asked, _ = offer("m=audio 4000 RTP/AVP 0 96 101\na=rtpmap:96 G722/8000\na=rtpmap:101 telephone-event/8000\n")
    given = HEAD + "m=audio 5000 RTP/AVP 0 101\na=rtpmap:101 G722/8000\n"
    (stream,), (line,) = read_answer(given.encode(), asked, informs=True)
    assert stream.informs and stream.codecs == ("pcmu", "g722", "telephone-event")
    assert line.formats == stream.formats == ("0", "101", "96")


def test_an_answer_may_refuse_a_stream() -> None:
    streams, lines = answer(
        "m=audio 5000 RTP/AVP 0\nm=video 0 RTP/AVP 31\n", "m=audio 4000 RTP/AVP 0\nm=video 4002 RTP/AVP 31\n"
    )
    assert [stream.active for stream in streams] == [True, False]
    assert [line.port for line in lines] == [5000, 0]


def test_streams_that_an_answer_leaves_out_are_refused() -> None:
    streams, lines = answer("m=audio 5000 RTP/AVP 0\n", "m=audio 4000 RTP/AVP 0\nm=image 4002 udptl t38\n")
    assert [stream.active for stream in streams] == [True, False]
    assert text(lines[1]) == "image 0 udptl t38"


def test_an_answer_cannot_accept_what_was_not_offered() -> None:
    streams, lines = answer(
        "m=audio 5000 RTP/AVP 0\nm=video 5002 RTP/AVP 31\n", "m=audio 4000 RTP/AVP 0\nm=video 0 RTP/AVP 31\n"
    )
    assert not streams[1].active
    assert lines[1].port == 0


@pytest.mark.parametrize(
    "given_",
    [
        "m=audio 5000 RTP/AVP 8\n",
        "m=audio 5000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000\n",
        "m=audio 5000 RTP/SAVP 0\n",
        "m=video 5000 RTP/AVP 31\n",
        "m=audio 5000 RTP/AVP 0\nm=audio 5002 RTP/AVP 0\n",
    ],
)
def test_an_answer_that_does_not_fit_the_offer_is_488(given_: str) -> None:
    with pytest.raises(Malformed) as raised:
        answer(given_, "m=audio 4000 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n")
    assert raised.value.status == 488


def test_our_own_answer_is_the_first_g711_and_keys() -> None:
    streams, lines = own_answer(
        (
            HEAD + "m=video 4002 RTP/AVP 31\nm=audio 4000 RTP/AVP 96 8 0 101\na=rtpmap:96 opus/48000/2\n"
            "a=rtpmap:101 telephone-event/8000\na=sendonly\nm=audio 4004 RTP/AVP 0\n"
        ).encode()
    )
    assert [text(line) for line in lines] == [
        "video 0 RTP/AVP 31",
        "audio 4000 RTP/AVP 8 101\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\n"
        "a=ptime:20\na=recvonly",
        "audio 0 RTP/AVP 0",
    ]
    assert streams[1].codecs == ("pcma", "telephone-event")


@pytest.mark.parametrize(
    ("asked", "given_"),
    [("sendrecv", "sendrecv"), ("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")],
)
def test_our_own_answer_mirrors_the_direction(asked: str, given_: str) -> None:
    _, (line,) = own_answer(f"{HEAD}m=audio 4000 RTP/AVP 0\na={asked}\n".encode())
    assert line.lines[-1] == f"a={given_}"


@pytest.mark.parametrize(
    "asked", ["m=audio 4000 RTP/AVP 9 101\na=rtpmap:101 telephone-event/8000\n", "m=video 4000 RTP/AVP 31\n"]
)
def test_we_end_nothing_but_g711(asked: str) -> None:
    with pytest.raises(Malformed) as raised:
        own_answer((HEAD + asked).encode())
    assert raised.value.status == 488


def test_our_own_offer_keeps_the_places_of_a_description_shown_before() -> None:
    before = f"{HEAD}m=video 4002 RTP/AVP 31\nm=audio 4000 RTP/AVP 0\n".encode()
    assert [line.kind for line in own_offer(b"")[1]] == ["audio"]
    streams, lines = own_offer(before)
    assert [(line.kind, line.port > 0) for line in lines] == [("video", False), ("audio", True)]
    assert [stream.active for stream in streams] == [False, True]
    assert own_offer(f"{HEAD}m=video 0 RTP/AVP 31\n".encode())[1][1].kind == "audio"


def test_formats_are_payload_types_with_and_without_marker() -> None:
    assert formats(("0", "101", "0")).rates.keys() == {0, 128, 101, 229}
    assert not formats(("128", "-1", "x", "٣", "007")).rates


LINES = st.sampled_from(
    [
        "m=audio 4000 RTP/AVP 0 8 101", "m=audio 0 RTP/AVP 0", "m=video 4002 RTP/AVPF 99", "m=image 4004 udptl t38",
        "m=audio 65535 RTP/AVP 0", "m=audio 4000 RTP/AVP 999 x ٣", "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:0 X/8000", "a=rtpmap:999 PCMU/8000", "a=rtpmap:", "a=fmtp:", "c=IN IP4 0.0.0.0", "c=IN IP6 ::1",
        "c=IN IP4 \udcff", "c=A B C", "a=rtcp:1 IN IP4 x", "a=inactive", "a=ptime:x",
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=12))
def test_nonsense_is_refused_or_comes_out_as_a_description(lines: list[str]) -> None:
    body = (HEAD + "\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
    judges: list[Callable[[], tuple[list[Stream], list[Media]]]] = [
        lambda: read_offer(body, ALLOWED),
        lambda: read_answer(body, own_offer(b"")[0]),
        lambda: own_answer(body),
    ]
    for judge in judges:
        try:
            streams, shown = judge()
        except Malformed as refused:
            assert refused.status in {400, 488}
            continue
        assert len(streams) == len(shown)
        assert all((line.port > 0) == stream.active for line, stream in zip(shown, streams, strict=True))
        nowhere = "IN IP4 192.0.2.1"
        described = SessionDescription(f"- 1 1 {nowhere}", "-", nowhere, (), tuple(shown))
        assert sdp.parse(sdp.serialise(described)).media == tuple(shown)
