from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.sip import sdp
from pbx.sip.errors import Malformed
from pbx.sip.sdp import Codec, Media, SessionDescription, parse, serialise


def description(text: str) -> bytes:
    """The lines of an indented text, ended by CR LF."""
    return "".join(f"{line.strip()}\r\n" for line in text.strip().splitlines()).encode()


PHONE = description(
    """
    v=0
    o=alice 2890844526 2890844527 IN IP4 192.0.2.10
    s=Phone call
    i=Something for people
    c=IN IP4 192.0.2.10
    b=AS:84
    t=0 0
    a=tool:phone 3.1
    a=sendonly
    m=audio 49170 RTP/AVP 0 8 9 97 101
    c=IN IP4 192.0.2.11
    a=rtpmap:0 PCMU/8000
    a=rtpmap:97 opus/48000/2
    a=fmtp:97 useinbandfec=1
    a=rtpmap:101 telephone-event/8000
    a=fmtp:101 0-16
    a=ptime:20
    a=rtcp:53020 IN IP4 192.0.2.12
    a=recvonly
    m=video 51372/2 RTP/AVPF 99 31
    a=rtpmap:99 h263-1998/90000
    """
)

# What phones, browsers, gateways and RFCs write; each must come out as it went in.
CORPUS = [
    PHONE,
    # RFC 3264 section 10.1
    description(
        """
        v=0
        o=alice 2890844526 2890844526 IN IP4 host.anywhere.com
        s=
        c=IN IP4 host.anywhere.com
        t=0 0
        m=audio 49170 RTP/AVP 0
        a=rtpmap:0 PCMU/8000
        m=video 51372 RTP/AVP 31
        a=rtpmap:31 H261/90000
        m=video 53000 RTP/AVP 32
        a=rtpmap:32 MPV/90000
        """
    ),
    # RFC 8866 section 5: a multicast announcement with every kind of line
    description(
        """
        v=0
        o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1
        s=Call to John Smith
        i=SDP Offer #1
        u=http://www.jdoe.example.com/home.html
        e=Jane Doe <jane@jdoe.example.com>
        p=+1 617 555-6011
        c=IN IP4 233.252.0.1/127/3
        b=CT:1000
        t=3724394400 3724398000
        r=7d 1h 0 25h
        z=3730928400 -1h 3749680800 0
        k=prompt
        a=recvonly
        m=audio 49170 RTP/AVP 0
        i=the floor
        c=IN IP6 2001:db8::2
        b=AS:64
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel
        """
    ),
    # A fax gateway, and a removed stream without a format
    description(
        """
        v=0
        o=- 1 1 IN IP4 198.51.100.7
        s=-
        c=IN IP4 198.51.100.7
        t=0 0
        m=audio 0 RTP/AVP 8
        m=image 4000 udptl t38
        a=T38FaxVersion:0
        a=T38FaxRateManagement:transferredTCF
        """
    ),
]


@pytest.mark.parametrize("body", CORPUS)
def test_a_description_comes_out_as_it_went_in(body: bytes) -> None:
    assert serialise(parse(body)) == body


def test_streams_are_read() -> None:
    read = parse(PHONE)
    audio, video = read.media
    assert (audio.kind, audio.port, audio.count, audio.profile) == ("audio", 49170, 1, "RTP/AVP")
    assert audio.formats == ("0", "8", "9", "97", "101")
    assert (video.kind, video.port, video.count, video.profile) == ("video", 51372, 2, "RTP/AVPF")


def test_a_streams_own_connection_counts_before_the_sessions() -> None:
    read = parse(PHONE)
    assert [read.host(media) for media in read.media] == ["192.0.2.11", "192.0.2.10"]


@pytest.mark.parametrize(
    ("connection", "host"),
    [("IN IP4 233.252.0.1/127/3", "233.252.0.1"), ("IN IP6 ff15::101/3", "ff15::101"), ("ATM NSAP 47.0091", "")],
)
def test_a_host_is_without_ttl_and_on_an_ip_network(connection: str, host: str) -> None:
    read = SessionDescription("-", "-", connection, (), (Media("audio", 4, "RTP/AVP", ("0",)),))
    assert read.host(read.media[0]) == host


def test_a_removed_stream_needs_no_connection() -> None:
    read = parse(b"v=0\r\no=-\r\ns=-\r\nm=audio 0 RTP/AVP 0\r\n")
    assert read.host(read.media[0]) == ""


def test_payload_types_are_explained_by_rtpmap_or_by_rfc_3551() -> None:
    assert parse(PHONE).media[0].codecs() == {
        "0": Codec("pcmu", 8000),
        "8": Codec("pcma", 8000),
        "9": Codec("g722", 8000),
        "97": Codec("opus", 48000, 2),
        "101": Codec("telephone-event", 8000),
    }


@pytest.mark.parametrize("encoding", ["", "opus", "opus/", "opus/x", "opus/-8000", "/8000", "opus/٨٠٠٠"])
def test_a_payload_type_with_a_useless_rtpmap_is_unknown(encoding: str) -> None:
    media = Media("audio", 4, "RTP/AVP", ("96", "0"), lines=(f"a=rtpmap:96 {encoding}", f"a=rtpmap:0 {encoding}"))
    assert media.codecs() == {}


def test_rtpmap_redefines_a_static_payload_type() -> None:
    media = Media("audio", 4, "RTP/AVP", ("0",), lines=("a=rtpmap:0 SPEEX/16000",))
    assert media.codecs() == {"0": Codec("speex", 16000)}


