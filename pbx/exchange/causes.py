"""Causes: why a call has ended as it did. One table; the first row that holds is the call's cause.

A row tells by what it is known, the sentence for the call's record, and what an administrator can do. Where none holds,
the cause is unknown: nothing here guesses. `make docs` puts the table into docs/operating.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pbx.exchange.branch import NO_PROGRESS
from pbx.exchange.outcome import Busy, Declined, Failed, NoAnswer, Unreachable
from pbx.exchange.story import Story
from pbx.sip.reasons import (
    ADMINISTRATOR,
    EXPIRED,
    GAVE_UP,
    HUNG_UP,
    NO_ACK,
    NO_PRACK,
    NO_ROUTE,
    OVERDUE,
    PLAN_FAILED,
    REMOVED,
    SILENT,
    STOPPING,
    TRANSFERRED,
    UNANSWERED,
    UNKNOWN,
)


class Cause(NamedTuple):
    """One row.

    :param name: in the column `cause`.
    :param evidence: by what it is known, for people.
    :param sentence: a template: `pbx.exchange.facts` says what it may name.
    :param remedy: what can be done; "" where all is well.
    :param holds: whether it is that.
    """

    name: str
    evidence: str
    sentence: str
    remedy: str
    holds: Callable[[Story], bool]


class Ended:
    """Whether the call has ended with these words."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __call__(self, story: Story) -> bool:
        return story.words == self.words


def _said(code: int) -> Callable[[Story], bool]:
    return lambda story: story.code == code and story.failed_as(Failed)


def _says(*words: str) -> Callable[[Story], bool]:
    return lambda story: any(word in story.text for word in words)


def _is_answered(story: Story) -> bool:
    return story.record.answered_at is not None


# Ends that come from outside the two parties, or from what one of them does not do.
_ABNORMAL = (
    Cause(
        "administrator",
        "`pbx hangup` has ended it",
        "the administrator ended the call of {caller} to {callee} after {waited}",
        "",
        Ended(ADMINISTRATOR),
    ),
    Cause(
        "exchange-stopped",
        "the exchange was stopped while the call went on",
        "the exchange was stopped, which ended the call of {caller} to {callee}",
        "raise [sip] drain to let calls end by themselves",
        Ended(STOPPING),
    ),
    Cause(
        "extension-removed",
        "an extension that took part was removed or disabled, and [registrar] end_calls is true",
        "the call of {caller} to {callee} was ended, since the extension of one of them was removed or disabled",
        "set [registrar] end_calls to false to let such calls go on",
        Ended(REMOVED),
    ),
    Cause(
        "time-limit",
        "the call has lasted as long as the dialplan lets any call last",
        "the call was ended after {waited}, the longest that a call may last",
        "let the plan say a longer limit, or look why nobody hung up",
        Ended(OVERDUE),
    ),
    Cause(
        "dialplan-failed",
        "the dialplan's coroutine raised an exception, which is in the log",
        "the dialplan failed while it dealt with {dialled}",
        "correct the line that the log names; `pbx check` finds many such mistakes beforehand",
        Ended(PLAN_FAILED),
    ),
    Cause(
        "ack-missing",
        "no ACK for our 200 came from the caller within 32 s, however often it was sent (RFC 3261 13.3.1.4)",
        "the caller's phone never acknowledged our 200: its ACK did not arrive within 32 s; check NAT at {address}",
        "the ACK goes to our Contact: check `[sip] advertise`, and that no SIP ALG of a router changes it",
        lambda story: story.words == NO_ACK and not story.left,
    ),
    Cause(
        "callee-ack-missing",
        "no ACK for our 200 to a re-INVITE came from the callee within 32 s",
        "the phone of {callee} never acknowledged our 200 to its re-INVITE; check NAT at {address}",
        "the ACK goes to our Contact: check `[sip] advertise`, and that no SIP ALG of a router changes it",
        lambda story: story.words == NO_ACK and bool(story.left),
    ),
    Cause(
        "prack-missing",
        "no PRACK for a reliable response came from the caller within 32 s (RFC 3262)",
        "the caller's phone asked for reliable ringing and never acknowledged it; check NAT at {address}",
        "switch off 100rel (PRACK) in that phone, or check what stands between it and us",
        Ended(NO_PRACK),
    ),
    Cause(
        "session-expired",
        "neither side refreshed the session in time (RFC 4028)",
        "the phone of {lost} let the session expire after {talked}: it is gone, or can no longer be reached",
        "see whether the phone was switched off or lost its network; its session timer may be wrong",
        Ended(EXPIRED),
    ),
    Cause(
        "call-forgotten",
        "a phone answered 481 or 408 to a request in the call (RFC 3261 12.2.1.2)",
        "the phone of {lost} no longer knew the call after {talked}: it was probably started anew",
        "see whether the phone restarts by itself",
        Ended(UNKNOWN),
    ),
    Cause(
        "reinvite-unanswered",
        "nothing came back for a re-INVITE or UPDATE of ours within 32 s",
        "the phone of {lost} did not answer when the call was to be changed or refreshed after {talked}",
        "see whether the phone lost its network during the call",
        lambda story: story.words.startswith(UNANSWERED),
    ),
    Cause(
        "sound-stopped",
        "no RTP came for [media] silence_ends seconds from a phone that should have been sending some",
        "the call of {caller} to {callee} was ended after {talked}, since no sound came any more from one of them",
        "see whether that phone lost its network; raise silence_ends where phones suppress silence",
        Ended(SILENT),
    ),
    Cause(
        "transferred",
        "a REFER with Replaces joined the two calls of a transferor; this is the one that gave its party away",
        "the call of {caller} to {callee} was joined with another call by a transfer after {talked}",
        "",
        Ended(TRANSFERRED),
    ),
    Cause(
        "no-media-port",
        "all ports of [media] ports were in use",
        "no media port was left for the call of {caller} to {dialled}",
        "widen [media] ports, and allow as many open files",
        lambda story: "no media port" in story.words or "no media port" in story.text,
    ),
    Cause(
        "sound-refused",
        "the caller refused to speak G.711, which alone we speak ourselves, or agreed upon nothing at all",
        "nothing could be said to {caller}, who does not agree upon G.711",
        "let the caller's phone offer PCMA or PCMU, too",
        lambda story: story.by == "exchange" and story.outcome is None and not story.is_connected,
    ),
)

