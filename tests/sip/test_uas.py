from __future__ import annotations

import pytest

from pbx.sip import uas
from pbx.sip.errors import Malformed, Refused
from pbx.sip.message import Response
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


@pytest.mark.parametrize("method", ["SUBSCRIBE", "invite", "NEWMETHOD"])
def test_unknown_method_is_405_and_is_told_the_known_ones(method):
    """RFC 3261 8.2.1; methods are case-sensitive."""
    fault = refused(method=method)
    assert fault.status == 405
    assert isinstance(fault, Refused)
    assert fault.more == (("allow", "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS"),)


@pytest.mark.parametrize(
    ("target", "status"), [("tel:+123", 416), ("nobodyKnowsThisScheme:x", 416), ("sip:", 400), ("sip:a@b@c", 400)]
)
def test_request_uri_that_we_cannot_be_reached_at_is_refused(target, status):
    assert refused(target=target).status == status


def test_required_extensions_are_named_as_unsupported():
    """RFC 3261 8.2.2.3."""
    fault = refused(more=[("require", "Require", "100rel, foo"), ("require", "Require", "bar")])
    assert fault.status == 420
    assert isinstance(fault, Refused)
    assert fault.more == (("unsupported", "Unsupported", "100rel, foo, bar"),)


def test_malformed_require_is_400():
    assert refused(more=[("require", "Require", "foo bar")]).status == 400


@pytest.mark.parametrize("kind", ["text/plain", "multipart/mixed;boundary=x", "application/sdpx"])
def test_invite_with_a_body_that_is_no_session_description_is_415(kind):
    """RFC 3261 8.2.3."""
    invite = request(sdp=SDP)
    invite.fields = [("content-type", "c", kind) if field[0] == "content-type" else field for field in invite.fields]
    with pytest.raises(Refused) as caught:
        uas.check(received(invite))
    assert caught.value.status == 415
    assert caught.value.more == (("accept", "Accept", "application/sdp"),)


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


def test_body_of_another_request_is_nobody_s_business():
    uas.check(request("BYE", more=[("content-type", "c", "text/plain")]))


def test_method_is_judged_first_then_the_target_then_what_is_required():
    """RFC 3261 8.2: this order."""
    more = [("require", "Require", "foo")]
    assert refused(method="FOO", target="tel:1", more=more).status == 405
    assert refused(target="tel:1", more=more).status == 416


def test_options_is_told_what_we_can_do():
    """RFC 3261 11.2."""
    answer = received(uas.answer_of(request("OPTIONS"), "ours"))
    assert isinstance(answer, Response)
    assert (answer.status, answer.to_tag) == (200, "ours")
    assert answer.first("allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS"
    assert answer.first("accept") == "application/sdp"
    assert answer.first("supported") == ""


def test_what_belongs_to_no_dialog_is_481():
    assert uas.answer_of(request("BYE"), "ours").status == 481
