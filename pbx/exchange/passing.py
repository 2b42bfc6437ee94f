"""What passes through a call besides the call itself: INFO and MESSAGE."""

from __future__ import annotations

from pbx.exchange.crossing import INFORMATION, crossing
from pbx.media.dtmf import read_information
from pbx.sip.headers import ACCEPT
from pbx.sip.information import Information
from pbx.sip.session import CONFIRMED, Session
from pbx.sip.transaction_layer import TransactionLayer

_NOTHING = ACCEPT.field("")  # is acceptable (RFC 3261 20.1)


def pass_on(information: Information, session: Session | None, layer: TransactionLayer) -> None:
    """Let the other side have it; what nobody is there to take is refused.

    :param session: the other side's, if there is one.
    """
    if session is not None and session.dialog is not None and session.state is CONFIRMED:
        information.pass_on(layer, session.dialog, crossing(information.fields, INFORMATION))
    else:
        decline(information)


def key_in(information: Information) -> str | None:
    """The key that an INFO tells of; None when it is about something else."""
    if information.method != "INFO":
        return None
    kind = next((value for key, _, value in information.fields if key == "content-type"), "")
    return read_information(kind, information.body)


def decline(information: Information) -> None:
    """Refuse what nobody is there to take; without a body it only asks whether we are there (RFC 2976 2.2)."""
    if information.body:
        information.answer(415, "", (_NOTHING,))
    else:
        information.answer(200)
