"""Messages as Hypothesis makes them: well-formed ones, damaged ones, and bytes that look like neither."""

from __future__ import annotations

from hypothesis import strategies as st

from pbx.sip.message import Request, Response, with_body

TOKENS = st.text("ABCXYZabcxyz0189-.!%*_+`'~", min_size=1, max_size=12)
HOSTS = st.sampled_from(["example.com", "192.0.2.7", "[2001:db8::7]", "a", "phone-1.example.org"])
USERS = st.text("abyz019-_.!~*'()&=+$,;?/", min_size=1, max_size=8) | st.sampled_from(["%31001", "a%20b", "+4930"])
VALUES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=40)


@st.composite
def uris(draw: st.DrawFn) -> str:
    """SIP and SIPS URIs."""
    scheme = draw(st.sampled_from(["sip", "sips"]))
    user = draw(st.just("") | USERS.map(lambda text: f"{text}@"))
    port = draw(st.just("") | st.integers(1, 65535).map(lambda number: f":{number}"))
    names = draw(st.lists(st.sampled_from(["transport=tcp", "lr", "user=phone", "x=%20"]), unique=True, max_size=3))
    headers = draw(st.sampled_from(["", "?Subject=a%20b", "?a=1&b=2"]))
    return f"{scheme}:{user}{draw(HOSTS)}{port}{''.join(f';{name}' for name in names)}{headers}"


@st.composite
def messages(draw: st.DrawFn) -> Request | Response:
    """Requests and responses that any parser has to accept."""
    method = draw(TOKENS)
    tag = draw(TOKENS)
    display = draw(st.sampled_from(["", '"Ali\\"ce, <x>" ', "Bob Smith ", '"Zoë" ']))
    fields = [
        (
            "via",
            draw(st.sampled_from(["Via", "v", "VIA"])),
            f"SIP/2.0/UDP {draw(HOSTS)};branch=z9hG4bK{draw(TOKENS)};rport",
        ),
        ("from", draw(st.sampled_from(["From", "f"])), f"{display}<{draw(uris())}>;tag={tag}"),
        ("to", draw(st.sampled_from(["To", "t"])), f"<{draw(uris())}>"),
        ("call-id", draw(st.sampled_from(["Call-ID", "i", "call-id"])), draw(TOKENS)),
        ("cseq", "CSeq", f"{draw(st.integers(0, 2**31 - 1))} {method}"),
    ]
    for name in draw(st.lists(st.sampled_from(["X-One", "Subject", "User-Agent", "P-Long"]), max_size=4)):
        fields.append((name.lower(), name, draw(VALUES).strip()))
    fields = draw(st.permutations(fields))
    body = draw(st.binary(max_size=60))
    with_body(fields, "application/octet-stream", body)
    if draw(st.booleans()):
        return Request(method, draw(uris()), fields, body)
    return Response(draw(st.integers(100, 699)), draw(VALUES).strip(), fields, body)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A well-formed message in which something was replaced, doubled or left out."""
    packet = bytearray(bytes(draw(messages())))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(packet)))
        end = min(len(packet), start + draw(st.integers(0, 12)))
        put = draw(
            st.binary(max_size=6)
            | st.sampled_from([b"\r\n", b"\r\n ", b'"', b"<", b">", b",", b";", b":", b"=", b"\0", b"\n"])
        )
        packet[start:end] = put
    return bytes(packet)