# The caller went before anybody answered.
_GIVEN_UP = (
    Cause(
        "caller-gave-up",
        "CANCEL came from the caller while a callee rang",
        "{caller} gave up after {all} had rung for {rang}",
        "",
        lambda story: story.words == GAVE_UP and story.failure is None and story.record.rang_at is not None,
    ),
    Cause(
        "caller-gave-up-early",
        "CANCEL came from the caller, and no callee had rung yet",
        "{caller} gave up after {waited}, before {all} began to ring",
        "see whether the callee's phone or trunk can be reached: `pbx registrations`, `pbx trunks`",
        lambda story: story.words == GAVE_UP and story.failure is None and story.dialled_at > 0,
    ),
    Cause(
        "caller-gave-up-waiting",
        "CANCEL came from the caller while the dialplan called nobody",
        "{caller} gave up after {waited}, while the dialplan called nobody",
        "",
        lambda story: story.words == GAVE_UP and story.dialled_at == 0,
    ),
)

# Two have talked.
TALKED = (
    Cause(
        "one-way-audio",
        "no RTP at all came from one phone, while five seconds and more came from the other one",
        "one-way audio: nothing came from {lost}, whose SDP said {signalled}, for all of {talked}",
        "check the firewall and the router of that phone: RTP leaves it for the ports of [media] ports",
        lambda story: story.is_connected and story.silent != "",
    ),
    Cause(
        "caller-hung-up",
        "BYE came from the caller",
        "{caller} and {callee} talked for {talked}; {caller} hung up",
        "",
        lambda story: story.is_connected and story.by == "caller" and story.words == HUNG_UP,
    ),
    Cause(
        "callee-hung-up",
        "BYE came from the callee",
        "{caller} and {callee} talked for {talked}; {callee} hung up",
        "",
        lambda story: story.is_connected and story.left == HUNG_UP,
    ),
)

