"""Publications (RFC 3903): the state that peers tell us, kept until it expires; each has an entity-tag of its own."""

from __future__ import annotations

from typing import Protocol

from pbx.sip.errors import Malformed, Refused
from pbx.sip.headers import ACCEPT, CONTENT_TYPE, EXPIRES, SIP_ETAG, SIP_IF_MATCH
from pbx.sip.identifiers import Identifiers
from pbx.sip.interval import Interval
from pbx.sip.message import Request
from pbx.sip.timers import Clock, Timer, left
from pbx.sip.transaction_layer import ServerTransaction

Key = tuple[str, str]
"""An event package, and the resource whose state it is."""


class Publication:
    """One publication.

    :ivar tag: its entity-tag.
    :ivar kind: the Content-Type of the state.
    :ivar body: the state.
    """

    __slots__ = ("_clock", "body", "expiry", "kind", "tag")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.tag = ""
        self.kind = ""
        self.body = b""
        self.expiry: Timer | None = None

    def __repr__(self) -> str:
        return f"<publication {self.tag}{left(self.expiry, self._clock)}>"


class Understanding(Protocol):
    """An event package whose states are published.

    :ivar name: as it stands in Event.
    :ivar kinds: the Content-Types that it understands.
    """

    @property
    def name(self) -> str: ...
    @property
    def kinds(self) -> tuple[str, ...]: ...

    def understands(self, body: bytes) -> None:
        """See that a body is a state.

        :raises Malformed: when it is none.
        """


class CompositorUser(Protocol):
    """Whom a compositor tells."""

    def published(self, package: str, resource: str, publications: list[Publication]) -> None:
        """What is published of a resource has changed; the last one published or refreshed comes last."""


class Compositor:
    """The event state compositor (RFC 3903 section 6): keeps what is published, tells its user of changes.

    :param interval: how long publications last.
    :param most: publications of one resource and package; further ones are refused.
    :param longest: bytes of a body.
    """

    def __init__(
        self,
        clock: Clock,
        identifiers: Identifiers,
        user: CompositorUser,
        interval: Interval,
        most: int = 10,
        longest: int = 16 * 1024,
    ) -> None:
        self._clock = clock
        self._identifiers = identifiers
        self._user = user
        self._interval = interval
        self._most = most
        self._longest = longest
        self._publications: dict[Key, dict[str, Publication]] = {}

    def __len__(self) -> int:
        """How many publications there are."""
        return sum([len(here) for here in self._publications.values()])

    def publish(self, transaction: ServerTransaction, request: Request, package: Understanding, resource: str) -> None:
        """Do what a PUBLISH wants (RFC 3903 section 6, from step 3 on).

        :raises Malformed: when it is refused; all is as it was.
        """
        key = (package.name, resource)
        here = self._publications.get(key, {})
        publication = self._matching(here, request)
        lasting = self._interval.chosen(request)  # step 4
        kind = self._kind(request, package)
        if publication is None and not kind:
            raise Malformed(400, "an initial publication has a body")
        if publication is None and lasting and len(here) >= self._most:
            raise Malformed(403, "too many publications")
        changed = bool(kind) or not lasting
        if publication is None:
            publication = Publication(self._clock)
        else:
            self._withdraw(key, publication)
        publication.tag = self._identifiers.token()  # a new one each time (step 6)
        if kind:
            publication.kind, publication.body = kind, request.body
        if lasting:
            self._publications.setdefault(key, {})[publication.tag] = publication
            publication.expiry = self._clock.callLater(lasting, self._expired, key, publication)
        more = (EXPIRES.field(lasting), SIP_ETAG.field(publication.tag))
        transaction.respond(request.response(200, "", self._identifiers.token(), more))
        if changed:
            self._tell(key)

    def remove(self, resource: str) -> None:
        """Nobody publishes anything of a resource any more."""
        for key in [key for key in self._publications if key[1] == resource]:
            for publication in list(self._publications[key].values()):
                self._withdraw(key, publication)
            self._tell(key)

    def _matching(self, here: dict[str, Publication], request: Request) -> Publication | None:
        """The publication that the request is about; None for a new one (step 3)."""
        tags = [field[2] for field in request.fields if field[0] == "sip-if-match"]
        if not tags:
            return None
        tag = request.one(SIP_IF_MATCH)
        if len(tags) > 1 or tag is None:
            raise Malformed(400, "one entity-tag is needed")
        publication = here.get(tag)
        if publication is None:
            raise Malformed(412, "")
        return publication

    def _kind(self, request: Request, package: Understanding) -> str:
        """The Content-Type of the body, "" without one (step 5)."""
        if not request.body:
            return ""
        kind = request.one(CONTENT_TYPE)
        if kind is None or kind[0] not in package.kinds:
            raise Refused(415, ACCEPT.field(", ".join(package.kinds)))
        if len(request.body) > self._longest:
            raise Malformed(413, "")
        package.understands(request.body)
        return kind[0]

    def _withdraw(self, key: Key, publication: Publication) -> None:
        if publication.expiry is not None:
            publication.expiry.cancel()
            publication.expiry = None
        here = self._publications[key]
        del here[publication.tag]
        if not here:
            del self._publications[key]

    def _expired(self, key: Key, publication: Publication) -> None:
        publication.expiry = None
        self._withdraw(key, publication)
        self._tell(key)

    def _tell(self, key: Key) -> None:
        self._user.published(*key, list(self._publications.get(key, {}).values()))
