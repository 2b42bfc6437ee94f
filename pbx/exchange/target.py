"""Whom a call can be sent to: an extension, a SIP URI, or a number by a trunk, as values that dialplans make and the
exchange resolves.
"""

from __future__ import annotations

from dataclasses import dataclass

from pbx.sip.errors import Malformed
from pbx.sip.uri import parse_uri


@dataclass(frozen=True, slots=True)
class ExtensionTarget:
    """All phones that are registered for an extension.

    :param number: the extension's number.
    :param instance: the only phone that is meant, where somebody has called its GRUU (RFC 5627); "" for all.
    """

    number: str
    instance: str = ""

    def __str__(self) -> str:
        return self.number


@dataclass(frozen=True, slots=True)
class UriTarget:
    """One SIP address, ours or somebody else's.

    :param uri: the sip or sips URI as written.
    """

    uri: str

    def __str__(self) -> str:
        return self.uri


@dataclass(frozen=True, slots=True)
class TrunkTarget:
    """A number of the telephone network, called by one trunk.

    :param trunk: the trunk's name.
    :param number: as dialled; the trunk's own prefixes are put before it later.
    """

    trunk: str
    number: str

    def __str__(self) -> str:
        return f"{self.number} by {self.trunk}"


@dataclass(frozen=True, slots=True)
class TrunkName:
    """A trunk as dialplans name it.

    :param name: its name in the table `trunks`.
    """

    name: str

    def to(self, number: str) -> TrunkTarget:
        """Make the target that is a number called by this trunk: `trunk("acme").to("+14155550100")`.

        :raises TypeError: when the number is not text.
        :raises ValueError: when nobody can have such a number.
        """
        if not isinstance(number, str):
            raise TypeError(f'trunk("{self.name}").to() takes the number as text: to("{number}")')
        if not number or not number.isprintable() or " " in number:
            raise ValueError(f'trunk("{self.name}").to() takes a number without spaces, not {number!r}')
        return TrunkTarget(self.name, number)

    def __str__(self) -> str:
        return self.name


Target = ExtensionTarget | UriTarget | TrunkTarget


def ext(number: str) -> ExtensionTarget:
    """Make the target that is an extension: `ext("101")`.

    :raises TypeError: when the number is not text.
    :raises ValueError: when no extension can have such a number.
    """
    if not isinstance(number, str):
        raise TypeError(f'ext() takes the number as text: ext("{number}")')
    if not number or not number.isprintable() or " " in number:
        raise ValueError(f"ext() takes a number without spaces, not {number!r}")
    return ExtensionTarget(number)


def uri(text: str) -> UriTarget:
    """Make the target that is a SIP address: `uri("sip:desk@example.org")`.

    :raises TypeError: when the URI is not text.
    :raises ValueError: when it is not a sip or sips URI (RFC 3261 19.1).
    """
    if not isinstance(text, str):
        raise TypeError(f"uri() takes a URI as text, not {text!r}")
    try:
        parsed = parse_uri(text)
    except Malformed as malformed:
        raise ValueError(f"uri() takes a URI such as sip:desk@example.org; {text!r}: {malformed.why}") from None
    if not parsed.is_sip:
        raise ValueError(f"uri() takes a URI that begins with sip: or sips:, not {text!r}")
    return UriTarget(text)


def trunk(name: str) -> TrunkName:
    """Name a trunk: `trunk("acme").to("+14155550100")` is a target, `@plan.inbound(trunk("acme"))` takes its calls.

    :raises TypeError: when the name is not text.
    """
    if not isinstance(name, str):
        raise TypeError(f"trunk() takes the name of a trunk as text, not {name!r}")
    return TrunkName(name)
