"""Forwarding: what an extension wants done with its calls in place of ringing its phones, or when that was in vain.

Here it is only said, as an outcome with a diversion. Whether the call goes there is the dialplan's to decide, as for
any call that the extension makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pbx.exchange import diversion as why
from pbx.exchange.diversion import Diversion
from pbx.exchange.extension import Extension
from pbx.exchange.outcome import Attempt, Busy, Failed, NoAnswer, Outcome, Unreachable
from pbx.exchange.target import ExtensionTarget
from pbx.sip.errors import Malformed
from pbx.sip.grammar import elements
from pbx.sip.headers import CONTACT, Address, Field, parse_address
from pbx.sip.uri import Uri


def unwanted(extension: Extension, target: ExtensionTarget, calls_of: Callable[[str], int]) -> Outcome | None:
    """The outcome of a call that is not to ring at an extension's phones; None when it may.

    :param calls_of: in how many calls an extension is, those included that ring at its phones.
    """
    if extension.forward_always:
        diversion = Diversion(extension.number, extension.forward_always, why.ALWAYS)
        return diverted(target, diversion, 302)
    if extension.do_not_disturb:
        return busy(extension, target, "is not to be disturbed", why.DO_NOT_DISTURB)
    most = extension.most_calls
    if most is not None and calls_of(extension.number) >= most:
        return busy(extension, target, "is in as many calls as it may be")
    return None


def busy(extension: Extension, target: ExtensionTarget, words: str, reason: str = why.BUSY) -> Busy:
    """The outcome of a call that an extension is too busy for."""
    attempts = (Attempt(target, 486, words, None),)
    return Busy(by=target, attempts=attempts, diversion=_to(extension, extension.forward_busy, reason))


def diverted(target: ExtensionTarget, diversion: Diversion, status: int, delay: float | None = None) -> Unreachable:
    """The outcome of a call that somebody else is to take.

    :param status: what the attempt ended with.
    :param delay: seconds until its first sign of progress.
    """
    words = f"forwarded to {diversion.to}" if diversion.to else "forwarded to an address that is not ours"
    return Unreachable(by=target, attempts=(Attempt(target, status, words, delay),), diversion=diversion)


def patience(extension: Extension | None, timeout: float) -> float:
    """Seconds for which its phones ring: who forwards when nobody answers has said how long that is.

    :param timeout: seconds for which they would ring; 0 for any time.
    """
    if extension is None or not extension.forward_no_answer:
        return timeout
    after = float(extension.forward_no_answer_after)
    return min(timeout, after) if timeout else after


def settled(extension: Extension, outcome: Outcome) -> Diversion | None:
    """Where an extension sends a call that its phones have not taken."""
    if outcome.diversion is not None:
        return outcome.diversion
    match outcome:
        case Busy():
            return _to(extension, extension.forward_busy, why.BUSY)
        case NoAnswer():
            return _to(extension, extension.forward_no_answer, why.NO_ANSWER)
        case Unreachable() | Failed(code=408 | 503):
            return _to(extension, extension.forward_unreachable, why.UNAVAILABLE)
    return None


def redirected(number: str, fields: Iterable[Field], is_ours: Callable[[str], bool]) -> Diversion:
    """Where a phone sends its call (RFC 3261 21.3): the Contact that it prefers, if that is a number here.

    :param number: the extension's whose phone it is.
    :param fields: of its 3xx.
    :param is_ours: whether a URI's host means us.
    """
    contacts: list[Address] = []
    for key, _, value in fields:
        if key == CONTACT.key:
            try:
                contacts.extend([parse_address(element) for element in elements(value)])
            except Malformed:
                continue
    # Sorting leaves equal ones in their order; what we cannot call is passed over.
    for contact in sorted(contacts, key=_preference, reverse=True):
        wanted = _dialled(contact.uri, is_ours)
        if wanted:
            return Diversion(number, wanted, why.DEFLECTION)
    return Diversion(number, "", why.DEFLECTION)


def _to(extension: Extension, number: str, reason: str) -> Diversion | None:
    return Diversion(extension.number, number, reason) if number else None


def _dialled(uri: Uri, is_ours: Callable[[str], bool]) -> str:
    """The number that a URI means here; "" for none."""
    if uri.scheme == "tel":
        return "".join([character for character in uri.opaque.partition(";")[0] if character not in "-.()"])
    return uri.decoded_user if uri.is_sip and is_ours(uri.host) else ""


def _preference(contact: Address) -> float:
    try:
        return float(contact.parameters.get("q") or 1.0)
    except ValueError:
        return 0.0
