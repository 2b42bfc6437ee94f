"""The registrar: at which phones a number is reached (RFC 3261 section 10.3).

Bindings live here, in memory: a REGISTER is answered at once, and the store hears of it afterwards. One REGISTER is all
or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from typing import Protocol

from pbx.exchange.authentication import Authenticator
from pbx.exchange.binding import Binding
from pbx.exchange.directory import Directory
from pbx.exchange.extension import Extension
from pbx.sip.errors import Malformed, Refused
from pbx.sip.flow import Flow
from pbx.sip.headers import CONTACT, DATE, MIN_EXPIRES, Address, Field
from pbx.sip.identifiers import Identifiers
from pbx.sip.message import Request, Response
from pbx.sip.timers import Clock, Timer
from pbx.sip.uri import Uri, parse_uri

MAX_CONTACTS = 10
"""Bindings of one extension; when there would be more, those go that were not refreshed for the longest time."""

_HOUR = 3600  # seconds; only shorter intervals may be refused (RFC 3261 10.3 step 7)
_SWEEP = 1.0  # seconds; expired bindings are not swept out more often, however many there are
_AGENT = 200  # characters kept of a User-Agent

_Q = re.compile(r"0?\.[0-9]{1,3}|0\.?|1(?:\.0{0,3})?")


class ServerTransaction(Protocol):
    """What a request is answered through."""

    @property
    def flow(self) -> Flow: ...

    def respond(self, response: Response) -> None:
        """Send the response."""


class BindingStore(Protocol):
    """Where bindings outlive the process. Never waited for."""

    def keep(self, number: str, bindings: Sequence[Binding]) -> None:
        """An extension's bindings have changed: these are all of them."""


