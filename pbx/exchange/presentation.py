"""Presentation: who calls, as each callee is told. Colleagues see the caller's number and name; a provider is told in
the way that it wants (RFC 3323, RFC 3325), and only numbers that it can call back.
"""

from __future__ import annotations

from pbx.exchange.caller import Caller, Source
from pbx.exchange.privacy import ANONYMOUS
from pbx.exchange.trunk import ACCOUNT, ASSERTED, FROM, Trunk
from pbx.sip.headers import P_ASSERTED_IDENTITY, P_PREFERRED_IDENTITY, PRIVACY, Field

_ID = PRIVACY.field("id")


def asserted(who: Caller, hostport: str) -> tuple[Field, ...]:
    """How a colleague is told with whom it is connected (RFC 3325 9.1): only what is certain, and not withheld.

    :param hostport: as whom the colleague knows us.
    """
    if who.source is Source.ANONYMOUS or not who.number or who.is_private:
        return ()
    return (P_ASSERTED_IDENTITY.field(who.shown_at(hostport)),)


def asserted_to_network(who: Caller, trunk: Trunk) -> tuple[Field, ...]:
    """How a provider is told with whom it is connected: as it is told who calls, if it trusts what we assert."""
    return to_network(who, "", trunk)[1]


def passed_to_network(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    """Fields that go on to a provider: who has transferred a call there is shown as that trunk wants callers to be, and
    not by a number that is for colleagues (RFC 3892 section 4)."""
    return tuple([field for field in fields if field[0] != "referred-by"])


def to_network(caller: Caller, caller_id: str, trunk: Trunk) -> tuple[str, tuple[Field, ...]]:
    """The From value of a call that goes out over a trunk, and the fields that tell more.

    :param caller_id: the number that the dialplan wants to be shown; "" for the caller's own.
    """
    number = caller_id or _number_of(caller, trunk)
    identity = f"<sip:{number}@{trunk.domain}>" if number else f"<{trunk.aor}>" if trunk.username else ""
    account = f"<{trunk.aor}>" if trunk.username else identity
    policy = trunk.caller_id
    if caller.is_private:
        shown = account if policy == ACCOUNT and account else ANONYMOUS
    else:
        shown = account if policy == ACCOUNT else identity
    fields: tuple[Field, ...] = ()
    if policy != FROM and identity:
        row = P_ASSERTED_IDENTITY if policy == ASSERTED else P_PREFERRED_IDENTITY
        fields = (row.field(identity),)
    if caller.is_private:
        fields += (_ID,)
    return shown or ANONYMOUS, fields


def _number_of(caller: Caller, trunk: Trunk) -> str:
    """The caller's number in the network: of an extension its own one; who comes from there keeps what it has."""
    if caller.source is Source.INBOUND and caller.number:
        return caller.number
    return caller.did or trunk.number or next(iter(trunk.dids), "")