def test_format_parameters_are_those_of_the_payload_type() -> None:
    audio = parse(PHONE).media[0]
    assert [audio.format_parameters(payload) for payload in ("97", "101", "10")] == ["useinbandfec=1", "0-16", ""]


def test_a_streams_own_direction_counts_before_the_sessions() -> None:
    read = parse(PHONE)
    assert [read.direction(media) for media in read.media] == ["recvonly", "sendonly"]
    assert parse(CORPUS[1]).direction(parse(CORPUS[1]).media[0]) == "sendrecv"


@pytest.mark.parametrize(
    ("line", "ptime"),
    [("a=ptime:30", 30), ("a=ptime: 20 ", 20), ("a=ptime:20.5", None), ("a=ptime:", None), ("a=x", None)],
)
def test_ptime(line: str, ptime: int | None) -> None:
    assert Media("audio", 4, "RTP/AVP", ("0",), lines=(line,)).ptime == ptime


@pytest.mark.parametrize(
    ("line", "rtcp"),
    [
        ("a=rtcp:53020", ("", 53020)),
        ("a=rtcp:53020 IN IP4 192.0.2.1", ("192.0.2.1", 53020)),
        ("a=rtcp:0", None),
        ("a=rtcp:65536", None),
        ("a=rtcp:", None),
        ("a=rtcp-mux", None),
    ],
)
def test_rtcp_has_its_own_address_where_rfc_3605_says_so(line: str, rtcp: tuple[str, int] | None) -> None:
    assert sdp.rtcp((line,)) == rtcp


def test_attributes_have_a_value_or_none() -> None:
    media = Media("audio", 4, "RTP/AVP", ("0",), lines=("a=rtcp-mux", "a=label:one", "a=label:two"))
    assert [media.attribute(name) for name in ("rtcp-mux", "label", "rtcp")] == ["", "one", None]


def test_lines_may_end_in_lf_alone_and_empty_ones_are_skipped() -> None:
    assert parse(PHONE.replace(b"\r\n", b"\n") + b"\n\n") == parse(PHONE)


def test_a_missing_session_name_is_none() -> None:
    assert parse(b"v=0\no=-\n").name == "-"


HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n" + HEAD,
        b"v=1\r\no=-\r\n",
        b"v=0\r\ns=-\r\n",  # no o=
        HEAD + b"nonsense\r\n",
        HEAD + b"a =x\r\n",
        HEAD + b"a=x\0\r\n",
        HEAD + b"a=x\ra=y\r\n",
        HEAD + b"m=audio\r\n",
        HEAD + b"m=audio 4000\r\n",
        HEAD + b"m=audio 4000 RTP/AVP\r\n",
        HEAD + b"m=audio x RTP/AVP 0\r\n",
        HEAD + b"m=audio -1 RTP/AVP 0\r\n",
        HEAD + b"m=audio 65536 RTP/AVP 0\r\n",
        HEAD + b"m=audio 4000/ RTP/AVP 0\r\n",
        HEAD + b"m=audio 4000/x RTP/AVP 0\r\n",
        HEAD + "m=audio ٤٠٠٠ RTP/AVP 0\r\n".encode(),
        HEAD.replace(b"c=IN IP4 192.0.2.1", b"c=IN IP4") + b"m=audio 4000 RTP/AVP 0\r\n",
        HEAD.replace(b"c=IN IP4 192.0.2.1\r\n", b"") + b"m=audio 4000 RTP/AVP 0\r\n",
        b"\xff\xfe" + HEAD,
        HEAD + b"a=x\r\n" * 1000,
    ],
)
def test_what_is_no_description_is_400(body: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        parse(body)
    assert refused.value.status == 400
    assert refused.value.why.isprintable()


TEXT = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=12)
WORD = st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1, max_size=8)
CONNECTIONS = st.sampled_from(["IN IP4 192.0.2.1", "IN IP6 2001:db8::1", "IN IP4 phone.example.com"])
LINES = st.lists(st.builds("{}={}".format, st.sampled_from("iuepbtrzkax"), TEXT), max_size=6).map(tuple)
MEDIA = st.builds(
    Media,
    kind=WORD,
    port=st.integers(0, 65535),
    profile=WORD,
    formats=st.lists(WORD, min_size=1, max_size=5).map(tuple),
    count=st.integers(1, 9),
    connection=st.just("") | CONNECTIONS,
    lines=LINES,
)
DESCRIPTIONS = st.builds(
    SessionDescription,
    origin=TEXT,
    name=TEXT,
    connection=CONNECTIONS,
    lines=LINES,
    media=st.lists(MEDIA, max_size=3).map(tuple),
)


@given(DESCRIPTIONS)
def test_every_description_survives_its_text(description: SessionDescription) -> None:
    assert parse(serialise(description)) == description


SCRAPS = st.sampled_from([*PHONE.splitlines(keepends=True), b"\xc3", b"=", b"\r\n", b"\n", b" "]) | st.binary(
    max_size=6
)


@given(st.binary() | st.lists(SCRAPS, max_size=30).map(lambda scraps: b"v=0\no=-\n" + b"".join(scraps)))
def test_any_bytes_are_a_description_or_400(body: bytes) -> None:
    try:
        read = parse(body)
    except Malformed as refused:
        assert refused.status == 400
        return
    assert parse(serialise(read)) == read
    for media in read.media:
        assert set(media.codecs()) <= set(media.formats)
        assert read.direction(media) in sdp.MIRRORED
        assert media.ptime is None or media.ptime >= 0
        rtcp = sdp.rtcp(media.lines)
        assert rtcp is None or 0 < rtcp[1] < 65536
        assert isinstance(read.host(media), str)