class Registrar:
    """Keeps the bindings of all extensions.

    :param is_ours: whether a host is one of our domains or addresses.
    :param store: told of every change.
    :param min_expires: seconds; a shorter interval is refused with 423.
    :param max_expires: seconds; a longer interval is shortened.
    :param default_expires: seconds, for phones that ask for none or for nonsense.
    """

    def __init__(
        self,
        directory: Directory,
        authenticator: Authenticator,
        clock: Clock,
        identifiers: Identifiers,
        store: BindingStore,
        is_ours: Callable[[str], bool],
        min_expires: int = 60,
        max_expires: int = 7200,
        default_expires: int = 3600,
    ) -> None:
        self._directory = directory
        self._authenticator = authenticator
        self._clock = clock
        self._identifiers = identifiers
        self._store = store
        self._is_ours = is_ours
        self._min_expires = min_expires
        self._max_expires = max_expires
        self._default_expires = default_expires
        # By number and contact; each extension's bindings in the order in which they were last refreshed.
        self._bindings: dict[str, dict[str, Binding]] = {}
        # Of those over TCP and TLS: another peer may get the same address and port, but never the same flow.
        self._connections: dict[tuple[str, str], Flow] = {}
        self._sweep: Timer | None = None
        self._sweep_at = 0.0
        self._date = (0, DATE.field(""))

    def __len__(self) -> int:
        """How many bindings there are."""
        return len(self.bindings())

    def bindings(self) -> list[Binding]:
        """All bindings, those of one number side by side."""
        now = self._clock.seconds()
        return [binding for known in self._bindings.values() for binding in known.values() if binding.expires_at > now]

    def contacts(self, number: str) -> list[Binding]:
        """An extension's bindings: by falling preference, and those of one preference the latest first."""
        return _preferred(self._live(number, self._clock.seconds()))

    def connection_of(self, binding: Binding) -> Flow | None:
        """The connection that a phone has registered over; None while it is gone, until the phone comes back."""
        flow = self._connections.get((binding.number, binding.contact))
        return flow if flow is not None and flow.is_open else None

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take over what the store has kept; what came in meanwhile is newer. What has expired is forgotten."""
        now = self._clock.seconds()
        ended: set[str] = set()
        for binding in sorted(bindings, key=lambda binding: binding.expires_at):
            number, contact = binding.number, binding.contact
            extension = self._directory.find(number)
            if binding.expires_at <= now or extension is None or not extension.enabled:
                ended.add(number)
            elif contact not in self._bindings.setdefault(number, {}):
                self._bindings[number][contact] = binding
                self._sweep_by(binding.expires_at, now)
        for number in ended:
            self._tell_store(number)

    def remove(self, number: str) -> None:
        """End all bindings of an extension that was removed or disabled."""
        ended = self._bindings.pop(number, {})
        if not self._bindings:
            self.stop()
        for contact in ended:
            self._connections.pop((number, contact), None)
        if ended:
            self._tell_store(number)

    def stop(self) -> None:
        """Let go of the timer."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def registering(self, transaction: ServerTransaction, request: Request) -> None:
        """A REGISTER came, and its method, URI scheme and Require were found good (RFC 3261 10.3).

        :raises Malformed: what the transaction layer is to answer.
        """
        if not self._is_ours(request.uri.host):
            raise Malformed(404, "")  # step 1
        flow = transaction.flow
        caller = self._authenticator.identify(request, flow)
        if not isinstance(caller, Extension):
            raise Refused(401, *caller)  # step 3
        number = caller.number
        aor = request.receiver().uri
        if self._directory.number_of(aor.decoded_user) != number:
            raise Malformed(403, "")  # step 4
        if not self._is_ours(aor.host):
            raise Malformed(404, "")  # step 5
        now = self._clock.seconds()
        before = self._live(number, now)
        after = self._updated(before, request, number, flow, now)
        # What has expired and was not swept out yet is replaced as well.
        replaced = self._bindings.pop(number, {})
        if after:
            self._bindings[number] = after
            self._sweep_by(min([binding.expires_at for binding in after.values()]), now)
        elif not self._bindings:
            self.stop()
        if flow.reliable:
            self._keep_connection(before, after, flow)
        fields = [_contact(binding, now) for binding in _preferred(after)]
        fields.append(self._date_field(now))
        transaction.respond(request.response(200, "", self._identifiers.token(), tuple(fields)))
        for contact in replaced:
            if contact not in after:
                self._connections.pop((number, contact), None)
        if after != replaced:
            self._tell_store(number)

    def _updated(
        self, before: dict[str, Binding], request: Request, number: str, flow: Flow, now: float
    ) -> dict[str, Binding]:
        """An extension's bindings as a REGISTER wants them (RFC 3261 10.3 steps 6 and 7).

        :raises Malformed: when it is refused as a whole.
        """
        expires = request.first("expires")
        contacts = [value.strip() for key, _, value in request.fields if key == "contact"]
        if "*" in contacts:
            if len(contacts) > 1 or expires != "0":
                raise Malformed(400, "Contact: * stands alone and with Expires: 0")
            for binding in before.values():
                _check_order(binding, request)
            return {}
        after = dict(before)
        for address in request.many(CONTACT):
            if not address.uri.is_sip:
                raise Malformed(400, "a phone is reached at a SIP URI")
            lasting = self._lasting(address.parameters.get("expires", expires))
            contact = _same(after, address.uri)
            old = before.get(contact)
            if old is not None:
                _check_order(old, request)
            after.pop(contact, None)
            if lasting:
                binding = _binding(number, address, request, flow, now, lasting, old)
                after[binding.contact] = binding
        while len(after) > MAX_CONTACTS:
            del after[next(iter(after))]
        return after

    def _lasting(self, asked: str | None) -> int:
        """How long a binding lasts, in seconds, when so much was asked for."""
        digits = "" if asked is None else asked.strip()
        if not (digits.isascii() and digits.isdigit()):
            return self._default_expires  # RFC 3261 10.2.1.1
        seconds = int(digits) if len(digits) <= 10 else self._max_expires
        if 0 < seconds < min(self._min_expires, _HOUR):
            raise Refused(423, MIN_EXPIRES.field(self._min_expires))
        return min(seconds, self._max_expires)

    def _keep_connection(self, before: dict[str, Binding], after: dict[str, Binding], flow: Flow) -> None:
        """A phone has registered over a connection: calls go there, and what goes on over its connection before."""
        for contact, binding in after.items():
            if binding is before.get(contact):
                continue
            flow.keep_until(binding.expires_at)
            for old in before.values():
                # Many phones write the port of their connection into Contact; its Call-ID says that it is the same.
                former = self._connections.get((old.number, old.contact))
                if former is not None and (old.contact == contact or old.call_id == binding.call_id):
                    former.succeeded_by(flow)
            self._connections[binding.number, contact] = flow

    def _tell_store(self, number: str) -> None:
        self._store.keep(number, tuple(self._bindings.get(number, {}).values()))

    def _live(self, number: str, now: float) -> dict[str, Binding]:
        known = self._bindings.get(number)
        if known is None:
            return {}
        return {contact: binding for contact, binding in known.items() if binding.expires_at > now}

    def _sweep_by(self, at: float, now: float) -> None:
        """See to it that a binding which expires then is swept out."""
        if self._sweep is not None:
            if self._sweep_at <= at:
                return
            self._sweep.cancel()
        self._sweep_at = at
        self._sweep = self._clock.callLater(max(at - now, _SWEEP), self._sweep_out)

    def _sweep_out(self) -> None:
        self._sweep = None
        now = self._clock.seconds()
        ended: list[Binding] = []
        earliest = 0.0
        for known in self._bindings.values():
            for binding in known.values():
                if binding.expires_at <= now:
                    ended.append(binding)
                elif not earliest or binding.expires_at < earliest:
                    earliest = binding.expires_at
        for binding in ended:
            del self._bindings[binding.number][binding.contact]
            if not self._bindings[binding.number]:
                del self._bindings[binding.number]
        if earliest:
            self._sweep_by(earliest, now)
        for binding in ended:
            self._connections.pop((binding.number, binding.contact), None)
        for number in {binding.number for binding in ended}:
            self._tell_store(number)

    def _date_field(self, now: float) -> Field:
        second = int(now)
        if self._date[0] != second:
            self._date = (second, DATE.field(formatdate(second, usegmt=True)))
        return self._date[1]


