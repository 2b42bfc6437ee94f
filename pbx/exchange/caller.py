"""Who calls: decided once, when the call comes in, and never from what the caller merely says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pbx.exchange.privacy import ANONYMOUS
from pbx.sip.grammar import quoted


class Source(Enum):
    """Where a call comes from; it decides which routes can be reached."""

    __hash__ = object.__hash__  # that of `Enum` is a function of Python; members are compared by identity anyhow

    INTERNAL = "internal"  # one of our extensions, with valid credentials
    INBOUND = "inbound"  # a trunk, known by its address, certificate or flow
    ANONYMOUS = "anonymous"  # all others


@dataclass(frozen=True, slots=True)
class Caller:
    """The calling party.

    :param number: the extension's number, or the number or user part that the network gave; "" when withheld.
    :param name: the display name; "" when there is none.
    :param source: where the call comes from.
    :param class_of_service: the words of what an extension may do beyond calling its colleagues.
    :param domain: where a stranger says it is from; "" for those that are ours.
    :param is_private: whether it is to be named to nobody.
    :param trunk: the name of the trunk by which an inbound call has come; "" for others.
    :param did: the number shown to those that an extension calls outside; "" for none of its own.
    """

    number: str
    name: str
    source: Source
    class_of_service: frozenset[str] = frozenset()
    domain: str = ""
    is_private: bool = False
    trunk: str = ""
    did: str = ""

    def may(self, word: str) -> bool:
        """Whether its class of service has this word: `call.caller.may("international")`."""
        return word in self.class_of_service

    def shown_at(self, hostport: str) -> str:
        """The From value that a callee sees, to whom we are that host.

        A stranger is shown with its own domain: with ours it would be taken for an extension.
        """
        if self.is_private:
            return ANONYMOUS
        name = f"{quoted(self.name)} " if self.name else ""
        user = f"{self.number}@" if self.number else ""
        return f"{name}<sip:{user}{self.domain or hostport}>"
