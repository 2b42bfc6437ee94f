"""A transfer, as it is asked for: what the dialplan is given to decide whether it may be."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.exchange.caller import Caller


@dataclass(frozen=True, slots=True)
class TransferTarget:
    """Where a party is to be transferred to.

    :param number: in the dialplan; "" for an address elsewhere.
    :param uri: as the transferor wrote it.
    :param is_internal: whether it is one of our extensions.
    """

    number: str
    uri: str
    is_internal: bool

    def __str__(self) -> str:
        return self.number or self.uri


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a transferor asks for.

    :param by: the extension that asks, with its class of service.
    :param party: who would be transferred.
    :param is_attended: whether the transferor has called the target already, in a call of ours.
    """

    by: Caller
    party: Caller
    target: TransferTarget
    is_attended: bool = False
