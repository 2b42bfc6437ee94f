"""Which session an INVITE with Replaces means, and when it is refused (RFC 3891 section 3)."""

from __future__ import annotations

import pytest

from pbx.sip.errors import Malformed
from pbx.sip.replacement import replaced
from tests.sip.endpoint import OFFER, Endpoint
from tests.sip.wire import SDP, request, response


@pytest.fixture
def us() -> Endpoint:
    return Endpoint()


def wanted(us: Endpoint, text: str = "", more: str = ""):
    """The session that an INVITE means which names the endpoint's dialog, or another one."""
    if not text:
        call_id, local, remote = us.session.dialog.key
        text = f"{call_id};to-tag={local};from-tag={remote}"
    return replaced(us.agent, request(branch="z9hG4bKnew", more=[("replaces", "Replaces", text + more)]))


def refused(us: Endpoint, *parts: str) -> int:
    with pytest.raises(Malformed) as caught:
        wanted(us, *parts)
    return caught.value.status


def test_invite_that_names_none_replaces_none(us):
    us.in_a_call()
    assert replaced(us.agent, request()) is None


@pytest.mark.parametrize("made", ["called", "calling"])
def test_confirmed_session_is_found_by_our_tag_and_the_peer_s(us, made):
    session = us.in_a_call() if made == "called" else us.in_our_call()
    assert wanted(us) is session
    call_id, local, remote = session.dialog.key
    assert refused(us, f"{call_id};to-tag={remote};from-tag={local}") == 481
    assert refused(us, f"other;to-tag={local};from-tag={remote}") == 481


def test_early_session_that_we_asked_for_may_be_replaced(us):
    session, invite = us.calls(OFFER)
    us.receive(response(invite, 180))
    assert wanted(us) is session
    assert wanted(us, "", ";early-only") is session


def test_early_session_that_was_asked_of_us_may_not(us):
    us.is_called()
    assert refused(us) == 481
    assert us.session.waiting


def test_who_wants_an_early_dialog_only_gets_no_answered_call(us):
    us.in_a_call()
    assert refused(us, "", ";early-only") == 486


def test_call_that_is_just_over_is_declined(us):
    """An annoying race: the call is gone, and nobody wants to be rung for it."""
    session = us.in_a_call()
    session.hang_up()
    assert refused(us) == 603
    us.answered(200)
    assert refused(us) == 603
    us.assert_idle()
    assert refused(us) == 603


def test_dialog_of_a_subscription_is_none_of_a_call(us):
    class Usage:
        key, method, event, dialog = ("call", "ours", "peer"), "SUBSCRIBE", ("reg", ""), None

    us.agent.usages.enter(Usage())
    assert refused(us, "call;to-tag=ours;from-tag=peer") == 481


@pytest.mark.parametrize("tag", ["", ";tag=0"])
def test_tag_of_zero_means_none_too(us, tag):
    """RFC 3891 6.1, for elements of RFC 2543."""
    session = us.is_called(caller=f"<sip:peer@192.0.2.9>{tag}")
    session.answer(SDP)
    assert wanted(us, f"call;to-tag={session.dialog.local_tag};from-tag=0") is session


def test_what_names_two_dialogs_names_none(us):
    session = us.in_a_call()

    class Sessions:
        """Two dialogs whose tags differ as zero does from none."""

        def session_of(self, key):
            return session

        def was_ended(self, key):
            return False

    invite = request(more=[("replaces", "Replaces", "call;to-tag=both;from-tag=0")])
    with pytest.raises(Malformed, match="481"):
        replaced(Sessions(), invite)


def test_two_replaces_are_400(us):
    us.in_a_call()
    fields = [("replaces", "Replaces", "1;to-tag=2;from-tag=3")] * 2
    with pytest.raises(Malformed, match="400"):
        replaced(us.agent, request(more=fields))


@pytest.mark.parametrize("text", ["1", "1;to-tag=2", "@;to-tag=2;from-tag=3"])
def test_what_names_no_dialog_is_400(us, text):
    assert refused(us, text) == 400
