from __future__ import annotations

import pytest

from pbx.sip import uas
from pbx.sip.errors import Malformed, Refused
from pbx.sip.headers import ALLOW_EVENTS
from pbx.sip.message import Request, Response
from pbx.sip.session import ALLOWED
from tests.sip.wire import SDP, received, request


def refused(**parts) -> Malformed:
    with pytest.raises(Malformed) as caught:
        uas.check(request(**parts))
    return caught.value


@pytest.mark.parametrize("method", ["INVITE", "BYE", "OPTIONS", "REGISTER"])
def test_known_methods_pass(method):
    uas.check(request(method))
    uas.check(request(method, sdp=SDP))
    uas.check(request(method, target="sips:1001@192.0.2.1"))


@pytest.mark.parametrize("method", ["invite", "NEWMETHOD", "RE%47IST%45R"])
def test_method_that_we_do_not_know_is_501_and_told_ours(method):
    """RFC 3261 8.2.1 and 21.5.2; methods are case-sensitive."""
    fault = refused(method=method)
    assert fault.status == 501
    assert isinstance(fault, Refused)
    assert fault.more == (ALLOWED,)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("tel:+123", 416),
        ("nobodyKnowsThisScheme:x", 416),
        ("sip:", 400),
        ("sip:a@b@c", 400),
        ("sip:a@h?Route=%3Csip:x%3E", 400),
        ("sip:a@h;method=BYE", 400),
    ],
)
def test_request_uri_that_we_cannot_be_reached_at_is_refused(target, status):
    assert refused(target=target).status == status


@pytest.mark.parametrize("method", ["INVITE", "BYE", "OPTIONS", "REGISTER"])
def test_required_extensions_are_named_as_unsupported(method):
    """RFC 3261 8.2.2.3."""
    fault = refused(method=method, more=[("require", "Require", "none, foo"), ("require", "Require", "bar")])
    assert fault.status == 420
    assert isinstance(fault, Refused)
    assert fault.more == (("unsupported", "Unsupported", "none, foo, bar"),)


def test_supported_extensions_are_no_hindrance():
    uas.check(request(more=[("require", "Require", "replaces")]))
    assert refused(more=[("require", "Require", "replaces, foo")]).more == (("unsupported", "Unsupported", "foo"),)


@pytest.mark.parametrize("method", ["REFER", "MESSAGE", "BYE", "REGISTER"])
def test_replaces_stands_in_invite_only(method):
    """RFC 3891 section 3."""
    more = [("replaces", "Replaces", "1;to-tag=2;from-tag=3")]
    uas.check(request(more=more))
    assert refused(method=method, more=more).status == 400


def test_what_only_proxies_must_support_is_nothing_to_us():
    uas.check(request("OPTIONS", more=[("proxy-require", "Proxy-Require", "foo")]))


def test_malformed_require_is_400():
    assert refused(more=[("require", "Require", "foo bar")]).status == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/sdpx"])
def test_invite_with_a_body_that_is_no_session_description_is_415(kind):
    """RFC 3261 8.2.3."""
    invite = request(sdp=SDP)
    invite.fields = [("content-type", "c", kind) if field[0] == "content-type" else field for field in invite.fields]
    with pytest.raises(Refused) as caught:
        uas.check(received(invite))
    assert caught.value.status == 415
    assert caught.value.more == (("accept", "Accept", "application/sdp, multipart/mixed"),)


def test_invite_with_a_body_of_no_type_is_415():
    invite = request(sdp=SDP)
    invite.fields = [field for field in invite.fields if field[0] != "content-type"]
    with pytest.raises(Refused) as caught:
        uas.check(received(invite))
    assert caught.value.status == 415


@pytest.mark.parametrize("kind", ["Application/SDP", "application/sdp;charset=utf-8", "application / sdp"])
def test_media_types_are_compared_without_case_and_parameters(kind):
    invite = request(sdp=SDP)
    invite.fields = [("content-type", "c", kind) if field[0] == "content-type" else field for field in invite.fields]
    uas.check(received(invite))


def composed(*parts: str, kind: str = "multipart/mixed;boundary=cut", more=()) -> Request:
    """An INVITE with a body of several parts."""
    body = "".join([f"--cut\r\n{part}\r\n" for part in parts]) + "--cut--\r\n"
    invite = request(sdp=body.encode(), more=more)
    invite.fields = [("content-type", "c", kind) if field[0] == "content-type" else field for field in invite.fields]
    return received(invite)


DESCRIPTION = "Content-Type: application/sdp\r\n\r\nv=0\r\n"
ISUP = "Content-Type: application/ISUP;version=itu-t92+\r\n"
OPTIONAL = "Content-Disposition: signal; handling=optional\r\n\r\n\x01\x00"


def test_session_description_among_several_parts_is_found():
    """RFC 5621: what may be ignored is."""
    uas.check(composed(DESCRIPTION))
    uas.check(composed(ISUP + OPTIONAL, DESCRIPTION))
    uas.check(
        composed(
            DESCRIPTION, "Content-Type: application/pkcs7-signature\r\n\r\nx", kind="multipart/signed;boundary=cut"
        )
    )


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((DESCRIPTION, ISUP + "\r\nx"), 415),
        (("text",), 415),
        ((DESCRIPTION, "Content-Type: application/pkcs7-mime\r\n\r\nx"), 493),
    ],
)
def test_part_that_has_to_be_understood_and_is_not_refuses_the_whole(parts, status):
    with pytest.raises(Malformed, match=str(status)):
        uas.check(composed(*parts))
    optional = composed(*parts, more=[("content-disposition", "Content-Disposition", "session;handling=optional")])
    uas.check(optional)
    assert optional.body == b""