# The last `dial` failed.
FAILED = (
    Cause(
        "callee-vanished",
        "BYE came from the callee before the caller could be connected",
        "{called} answered, and hung up before {caller} was connected",
        "",
        lambda story: story.failed_as(Failed) and story.text == "the callee has hung up",
    ),
    Cause(
        "callee-described-nothing",
        "the callee's 200 had no session description, or none that was an answer",
        "{called} answered without a session description",
        "look at its 200 with `pbx trace`; the phone or the gateway is at fault",
        _says("described no session", "no session is described"),
    ),
    Cause(
        "no-srtp",
        "[media] srtp demands SRTP, whose keys would be in clear text without TLS",
        "SRTP is required, and {called} has no TLS",
        "let the phone register over TLS, or relax [media] srtp",
        _says("SRTP is required"),
    ),
    Cause(
        "no-codec-here",
        "none of the caller's codecs is among [media] codecs, so that nothing of its offer could be passed on",
        "no common codec: the caller offers {offered}, and this exchange passes none of that",
        "add the codec to [media] codecs, or another one to the phone",
        _says("No stream of the offer"),
    ),
    Cause(
        "answer-unusable",
        "the callee's answer did not fit the offer (RFC 3264 section 6)",
        "{called} answered with a description that does not fit the offer: {text}",
        "look at its 200 with `pbx trace`; the phone or the gateway is at fault",
        lambda story: story.code == 488 and not story.is_by_callee,
    ),
    Cause(
        "no-codec-there",
        "the callee answered 488, 606 or 415 to the offer",
        "no common codec: the caller offers {offered}, and {called} takes none of that",
        "give both phones a codec in common, such as PCMA",
        lambda story: story.code in (488, 606, 415) and story.failed_as(Failed),
    ),
    Cause(
        "not-registered",
        "no phone was registered for the extension",
        "{called} has no phone that is registered",
        "see why not with `pbx registrations NUMBER`",
        lambda story: story.failed_as(Unreachable),
    ),
    Cause(
        "trunk-full",
        "the trunk carried `max_calls` calls",
        "trunk {trunk} carries as many calls as it may",
        "raise its max_calls with `pbx trunk set`, if the provider allows more",
        _says("carries as many calls as it may"),
    ),
    Cause(
        "no-such-trunk",
        "the table `trunks` has no such row",
        "there is no trunk {trunk}",
        "make it with `pbx trunk add`, or correct the dialplan",
        _says("there is no trunk"),
    ),
    Cause(
        "resting",
        "the callee's server has answered 503 with Retry-After, or did not respond, and is left in peace",
        "{called} could not be tried: {text}",
        "wait, or ask who runs that server",
        _says("asked for a rest"),
    ),
    Cause(
        "trunk-down",
        "the trunk is disabled, not registered, or does not answer our OPTIONS",
        "trunk {trunk} cannot be used: {text}",
        "`pbx trunks` says what is wrong with it",
        lambda story: bool(story.trunk) and story.failed_as(Failed) and story.is_skipped,
    ),
    Cause(
        "no-way",
        "neither DNS nor a route gave an address for the callee",
        "there is no way to {called}",
        "check the name and the DNS: `host -t NAPTR`, `host -t SRV`",
        _says("no way to"),
    ),
    Cause(
        "no-secure-way",
        "a SIPS URI was called, and the callee cannot be reached over TLS (RFC 3261 26.2.2)",
        "{called} cannot be reached over TLS, which the caller asks for",
        "let the callee's phone register over TLS",
        _says("no secure way"),
    ),
    Cause(
        "busy",
        "486 or 600 came from the callee, or Q.850 cause 17",
        "{called} is busy",
        "",
        lambda story: story.failed_as(Busy),
    ),
    Cause(
        "declined",
        "603, 607 or 608 came from the callee, or Q.850 cause 21",
        "{called} declined the call",
        "",
        lambda story: story.failed_as(Declined),
    ),
    Cause(
        "no-answer",
        "the callee rang as long as the dialplan lets it, and did not answer",
        "{all} did not answer for {timeout}",
        "",
        lambda story: story.is_unanswered,
    ),
    Cause(
        "unavailable",
        "480 came from the callee, or its phone redirected the call",
        "{called} was not available: {text}",
        "see whether do-not-disturb or forwarding is switched on in the phone",
        lambda story: story.failed_as(NoAnswer),
    ),
    Cause(
        "no-progress",
        "the callee showed no sign of progress within the dialplan's `progress_within`",
        "{called} showed no sign of progress, and was given up",
        "see whether the trunk is slow, or raise progress_within",
        _says(NO_PROGRESS),
    ),
    Cause(
        "no-response",
        "nothing came back for our INVITE within 32 s, or its transport failed (RFC 3261 17.1.1.2)",
        "nothing came back from {called}: the phone or server does not respond",
        "see whether it can be reached; behind a NAT its registration may be older than the router remembers",
        _said(408),
    ),
    Cause(
        "too-many-hops",
        "Max-Forwards came to 0, or a proxy found a loop (RFC 3261 16.3)",
        "the call went in a circle, and was stopped",
        "look for two servers, or two extensions, that forward to each other",
        lambda story: story.code in (482, 483),
    ),
    Cause(
        "unknown-number",
        "404, 410 or 604 came from the callee's server, or no extension has the number",
        "there is no such number as {called}",
        "check the number, and its form with `pbx explain`",
        lambda story: story.code in (404, 410) and story.failed_as(Failed),
    ),
    Cause(
        "incomplete-number",
        "484 came from the callee's server, or Q.850 cause 28",
        "the number {called} is incomplete or malformed",
        "check its form: most providers want +COUNTRY AREA NUMBER",
        _said(484),
    ),
    Cause(
        "password-wanted",
        "401 or 407 came, and the trunk has no credentials, or wrong ones",
        "{called} asked for a password that we do not have",
        "check username and password with `pbx trunk set`",
        _says("asked for a password"),
    ),
    Cause(
        "forbidden-there",
        "403 came from the callee's server, or Q.850 cause 55, 57 or 87",
        "{called} may not be called, says the other side: {text}",
        "ask the provider whether the account may make such calls, and with this caller ID",
        _said(403),
    ),
    Cause(
        "overloaded-there",
        "503 came from the callee's server, or a Q.850 cause that means congestion",
        "{called} is overloaded or out of order: {text}",
        "try another trunk: `call.dial_first`",
        _said(503),
    ),
    Cause(
        "failed-there",
        "another 5xx came from the callee",
        "{called} failed: {code} {text}",
        "look at its response with `pbx trace`",
        lambda story: story.failed_as(Failed) and 500 <= story.code <= 599,
    ),
    Cause(
        "refused-there",
        "another final response came from the callee",
        "{called} refused: {code} {text}",
        "look at its response with `pbx trace`",
        lambda story: story.failed_as(Failed),
    ),
)

