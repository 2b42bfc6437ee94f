"""The last REGISTER of each number, and how it was answered: for people who ask why a phone is not registered."""

from __future__ import annotations

from typing import NamedTuple

from pbx.exchange.directory import Directory
from pbx.sip.digest import parse_credentials
from pbx.sip.errors import Malformed
from pbx.sip.flow import Flow
from pbx.sip.headers import Field
from pbx.sip.message import Request
from pbx.sip.status import reason_of

STRANGERS = 256
"""Numbers without an extension of which the last REGISTER is remembered; of the others, each."""

_AGENT = 200  # characters kept of a User-Agent


class Register(NamedTuple):
    """One REGISTER.

    :ivar at: when it came, seconds since 1970.
    :ivar status: how it was answered.
    :ivar why: the same in words, more than the phone was told.
    :ivar transport: "UDP", "TCP" or "TLS".
    :ivar host: from where it came.
    :ivar port: from which port.
    :ivar user_agent: what the phone calls itself.
    """

    at: float
    status: int
    why: str
    transport: str
    host: str
    port: int
    user_agent: str


class Registers:
    """The last ones.

    :param directory: the extensions.
    """

    __slots__ = ("_directory", "_known", "_strangers")

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._known: dict[str, Register] = {}
        self._strangers: dict[str, Register] = {}

    def last(self, number: str) -> Register | None:
        """The last one of a number; None when there was none, or none for long."""
        return self._known.get(number) or self._strangers.get(number)

    def accepted(self, number: str, request: Request, flow: Flow, now: float) -> None:
        """It was taken."""
        why = "asked what is registered" if request.first("contact") is None else "taken"
        host, port = flow.remote
        agent = request.first("user-agent") or ""
        self._known[number] = Register(now, 200, why, flow.transport, host, port, agent[:_AGENT])

    def refused(self, number: str, fault: Malformed, request: Request, flow: Flow, now: float) -> None:
        """It was refused, or its sender asked for a password."""
        why = self._unproven(request, fault.more) if fault.status == 401 else fault.why or reason_of(fault.status)
        self._note(number, fault.status, why, request, flow, now)

    def forget(self, number: str) -> None:
        """An extension was removed."""
        self._known.pop(number, None)

    def _note(self, number: str, status: int, why: str, request: Request, flow: Flow, now: float) -> None:
        agent = request.first("user-agent") or ""
        host, port = flow.remote
        table = self._known
        if self._directory.find(number) is None:
            table = self._strangers
            while len(table) >= STRANGERS and number not in table:
                del table[next(iter(table))]
            number = number[:_AGENT]
        table[number] = Register(now, status, why, flow.transport, host, port, agent[:_AGENT])

    def _unproven(self, request: Request, challenge: tuple[Field, ...]) -> str:
        """Why a REGISTER got a 401; its sender is not told."""
        shown = request.values("authorization")
        if not shown:
            return "asked for a password; no answer yet"
        if any("stale=true" in field[2] for field in challenge):
            return "the password is right, the nonce too old: asked again"
        for value in shown:
            credentials = parse_credentials(value)
            if credentials is not None and any(f'realm="{credentials.realm}"' in field[2] for field in challenge):
                extension = self._directory.find(credentials.username)
                if extension is None:
                    return f"there is no extension {credentials.username[:64]}"
                return "wrong password" if extension.enabled else f"extension {extension.number} is disabled"
        return "credentials for another realm, or of another algorithm"
