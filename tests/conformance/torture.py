"""What we make of each published message: what is read from it, and what goes back on the wire. One row for each.

The exchange that gets them is responsible for example.com and for the address that they are sent to, answers every call
that a stranger or its own extension makes, and has an extension for each user that registers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pbx.sip.headers import ACCEPT, CONTACT, CONTENT_TYPE, DATE, EXPIRES, PROXY_REQUIRE, REQUIRE, ROUTE, VIA
from pbx.sip.message import Request, Response
from pbx.sip.session import ALLOWED

DROPPED = 0
MALFORMED = object()
"""Stands for a value that cannot be read."""


@dataclass(frozen=True)
class Row:
    """What is expected of one message.

    :param status: of the response on the wire; DROPPED when there must be none.
    :param fields: what the response tells, by key.
    :param proven: the status once credentials are sent along; 0 where none are asked for.
    :param bound: the contacts that are registered then.
    :param reads: the values that are read, by the names of READERS; None when it is no message at all.
    """

    name: str
    status: int
    reads: dict[str, Any] | None
    fields: dict[str, str]
    proven: int = 0
    bound: tuple[str, ...] = ()


def row(
    name: str,
    status: int,
    *,
    fields: dict[str, str] | None = None,
    proven: int = 0,
    bound: tuple[str, ...] = (),
    **reads: Any,
) -> Row:
    """A message that is read, and what is done with it then."""
    return Row(name, status, reads, fields or {}, proven, bound)


def broken(name: str, status: int) -> Row:
    """A message that is none: refused, or dropped, before anybody looks at what it wants."""
    return Row(name, status, None, {})


READERS: dict[str, Callable[[Any], Any]] = {
    "accepts": lambda message: [kind for kind, _ in message.many(ACCEPT)],
    "body": lambda message: len(message.body),
    "branch": lambda message: message.via.branch,
    "call_id": lambda message: message.call_id,
    "contacts": lambda message: [str(contact) for contact in message.many(CONTACT)],
    "cseq": lambda message: (message.cseq, message.cseq_method),
    "date": lambda message: message.one(DATE).isoformat(),
    "displays": lambda message: (message.sender().display, message.receiver().display),
    "expires": lambda message: message.one(EXPIRES),
    "forwards": lambda message: message.max_forwards,
    "from_tag": lambda message: message.from_tag,
    "host": lambda message: (message.uri.host, message.uri.port),
    "kind": lambda message: message.one(CONTENT_TYPE)[0],
    "method": lambda message: message.method,
    "parameters": lambda message: message.uri.parameters,
    "people": lambda message: (str(message.sender().uri), str(message.receiver().uri)),
    "proxy_requires": lambda message: message.many(PROXY_REQUIRE),
    "reason": lambda message: message.reason,
    "received": lambda message: message.via.parameters["received"],
    "requires": lambda message: message.many(REQUIRE),
    "routes": lambda message: [str(route) for route in message.many(ROUTE)],
    "scheme": lambda message: message.uri.scheme,
    "code": lambda message: message.status,
    "subject": lambda message: message.first("subject"),
    "to_tag": lambda message: message.to_tag,
    "transports": lambda message: [via.transport for via in message.many(VIA)],
    "unknown": lambda message: [value for key, _, value in message.fields if key.startswith(("unknown", "extension"))],
    "uri": lambda message: str(message.uri),
    "user": lambda message: message.uri.decoded_user,
    "via": lambda message: (message.via.host, message.via.port),
    "vias": lambda message: [str(via) for via in message.many(VIA)],
}


def read(message: Request | Response, name: str) -> Any:
    """One value of a message."""
    return READERS[name](message)


_CALLER = "amazinglylongcallername" * 5
_NOBODY = "!interesting-Method0123456789_*+`.%indeed'~"

RFC4475 = (
    # 3.1.1 Valid messages
    row(
        "wsinv",
        481,  # To has a tag: it says that it belongs to a dialog, which we do not know
        method="INVITE",
        uri="sip:vivekg@chair-dnrc.example.com;unknownparam",
        parameters={"unknownparam": None},
        to_tag="1918181833n",
        from_tag="98asjd8",
        displays=('J Rosenberg \\"', ""),
        people=("sip:jdrosen@example.com", "sip:vivekg@chair-dnrc.example.com"),
        forwards=68,
        cseq=(9, "INVITE"),
        vias=[
            "SIP/2.0/UDP 192.0.2.2;branch=390skdjuw",
            "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8",
            "SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239",
        ],
        subject="",
        unknown=[";;,,;;,;"],
        routes=["<sip:services.example.com;lr;unknownwith=value;unknown-no-value>"],
        contacts=['"Quoted string \\"\\"" <sip:jdrosen@example.com>;newparam=newvalue;secondparam;q=0.33'],
        body=150,
    ),
    row(
        "intmeth",
        501,
        method=_NOBODY,
        user="1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
        host=("example.com", None),
        branch="z9hG4bK-.!%66*_+`'~",
        displays=("token1~` token2'+_ token3*%!.-", "BEL:\a NUL:\0 DEL:\x7f"),
        from_tag="_token~1'+`*%!-.",
        call_id="intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{",
        cseq=(139122385, _NOBODY),
        forwards=255,
        unknown=["\ufeff大停電"],
    ),
    row(
        "esc01",
        404,  # example.net is not ours
        uri="sip:sips%3Auser%40example.com@example.net",
        user="sips:user@example.com",
        people=("sip:I%20have%20spaces@example.net", "sip:%75se%72@example.com"),
        contacts=["<sip:cal%6Cer@host5.example.net;%6c%72;n%61me=v%61lue%25%34%31>"],
        forwards=87,
        body=150,
    ),
    row(
        "escnull",
        401,
        people=("sip:null-%00-null@example.com", "sip:null-%00-null@example.com"),
        contacts=["<sip:%00@host5.example.com>", "<sip:%00%00@host5.example.com>"],
        proven=200,
        bound=("sip:%00%00@host5.example.com", "sip:%00@host5.example.com"),
    ),
    row(
        "esc02",
        501,  # it is not REGISTER: escapes mean nothing outside of URIs
        method="RE%47IST%45R",
        displays=("%Z%45", "%Z%45"),
        branch="z9hG4bK209%fzsnel234",
        contacts=["<sip:alias1@host1.example.com>", "<sip:alias3@host3.example.com>"],
    ),
    row("lwsdisp", 200, fields={"allow": ALLOWED[2]}, displays=("caller", ""), from_tag="323"),
    row(
        "longreq",
        200,
        displays=("", f"I have a user name of {'extreme' * 10} proportion"),
        people=(
            f"sip:{_CALLER}@example.net",
            f"sip:user@example.com:6000;unknownparam1=very{'long' * 20}value"
            f";longparam{'name' * 25}=shortvalue;very{'long' * 25}parameternamewithnovalue",
        ),
        from_tag=f"12{'982' * 50}424",
        call_id=f"longreq.one{'really' * 20}longcallid",
        transports=["TCP"] * 34,
        contacts=[f"<sip:{_CALLER}@host5.example.net>"],
        body=150,
    ),
    row(
        "dblreq",
        401,
        method="REGISTER",
        call_id="dblreq.0ha0isndaksdj99sdfafnl3lk233412",
        body=0,
        proven=200,
        bound=("sip:j.user@host.example.com",),
    ),
    row(
        "semiuri",
        200,
        user="user;par=u@example.net",
        host=("example.com", None),
        parameters={},
        accepts=[
            *("application/sdp", "application/pkcs7-mime", "multipart/mixed", "multipart/signed"),
            *("message/sip", "message/sipfrag"),
        ],
    ),
    row("transports", 200, transports=["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]),
    row(
        "mpart01",
        401,  # its sender says that it is one of ours
        method="MESSAGE",
        kind="multipart/mixed",
        date="2005-10-15T04:44:56+00:00",
        body=553,
    ),
    row("unreason", DROPPED, code=200, reason="= 2**3 * 5**2 но сто девяносто девять - простое", body=154),
    row("noreason", DROPPED, code=100, reason="", contacts=["<sip:user@host105.example.com>"]),
    # 3.1.2 Invalid messages
    broken("badinv01", 400),
    broken("clerr", 400),
    broken("ncl", 400),
    broken("scalar02", 400),
    broken("scalarlg", DROPPED),
    broken("quotbal", 400),
    row("ltgtruri", 400, uri=MALFORMED),
    broken("lwsruri", 400),
    broken("lwsstart", 400),
    broken("trws", 400),
    row("escruri", 400, uri="sip:user@example.com?Route=%3Csip:example.com%3E"),
    row("baddate", 200, date=MALFORMED, body=150),  # nothing that we do depends on it
    row("regbadct", 400, contacts=MALFORMED),
    broken("badaspec", 400),
    broken("baddn", 400),
    broken("badvers", 505),
    broken("mismatch01", 400),
    broken("mismatch02", 400),
    broken("bigcode", DROPPED),
    # 3.2 Transaction layer semantics
    row("badbranch", 200, branch="z9hG4bK"),
    # 3.3 Application layer semantics
    broken("insuf", 400),
    row("unkscm", 416, scheme="nobodyknowsthisscheme", uri="nobodyknowsthisscheme:totallyopaquecontent"),
    row("novelsc", 416, scheme="soap.beep"),
    row(
        "unksm2",
        400,  # only a SIP or SIPS URI can be bound to anything
        people=("http://www.example.com", "isbn:2983792873"),
        contacts=["<name:John_Smith>"],
    ),
    row(
        "bext01",
        420,
        fields={"unsupported": "nothingSupportsThis, nothingSupportsThisEither"},
        requires=["nothingSupportsThis", "nothingSupportsThisEither"],
        proxy_requires=["noProxiesSupportThis", "norDoAnyProxiesSupportThis"],
    ),
    row("invut", 415, fields={"accept": "application/sdp, multipart/mixed"}, kind="application/unknownformat", body=40),
    row("regaut01", 401, method="REGISTER", proven=200),
    broken("multi01", 400),
    broken("mcl01", 400),
    row(
        "bcast",
        DROPPED,  # above all it is not forwarded to 255.255.255.255
        code=200,
        vias=["SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923", "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23"],
        body=154,
    ),
    row("zeromf", 200, forwards=0),
    row(
        "cparam01",
        401,
        contacts=["<sip:+19725552222@gw1.example.net>;unknownparam"],
        proven=200,
        bound=("sip:+19725552222@gw1.example.net",),
    ),
    row(
        "cparam02",
        401,
        contacts=["<sip:+19725552222@gw1.example.net;unknownparam>"],
        proven=200,
        bound=("sip:+19725552222@gw1.example.net;unknownparam",),
    ),
    row(
        "regescrt",
        401,
        contacts=["<sip:user@example.com?Route=%3Csip:sip.example.com%3E>"],
        proven=200,
        bound=("sip:user@example.com?Route=%3Csip:sip.example.com%3E",),
    ),
    row("sdp01", 406, accepts=["text/nobodyknowsthis"], body=150),
    # 3.4 Backward compatibility
    row(
        "inv2543",
        400,  # without Contact it makes no dialog (RFC 3261 8.1.1.8)
        branch="",
        from_tag="",
        to_tag="",
        forwards=70,
        people=("sip:+13035551111@ift.client.example.net;user=phone", "sip:+16505552222@ss1.example.net"),
        body=105,
    ),
)

RFC5118 = (
    row(
        "ipv6-good",
        401,
        host=("[2001:db8::10]", None),
        via=("[2001:db8::9:1]", None),
        proven=200,
        bound=("sip:caller@[2001:db8::1]",),
    ),
    row("ipv6-bad", 400, uri=MALFORMED),
    row("port-ambiguous", 404, host=("[2001:db8::10:5070]", None)),  # another address than ours
    row("port-unambiguous", 401, host=("[2001:db8::10]", 5070), proven=200, bound=("sip:caller@[2001:db8::1]",)),
    row("via-received-param-with-delim", 481, received="[2001:db8::9:255]", to_tag="bd76ya"),
    row("via-received-param-no-delim", 200, received="2001:db8::9:255"),
    row(
        "ipv6-in-sdp", 401, contacts=['"Caller" <sip:caller@[2001:db8::20]>'], body=251, proven=488
    ),  # no codec of ours
    row(
        "mult-ip-in-header",
        481,
        vias=[
            "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111",
            "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144",
            "SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200",
        ],
    ),
    row("mult-ip-in-sdp", 401, body=189, proven=200),
    row(
        "ipv4-mapped-ipv6",
        488,  # no codec of ours
        via=("[::ffff:192.0.2.10]", 19823),
        contacts=['"T. desk phone" <sip:ted@[::ffff:192.0.2.2]>'],
        body=245,
    ),
    row("ipv6-bug-abnf-3-colons", 200, host=("[2001:db8:::192.0.2.1]", None)),
    row("ipv6-correct-abnf-2-colons", 200, host=("[2001:db8::192.0.2.1]", None)),
)
