"""The registrar: what a REGISTER asks for, and what it gets (RFC 3261 section 10.3, RFC 3327, RFC 5626, RFC 5627).

A REGISTER is answered at once, and is all or nothing. What it changes is kept by the location service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol

from pbx.exchange.authentication import Authenticator
from pbx.exchange.binding import Binding, Key
from pbx.exchange.directory import Directory
from pbx.exchange.extension import Extension
from pbx.exchange.gruu import Gruus
from pbx.exchange.location import Bindings, Location, preferred
from pbx.exchange.reach import Reach, instance_of, reach_of, reg_id_of
from pbx.exchange.registers import Registers
from pbx.sip.errors import Malformed, Refused
from pbx.sip.flow import Flow
from pbx.sip.headers import CONTACT, DATE, FLOW_TIMER, MIN_EXPIRES, PATH, REQUIRE, Address, Field
from pbx.sip.identifiers import Identifiers
from pbx.sip.message import Request, Response
from pbx.sip.timers import Clock
from pbx.sip.uri import Uri, parse_uri

CONTACTS = 64
"""Contacts of one REGISTER."""

FLOWS = 4
"""Flows of one phone; RFC 5626 4.2 has them keep two."""

LONGEST = 2048
"""Characters of a Contact URI with the Call-ID and the To of its REGISTER: they are kept, a 200 lists all contacts in
one datagram, and the Contact is part of a key, of which PostgreSQL takes 2704 bytes."""

_HOUR = 3600  # seconds; only shorter intervals may be refused (RFC 3261 10.3 step 7)
_AGENT = 200  # characters kept of a User-Agent
_OUTBOUND = REQUIRE.field("outbound")
# Seconds within which phones on connections send a keep-alive (RFC 5626 4.4); on UDP they do so sooner anyhow.
_KEEP_ALIVE = FLOW_TIMER.field(120)

_Q = re.compile(r"0?\.[0-9]{1,3}|0\.?|1(?:\.0{0,3})?")


class ServerTransaction(Protocol):
    """What a request is answered through."""

    @property
    def flow(self) -> Flow: ...

    def respond(self, response: Response) -> None:
        """Send the response."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the registrar grants.

    :param min_expires: seconds; a shorter interval is refused with 423.
    :param max_expires: seconds; a longer interval is shortened.
    :param default_expires: seconds, for phones that ask for none or for nonsense.
    :param max_contacts: phones of one extension that says nothing else itself.
    :param refuses: whether, when there would be more, the new one is refused; else the one goes that was not heard of
        for the longest time.
    :param any_path: whether the Path of a proxy is taken of phones that do not say that they know of it.
    """

    min_expires: int = 60
    max_expires: int = 7200
    default_expires: int = 3600
    max_contacts: int = 10
    refuses: bool = False
    any_path: bool = False


TERMS = Terms()


class Registrar:
    """Answers REGISTERs.

    :param location: keeps the bindings.
    :param gruus: makes the addresses of single phones.
    :param is_ours: whether a host is one of our domains or addresses.
    :ivar registers: the last REGISTER of each number.
    """

    def __init__(
        self,
        directory: Directory,
        authenticator: Authenticator,
        location: Location,
        gruus: Gruus,
        clock: Clock,
        identifiers: Identifiers,
        is_ours: Callable[[str], bool],
        terms: Terms = TERMS,
    ) -> None:
        self.registers = Registers(directory)
        self._directory = directory
        self._authenticator = authenticator
        self._location = location
        self._gruus = gruus
        self._clock = clock
        self._identifiers = identifiers
        self._is_ours = is_ours
        self._terms = terms
        self._date = (0, DATE.field(""))

    def restore(self, bindings: Iterable[Binding]) -> None:
        """Take over what the store has kept."""
        self._location.restore(bindings, lambda number: self._enabled(number) is not None)

    def remove(self, number: str) -> None:
        """End all bindings of an extension that was removed or disabled."""
        self._location.remove(number)
        self.registers.forget(number)

    def registering(self, transaction: ServerTransaction, request: Request) -> None:
        """A REGISTER came, and its method, URI scheme and Require were found good (RFC 3261 10.3).

        :raises Malformed: what the transaction layer is to answer.
        """
        if not self._is_ours(request.uri.host):
            raise Malformed(404, "")  # step 1
        flow = transaction.flow
        aor = request.receiver().uri
        number = self._directory.number_of(aor.decoded_user)
        now = self._clock.seconds()
        try:
            extension = self._admitted(request, aor, number, flow)
            before = self._location.live(number, now)
            reach = reach_of(request, self._terms.any_path)
            after = self._updated(before, request, extension, reach, flow, now)
        except Malformed as fault:
            self.registers.refused(number, fault, request, flow, now)
            raise
        self._location.update(number, before, after, flow, now)
        self.registers.accepted(number, request, flow, now)
        flows = reach.outbound and any(after[key].reg_id for key in after if after[key] is not before.get(key))
        fields = [self._contact(binding, reach, now) for binding in preferred(after)]
        if flows:
            fields.append(_OUTBOUND)  # RFC 5626 section 6
            if flow.reliable:
                fields.append(_KEEP_ALIVE)
        if reach.path:
            fields.append(PATH.field(reach.path))  # RFC 3327 5.3
        fields.append(self._date_field(self._clock.wall()))
        transaction.respond(request.response(200, "", self._identifiers.token(), tuple(fields)))

    def _enabled(self, number: str) -> Extension | None:
        extension = self._directory.find(number)
        return extension if extension is not None and extension.enabled else None

    def _admitted(self, request: Request, aor: Uri, number: str, flow: Flow) -> Extension:
        """The extension whose phones a request is about, which may be another's than its sender's.

        :raises Malformed: when its sender has yet to prove who it is, or may not change these.
        """
        caller = self._authenticator.identify(request, flow)
        if not isinstance(caller, Extension):
            raise Refused(401, *caller)  # step 3
        # Somebody else's phones only by permission (RFC 3261 10.2: third-party registration).
        extension = self._enabled(number) if self._directory.may_register(caller.number, number) else None
        if extension is None:
            raise Malformed(403, "")  # step 4
        if not self._is_ours(aor.host):
            raise Malformed(404, "")  # step 5
        return extension

    def _updated(
        self, before: Bindings, request: Request, extension: Extension, reach: Reach, flow: Flow, now: float
    ) -> Bindings:
        """An extension's bindings as a REGISTER wants them (RFC 3261 10.3 steps 6 and 7).

        :raises Malformed: when it is refused as a whole.
        """
        expires = request.first("expires")
        contacts = [value.strip() for value in request.values("contact")]
        if "*" in contacts:
            if len(contacts) > 1 or expires != "0":
                raise Malformed(400, "Contact: * stands alone and with Expires: 0")
            for binding in before.values():
                _check_order(binding, request)
            return {}
        after = dict(before)
        addresses = request.many(CONTACT)
        if len(addresses) > CONTACTS:
            raise Malformed(400, "too many contacts")
        old: Binding | None
        lasting_ones = flows = 0
        for address in addresses:
            if not address.uri.is_sip:
                raise Malformed(400, "a phone is reached at a SIP URI")
            lasting = self._lasting(address.parameters.get("expires", expires))
            instance = instance_of(address)
            # RFC 5626 section 6: without an instance it means nothing.
            reg_id = reg_id_of(address) if instance and reach.outbound else 0
            contact, old = str(address.uri), None
            for key in _replaced(after, before, contact, address.uri, instance, reg_id, lasting):
                former = after.pop(key)
                if former is before.get(key):
                    _check_order(former, request)
                    old = former
            if lasting:
                lasting_ones, flows = lasting_ones + 1, flows + bool(reg_id)
                key = (contact, instance, reg_id)
                after[key] = _binding(request, flow, now, lasting, extension.number, address, key, reach, old)
        if flows and lasting_ones > 1:
            raise Malformed(400, "a flow is registered alone")  # RFC 5626 section 6
        if len(after) > 1:
            self._bound(before, after, extension.max_contacts or self._terms.max_contacts)
        return after

    def _bound(self, before: Bindings, after: Bindings, most: int) -> None:
        """See that there are not too many phones, and that none has too many flows; those of this REGISTER stay.

        :raises Malformed: 403 when the new phone is one too many, and is to be refused.
        """
        phones: dict[str, list[Key]] = {}  # the one heard of last comes last
        for key, binding in after.items():
            keys = phones.pop(binding.phone, [])
            phones[binding.phone] = [*keys, key]
        for keys in phones.values():
            flows = [key for key in keys if key[2]]
            for key in flows[: max(0, len(flows) - FLOWS)]:
                del after[key]
        if len(phones) > most and self._terms.refuses:
            if not phones.keys() <= {binding.phone for binding in before.values()}:
                raise Malformed(403, "this extension has all the phones that it may have")
        elif len(phones) > most:
            for phone in list(phones)[: len(phones) - most]:
                for key in phones[phone]:
                    after.pop(key, None)

    def _lasting(self, asked: str | None) -> int:
        """How long a binding lasts, in seconds, when so much was asked for."""
        digits = "" if asked is None else asked.strip()
        terms = self._terms
        if not (digits.isascii() and digits.isdigit()):
            return terms.default_expires  # RFC 3261 10.2.1.1
        seconds = int(digits) if len(digits) <= 10 else terms.max_expires
        if 0 < seconds < min(terms.min_expires, _HOUR):
            raise Refused(423, MIN_EXPIRES.field(terms.min_expires))
        return min(seconds, terms.max_expires)

    def _contact(self, binding: Binding, reach: Reach, now: float) -> Field:
        """A binding as a 200 lists it (RFC 3261 10.3 step 8, RFC 5627 5.2)."""
        left = max(round(binding.expires_at - now), 1)
        text = f"<{binding.contact}>;expires={left};q={binding.q:.3g}"
        if binding.instance:
            text += f';+sip.instance="<{binding.instance}>"'
            if binding.reg_id:
                text += f";reg-id={binding.reg_id}"
            if reach.gruu and binding.aor:
                gruus = self._gruus
                text += f';pub-gruu="{gruus.public(binding)}";temp-gruu="{gruus.temporary(binding)}"'
        return CONTACT.field(text)

    def _date_field(self, now: float) -> Field:
        second = int(now)
        if self._date[0] != second:
            self._date = (second, DATE.field(formatdate(second, usegmt=True)))
        return self._date[1]


def _replaced(
    after: Bindings, before: Bindings, contact: str, uri: Uri, instance: str, reg_id: int, lasting: int
) -> list[Key]:
    """The bindings in whose place one comes: that of the same flow (RFC 5626 section 6); or that of an equivalent URI
    (RFC 3261 10.3 step 7), and where its phone was before it moved or was switched on again.
    """
    if len(after) == 1 and (contact, instance, reg_id) in after:
        return [*after]
    if reg_id:
        return [
            key
            for key, old in after.items()
            if old.instance == instance and (old.reg_id == reg_id or (not old.reg_id and before.get(key) is old))
        ]
    same = [
        key
        for key, old in after.items()
        if not old.reg_id
        and (old.contact == contact or parse_uri(old.contact).equivalent(uri))
        and _may_be(old, instance)
    ]
    if instance and lasting:
        # A phone that does not manage its flows has one place at a time; several in one REGISTER are its own affair.
        same += [
            key
            for key, old in after.items()
            if old.instance == instance and not old.reg_id and before.get(key) is old and key not in same
        ]
    return same


def _binding(
    request: Request,
    flow: Flow,
    now: float,
    lasting: int,
    number: str,
    address: Address,
    key: Key,
    reach: Reach,
    old: Binding | None,
) -> Binding:
    contact, instance, reg_id = key
    q = address.parameters.get("q", "1")
    # The same Call-ID is the same registration, so of the same address-of-record.
    same = old is not None and old.call_id == request.call_id
    aor = old.aor if same and old is not None else str(request.receiver().uri)
    if len(contact) + len(request.call_id) + len(aor) > LONGEST:
        raise Malformed(400, "Contact, Call-ID or To is too long")
    return Binding(
        number=number,
        contact=contact,
        q=1.0 if q == "1" else _q(q),
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
        aor=aor,
        path=reach.path,
        instance=instance,
        reg_id=reg_id,
    )


def _may_be(binding: Binding, instance: str) -> bool:
    """Whether a Contact with that instance can be the one of a binding, as far as instances tell."""
    return not instance or not binding.instance or binding.instance == instance


def _check_order(binding: Binding, request: Request) -> None:
    """A request that comes after a later one of the same phone changes nothing (RFC 3261 10.3 steps 6 and 7)."""
    if binding.call_id == request.call_id and request.cseq <= binding.cseq:
        raise Malformed(500, "CSeq is not higher than before")


def _q(text: str | None) -> float:
    if text is None or not _Q.fullmatch(text):
        raise Malformed(400, "malformed q")
    return float(text)