@pytest.mark.parametrize("kind", ["application/pkcs7-mime", "Application/pkcs7-mime; smime-type=enveloped-data"])
def test_encrypted_body_cannot_be_deciphered(kind):
    """RFC 3261 21.4.31."""
    invite = request(sdp=SDP)
    invite.fields = [("content-type", "c", kind) if field[0] == "content-type" else field for field in invite.fields]
    with pytest.raises(Malformed, match="493"):
        uas.check(received(invite))


def coded(*codings: str, disposition: str = "") -> Request:
    more = [("content-encoding", "e", coding) for coding in codings]
    if disposition:
        more.append(("content-disposition", "Content-Disposition", disposition))
    return request(sdp=SDP, more=more)


@pytest.mark.parametrize("codings", [["gzip"], ["identity, gzip"], ["identity", "x"]])
def test_body_of_an_unknown_encoding_is_415_and_is_told_the_known_one(codings):
    """RFC 3261 8.2.3."""
    with pytest.raises(Refused) as caught:
        uas.check(coded(*codings))
    assert caught.value.status == 415
    assert caught.value.more == (("accept-encoding", "Accept-Encoding", "identity"),)


def test_body_that_is_not_encoded_passes():
    uas.check(coded("Identity"))


def test_body_that_may_be_ignored_is_ignored():
    """RFC 3261 20.11: and only then."""
    optional = coded("gzip", disposition="session; handling=Optional")
    uas.check(optional)
    assert optional.body == b""
    readable = coded(disposition="session;handling=optional")
    uas.check(readable)
    assert readable.body == SDP
    for disposition in ("session;handling=required", "session", "icon;handling"):
        with pytest.raises(Refused, match="415"):
            uas.check(coded("gzip", disposition=disposition))


@pytest.mark.parametrize("kinds", ["application/sdp", "text/plain, Application/SDP;q=0.5", "application/*", "*/*"])
def test_invite_whose_sender_accepts_session_descriptions_passes(kinds):
    uas.check(request(more=[("accept", "Accept", kinds)]))


@pytest.mark.parametrize("kinds", ["text/nobodyKnowsThis", "", "text/*, application/x"])
def test_invite_whose_sender_accepts_no_session_description_is_406(kinds):
    """RFC 3261 21.4.7, RFC 4475 3.3.15; an empty Accept means none at all (RFC 3261 20.1)."""
    assert refused(more=[("accept", "Accept", kinds)]).status == 406
    uas.check(request("OPTIONS", more=[("accept", "Accept", kinds)]))


@pytest.mark.parametrize(
    "parts",
    [
        {"callee": "isbn:2983792873"},
        {"callee": "<tel:+331>"},
        {"contact": "sip:a@h?Route=%3Csip:x%3E"},
        {"contact": "<sip:a@h>, *"},
    ],
)
def test_registration_of_what_cannot_be_bound_is_400(parts):
    """RFC 3261 10.2, RFC 4475 3.1.2.13."""
    assert refused(method="REGISTER", **parts).status == 400


@pytest.mark.parametrize("contact", ["*", "", "<sip:a@h?Route=%3Csip:x%3E>", "<name:John_Smith>"])
def test_registration_of_anything_else_passes(contact):
    uas.check(request("REGISTER", contact=contact))


def test_body_of_another_request_is_nobody_s_business():
    uas.check(request("BYE", more=[("content-type", "c", "text/plain")]))


def test_method_is_judged_first_then_the_target_then_what_is_required():
    """RFC 3261 8.2: this order."""
    more = [("require", "Require", "foo")]
    assert refused(method="FOO", target="tel:1", more=more).status == 501
    assert refused(target="tel:1", more=more).status == 416


def test_options_is_told_what_we_can_do():
    """RFC 3261 11.2."""
    answer = received(uas.answer_of(request("OPTIONS"), "ours", ALLOW_EVENTS.field("refer")))
    assert isinstance(answer, Response)
    assert (answer.status, answer.to_tag) == (200, "ours")
    assert answer.first("allow") == ALLOWED[2]
    assert answer.first("accept") == "application/sdp, multipart/mixed"
    assert answer.first("accept-encoding") == "identity"
    assert answer.first("supported") == "100rel, gruu, norefersub, outbound, path, replaces, timer"
    assert answer.first("allow-events") == "refer"


@pytest.mark.parametrize("method", ["REGISTER", "PUBLISH"])
def test_method_without_a_place_in_dialogs_is_405_and_told_the_others(method):
    """RFC 3261 21.4.6."""
    with pytest.raises(Refused) as caught:
        uas.answer_of(request(method, callee="<sip:1001@192.0.2.1>;tag=ours"), "ours", ALLOW_EVENTS.field("refer"))
    assert caught.value.status == 405
    ((_, name, methods),) = caught.value.more
    assert name == "Allow"
    assert "BYE" in methods and method not in methods


def test_what_belongs_to_no_dialog_is_481():
    assert uas.answer_of(request("BYE"), "ours", ALLOW_EVENTS.field("refer")).status == 481