def _preferred(bindings: dict[str, Binding]) -> list[Binding]:
    """Bindings by falling q, the last refreshed first among equals."""
    latest_first = list(bindings.values())
    latest_first.reverse()
    latest_first.sort(key=lambda binding: -binding.q)
    return latest_first


def _same(bindings: dict[str, Binding], uri: Uri) -> str:
    """The contact among these that means the same as a URI (RFC 3261 10.3 step 7); the URI's own text if none does."""
    text = str(uri)
    if text not in bindings:
        for contact in bindings:
            if parse_uri(contact).equivalent(uri):
                return contact
    return text


def _check_order(binding: Binding, request: Request) -> None:
    """A request that comes after a later one of the same phone changes nothing (RFC 3261 10.3 steps 6 and 7)."""
    if binding.call_id == request.call_id and request.cseq <= binding.cseq:
        raise Malformed(500, "CSeq is not higher than before")


def _binding(
    number: str, address: Address, request: Request, flow: Flow, now: float, lasting: int, old: Binding | None
) -> Binding:
    return Binding(
        number=number,
        contact=str(address.uri),
        q=_q(address.parameters.get("q", "1")),
        call_id=request.call_id,
        cseq=request.cseq,
        expires_at=now + lasting,
        transport=flow.transport,
        local_host=flow.source,
        local_port=flow.port,
        remote_host=flow.remote[0],
        remote_port=flow.remote[1],
        user_agent=(request.first("user-agent") or "")[:_AGENT],
        registered_at=now if old is None else old.registered_at,
    )


def _q(text: str | None) -> float:
    if text is None or not _Q.fullmatch(text):
        raise Malformed(400, "malformed q")
    return float(text)


def _contact(binding: Binding, now: float) -> Field:
    left = max(round(binding.expires_at - now), 1)
    return CONTACT.field(f"<{binding.contact}>;expires={left};q={binding.q:.3g}")
