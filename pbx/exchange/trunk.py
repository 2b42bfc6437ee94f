"""A trunk: a way to the telephone network, as the running exchange knows it: a row of the table `trunks`."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from urllib.parse import quote

FROM, ASSERTED, PREFERRED, ACCOUNT = "from", "asserted", "preferred", "account"
POLICIES = (FROM, ASSERTED, PREFERRED, ACCOUNT)
"""How the provider is told who calls: in From; there and in P-Asserted-Identity, or P-Preferred-Identity (RFC 3325); or
in the latter only, since From has to name the account."""

QUALIFY = 30
"""Seconds after which a trunk is asked again whether it is there; what it is asked keeps a NAT open, too."""

PLAIN = "+*!~'()&=$,;?/"  # what may stand unescaped in the user part of a URI, beside letters, digits, -, _ and .


@dataclass(frozen=True, slots=True)
class Trunk:
    """One trunk.

    :param name: how the dialplan calls it.
    :param host: the provider's host or domain, perhaps with a port; IPv6 in brackets.
    :param transport: "UDP", "TCP" or "TLS"; "" for what the DNS says.
    :param proxy: the outbound proxy's host, perhaps with a port; "" for none.
    :param register: whether we register with the provider.
    :param username: of our account; "" for none.
    :param password: its password.
    :param trouble: why the password could not be read; "" when it could, or when there is none.
    :param addresses: the networks from which the provider calls.
    :param dids: the numbers by which we are called over it, as it writes them.
    :param caller_id: which of `POLICIES` it wants.
    :param number: what is shown of callers who have no number of their own.
    :param max_calls: how many calls it carries at once; None for any number.
    :param prefixes: what stands at the beginning of a number, and what is dialled in its place; the longest counts.
    :param qualify: seconds after which it is asked again whether it is there; 0 never asks.
    :param enabled: over a disabled one nobody calls.
    """

    name: str
    host: str
    transport: str = ""
    proxy: str = ""
    register: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    trouble: str = ""
    addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    dids: tuple[str, ...] = ()
    caller_id: str = FROM
    number: str = ""
    max_calls: int | None = None
    prefixes: tuple[tuple[str, str], ...] = ()
    qualify: int = QUALIFY
    enabled: bool = True

    @property
    def domain(self) -> str:
        """The host without its port: the host of the account's address."""
        return _without_port(self.host)

    @property
    def server(self) -> str:
        """The URI that means the provider itself: of its registrar, and of what is asked whether it is there."""
        return f"sip:{self.host}{self._parameters}"

    @property
    def aor(self) -> str:
        """The account's address."""
        return f"sip:{quote(self.username, PLAIN)}@{self.domain}"

    @property
    def routes(self) -> tuple[str, ...]:
        """The Route values of all that we send (RFC 3261 8.1.2)."""
        return (f"<sip:{self.proxy}{self._parameters};lr>",) if self.proxy else ()

    @property
    def hosts(self) -> tuple[tuple[str, int], ...]:
        """The hosts that it is reached at, with their ports, 0 where none is said: addresses among them call us too."""
        found = [(_without_port(host), host) for host in (self.proxy, self.host) if host]
        return tuple([(bare.strip("[]"), int(host[len(bare) + 1 :] or 0)) for bare, host in found])

    @property
    def account(self) -> tuple[object, ...]:
        """All that our registration depends on."""
        return (self.enabled, self.server, self.routes, self.register, self.username, self.password, self.trouble)

    def uri_of(self, number: str) -> str:
        """The Request-URI that calls a number."""
        return f"sip:{quote(self.dialled(number), PLAIN)}@{self.host}{self._parameters}"

    def dialled(self, number: str) -> str:
        """A number as the provider wants it."""
        fitting = [one for one in self.prefixes if number.startswith(one[0])]
        if not fitting:
            return number
        before, after = max(fitting, key=lambda one: len(one[0]))
        return after + number.removeprefix(before)

    @property
    def _parameters(self) -> str:
        return f";transport={self.transport.lower()}" if self.transport else ""


def _without_port(host: str) -> str:
    bare, colon, port = host.rpartition(":")
    return bare if colon and port.isdigit() else host