# Nobody was called, or we were the other end ourselves.
_OURSELVES = (
    Cause(
        "class-of-service",
        "the caller's class of service lacks the word that the route asks for",
        "{caller} may not call {dialled}",
        "`pbx extension set NUMBER --class-of-service` if it should",
        Ended("class-of-service"),
    ),
    Cause(
        "no-route",
        "no route of the dialplan takes this number from such callers",
        "the dialplan has no route for {dialled}",
        "`pbx explain` shows what the dialplan does with a number",
        Ended(NO_ROUTE),
    ),
    Cause(
        "redirected",
        "the dialplan answered with a 3xx",
        "{caller} was told to call elsewhere",
        "",
        lambda story: 300 <= story.record.code <= 399,
    ),
    Cause(
        "served",
        "the exchange itself was the other end, and BYE came from the caller",
        "{caller} was in {place} for {talked}, and hung up",
        "",
        lambda story: _is_answered(story) and bool(story.record.place) and story.by == "caller",
    ),
    Cause(
        "served-to-the-end",
        "the exchange itself was the other end, and the dialplan came to its end",
        "{caller} was in {place} for {talked}, until that ended",
        "",
        lambda story: _is_answered(story) and bool(story.record.place) and story.by == "plan",
    ),
    Cause(
        "answered-here",
        "the dialplan answered the call itself, and called nobody",
        "{caller} talked to the dialplan for {talked}, and hung up",
        "",
        lambda story: _is_answered(story) and story.by == "caller" and story.words == HUNG_UP,
    ),
    Cause(
        "dialplan-ended",
        "the dialplan answered the call, and came to its end",
        "the dialplan ended the call of {caller} after {talked}",
        "",
        lambda story: _is_answered(story) and story.by == "plan",
    ),
    Cause(
        "dialplan-refused",
        "the dialplan refused the call, or ended without answering it",
        "the dialplan refused the call of {caller} to {dialled} with {code}",
        "`pbx explain` shows what the dialplan does with a number",
        lambda story: story.by == "plan" and story.record.code >= 400,
    ),
)

CAUSES = (*_ABNORMAL, *_GIVEN_UP, *TALKED, *FAILED, *_OURSELVES)

UNKNOWN_CAUSE = Cause(
    "unknown", "none of the others holds", "unknown", "look at the call with `pbx trace`", lambda _: True
)

BY_NAME = {cause.name: cause for cause in (*CAUSES, UNKNOWN_CAUSE)}
