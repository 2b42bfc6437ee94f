"""Ringing: one attempt to reach somebody for a party of a call, by one fork.

It makes the branches, offers to each what the party offers, and lets the party hear the early media of the first that
has some. Any party may ring, the caller or another one. What comes of it is told once: a callee that is a party now, or
an outcome.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from pbx.exchange.board import Board
from pbx.exchange.branch import LEFT, Branch, Loss
from pbx.exchange.caller import Caller, Source
from pbx.exchange.crossing import PROGRESS, crossing
from pbx.exchange.destination import Destination
from pbx.exchange.detour import Detour, Guide
from pbx.exchange.diversion import Diversion, told_of
from pbx.exchange.fork import Fork
from pbx.exchange.forwarding import patience, redirected, settled
from pbx.exchange.group import Callee, GroupTarget
from pbx.exchange.hunt import Hunt
from pbx.exchange.intercom import asking
from pbx.exchange.invitation import Invitation
from pbx.exchange.locating import located
from pbx.exchange.media_failure import status_of
from pbx.exchange.observer import Observed
from pbx.exchange.outcome import Attempt, Busy, Declined, Failed, Outcome
from pbx.exchange.party import Party, PartyUser
from pbx.exchange.presentation import asserted, passed_to_network, to_network
from pbx.exchange.target import ExtensionTarget, TrunkTarget
from pbx.media.relay import Result, when
from pbx.sip.flow import hostport_of
from pbx.sip.headers import Field
from pbx.sip.outbound_session import OutboundSession
from pbx.sip.session import EARLY, Session, SessionUser
from pbx.sip.uac import Delivery

_log = Logger(namespace="pbx.call")

_ELSEWHERE = Caller("", "", Source.INTERNAL)  # a callee of whom we know but the address that was called


class RingingUser(Protocol):
    """Whom it tells: the bridge, or a detour."""

    def ringing_progressed(self, status: int, sdp: bytes, more: tuple[Field, ...]) -> None:
        """Somebody was reached so far; an `sdp` is what the party would hear."""

    def ringing_answered(self, peer: Party, sdp: bytes, outcome: Outcome, more: tuple[Field, ...]) -> None:
        """Somebody answered, with this description; the others are cancelled."""

    def ringing_joined(self, peer: Party, outcome: Outcome) -> None:
        """Somebody has answered, or has picked it up, with whom nothing is agreed upon for the party; all others are
        cancelled."""

    def ringing_failed(self, outcome: Outcome) -> None:
        """Nobody answered."""


class Ringing:
    """One such attempt (`pbx.exchange.fork.ForkUser`).

    :param call: to which it belongs, for observers.
    :param owner: whom the parties tell that come of it.
    :param party: for whom.
    :param invitation: what the callees are told.
    :param caller_id: the number that they are shown; "" for the caller's own.
    :param apart: whether we are to be the other end of the callee's sound, and not the party.
    :param intercom: whether phones are asked to answer by themselves.
    :param guide: knows the way of what callees send on; None where that is not followed.
    :param first: beside which attempt this one goes, for a detour; None for none.
    """

    __slots__ = (
        "_apart", "_board", "_call", "_caller_id", "_early", "_first", "_followed", "_fork", "_guide", "_intercom",
        "_invitation", "_offerer", "_over", "_owner", "_party", "_senders", "_targets", "_user",
    )  # fmt: skip

    def __init__(
        self,
        board: Board,
        call: Observed,
        user: RingingUser,
        owner: PartyUser,
        party: Party,
        invitation: Invitation,
        caller_id: str = "",
        apart: bool = False,
        intercom: bool = False,
        guide: Guide | None = None,
        first: Ringing | None = None,
    ) -> None:
        self._apart = apart
        self._intercom = intercom
        self._board = board
        self._call = call
        self._user = user
        self._owner = owner
        self._party = party
        self._guide = guide
        self._first = first
        self._offerer = party  # who has offered to the callees: perhaps another one has its place now
        self._invitation = invitation
        self._caller_id = caller_id
        self._early: Party | None = None  # the callee whose early media the party hears
        self._fork: Fork | None = None
        self._over = False
        self._targets: Sequence[Callee] = ()
        self._followed: frozenset[str] = frozenset()  # the extensions that may send the call on while others ring
        self._senders: set[str] = set()  # those that do

    def ring(self, targets: Sequence[Callee], timeout: float, progress_within: float | None = None) -> None:
        """Ring all targets.

        :param timeout: seconds to ring.
        :param progress_within: seconds until each must have shown a sign of progress; None for as long as it rings.
        """
        board, invitation, first, guide = self._board, self._invitation, self._first, self._guide
        if first is None:
            board.observer.call_dials(self._call, targets, timeout)
        self._targets = targets
        if guide is not None:
            self._followed = frozenset(_followed(targets))
        elif len(targets) == 1 and isinstance(targets[0], ExtensionTarget):
            timeout = patience(board.account(targets[0].number), timeout)
        destinations, lost, hunts = located(
            *(board, self._party.number, targets, invitation.secure, invitation.only),
            hops=invitation.forwards,
            forwarding=guide is not None,
        )
        if first is not None:
            destinations, lost = _not_twice(destinations, lost, first.rung)
        self._fork = Fork(self, board.agent.clock)
        self._fork.ring(destinations, lost, timeout, progress_within, hunts)

    @property
    def rung(self) -> Mapping[str, Session]:
        """A session with a phone of each extension that is rung, by number."""
        return self._fork.rung if self._fork is not None else {}

    def forsake(self, number: str) -> None:
        """Ring the phones of an extension no longer: it was removed."""
        if self._fork is not None:
            self._fork.forsake(number)

    def hand_over(self, party: Party) -> None:
        """Another party, which is answered, has the place of the one for whom it rings: phones of ours that know UPDATE
        are told."""
        early, self._early = self._early, None
        if early is not None and early.session.offered:
            early.session.refuse(504)
        self._party = party
        if self._fork is None:
            return
        for detour in self._fork.detours:
            detour.hand_over(party)
        for branch in self._fork.branches if not self._caller_id else ():
            if branch.destination.number and branch.session.flow is not None:
                branch.session.identify(asserted(self._invitation.shown, hostport_of(branch.session.flow)))

    def give_up(self, more: tuple[Field, ...] = ()) -> None:
        """Ring no longer: the party has left. The user hears no more of it.

        :param more: fields of the CANCELs.
        """
        fork = self._take_fork()
        if fork is not None:
            fork.stop(LEFT._replace(fields=more))

    def stop(self, loss: Loss) -> Sequence[Attempt]:
        """Ring no longer, since others have the call; return all attempts that were made."""
        fork = self._take_fork()
        return fork.stop(loss) if fork is not None else ()

    # What the fork asks and tells

    def branch(self, destination: Destination, user: SessionUser) -> Branch:
        """Make a branch to a destination."""
        board, flow = self._board, destination.flow
        session = OutboundSession(board.agent, user, flow, destination.neighbour)
        # Media that nobody can reach yet has no ports either.
        side = board.relay.side("", "") if flow is None else board.side(flow)
        branch = Branch(board, self, destination, session, side)
        if not destination.neighbour:
            session.delivery = Delivery(board.agent, branch, destination.policy, destination.uri, flow=flow)
        board.observer.attempt_began(self._call, branch)
        return branch

    def offer(self, branch: Branch) -> Result[bytes]:
        """The party's offer, as that branch is to see it, or our own; b"" when it makes none."""
        delivery, party = branch.session.delivery, self._party
        if branch.session.flow is None and delivery is not None:
            described = branch.described = Deferred()
            delivery.start()
            return described
        if self._apart:
            return self._board.relay.end(branch.side, None)
        if not party.offer:
            return b""
        return self._board.relay.offer(party.side, branch.side, party.offer)

    def invite(self, sdp: bytes, branch: Branch) -> None:
        """Send the INVITE of a branch, unless that was given up meanwhile. Colleagues see the caller's number and name,
        a provider is told in the way that it wants."""
        session, destination, invitation = branch.session, branch.destination, self._invitation
        flow, link, fields = session.flow, destination.link, invitation.fields
        if session.state is not EARLY:
            return
        assert flow is not None
        hostport = hostport_of(flow)
        more: tuple[Field, ...] = ()
        if link is None:
            who = invitation.shown
            if self._caller_id:
                who = replace(who, number=self._caller_id, domain="")
            caller = who.shown_at(hostport)
        else:
            caller, more = to_network(invitation.caller, self._caller_id, link.trunk)
            fields = passed_to_network(fields)
        if invitation.diversions:
            more += told_of(invitation.diversions, hostport)
        if self._intercom and destination.number:
            more += asking(hostport)
        session.invite(destination.uri, caller, destination.callee, sdp, invitation.forwards, more + fields)

    def fork_skipped(self, outcome: Outcome) -> None:
        """Tell who observes the call."""
        if outcome.by is not None:
            (attempt,) = outcome.attempts or (Attempt(outcome.by, outcome.code, outcome.text, None),)
            self._board.observer.attempt_skipped(self._call, attempt.target, attempt.code, attempt.text)

    def fork_progressed(self, branch: Branch, status: int, sdp: bytes) -> None:
        """Tell it, and let the party hear the early media of the first callee that has some."""
        more = crossing(branch.session.take_fields(), PROGRESS)
        if sdp and self._may_hear(branch):
            self._hear(branch, status, sdp, more)
        else:
            self._user.ringing_progressed(status, b"", more)
        self._board.observer.attempt_rang(self._call, branch, status)

    def fork_renegotiates(self, branch: Branch) -> Party | None:
        """Who takes part in the offers of a branch that has not answered: whom the party hears, if that is certain."""
        return self._party.other if self._is_heard(branch) else None

    def fork_answered(self, branch: Branch, sdp: bytes, outcome: Outcome) -> None:
        """The callee that answered is a party now."""
        peer = self._party_of(branch)
        self._early = self._fork = None
        peer.answered, peer.link = True, branch.destination.link
        peer.session.user = peer
        self._board.observer.attempt_answered(self._call, branch)
        if self._offerer is self._party or self._apart or peer.session.owes_ack:
            more = crossing(branch.session.take_fields(), PROGRESS)
            self._user.ringing_answered(peer, sdp, outcome, more)
        else:
            self._board.relay.withdraw(peer.side)
            self._user.ringing_joined(peer, outcome)

    def fork_picked_up(self, party: Party, outcome: Outcome) -> None:
        """Somebody else has answered in the place of a callee."""
        self._early = self._fork = None
        party.user = self._owner
        self._board.observer.party_joined(self._call, party)
        self._user.ringing_joined(party, outcome)

    def fork_failed(self, outcome: Outcome) -> None:
        """Nobody answered. Where one extension was called by itself, it may have sent the call on."""
        self._fork = None
        extension, target = None, self._targets[0]
        # Whoever is to hear this at once is not somewhere else; and where others ring, it was led there already.
        if not self._intercom and self._guide is None and len(self._targets) == 1:
            extension = self._board.account(target.number) if isinstance(target, ExtensionTarget) else None
        diversion = settled(extension, outcome) if extension is not None else None
        self._user.ringing_failed(replace(outcome, diversion=diversion))

    def diversion(self, branch: Branch, fields: Sequence[Field]) -> Diversion | None:
        """Where the phone of an extension sends the call."""
        number, flow = branch.destination.number, branch.session.flow
        if not number or flow is None:
            return None
        board, known = self._board, (flow.host, flow.source)
        return redirected(number, fields, lambda host: board.is_ours(host) or host in known)

    def detour(self, outcome: Outcome, hunt: Hunt | None) -> Detour | Outcome | None:
        """What becomes of a call that an extension has sent on while others ring."""
        target, guide = outcome.by, self._guide
        if guide is None or not isinstance(target, ExtensionTarget) or target.number not in self._followed:
            return None
        extension = self._board.account(target.number)
        diversion = settled(extension, outcome) if extension is not None else None
        if diversion is None:
            return None
        senders = self._senders if self._first is None else self._first._senders
        detour = Detour(self._board, self, guide, self._invitation.beside(), diversion.to, outcome, hunt)
        rights: Caller | Outcome = Declined()
        if diversion.by in senders:  # once is enough: so there are as many detours at most as there are extensions
            rights = Failed(482, "the call is forwarded in a circle")
        elif diversion.to:
            rights = detour.diverting.begin(diversion)
        if isinstance(rights, Caller):
            senders.add(diversion.by)
            detour.rights = rights
            return detour
        _log.info("call {call}: not forwarded from {way}: {why}", call=self._call.id, way=diversion, why=rights.text)
        return replace(rights, by=outcome.by, attempts=outcome.attempts)

    def branch_ended(self, branch: Branch, code: int, text: str) -> None:
        """A branch will not answer."""
        self._board.observer.attempt_ended(self._call, branch, code, text)
        if self._is_heard(branch):
            self._early = None
            self._party.part()
            if not self._over and self._party.session.offered:
                self._party.session.refuse(504)
        branch.close()

    def failed(self, failure: Failure) -> Outcome:
        """The outcome of a branch to which the party's media cannot be offered."""
        return Failed(*status_of(failure))

    # What detours ask and tell (pbx.exchange.detour.DetourUser)

    def beside(self, detour: Detour, caller_id: str, guide: Guide | None) -> Ringing:
        """Another attempt for the same party, at the same time; the party does not hear its early media."""
        return Ringing(
            *(self._board, self._call, detour, self._owner, self._party, detour.invitation, caller_id, self._apart),
            guide=guide,
            first=self._first or self,
        )

    def detour_progressed(self, status: int, more: tuple[Field, ...]) -> None:
        """Somebody is reached there so far; what there is to be heard the party cannot hear, so it rings."""
        if self._fork is not None:
            self._user.ringing_progressed(180 if status == 183 else status, b"", more)

    def detour_answered(
        self, detour: Detour, peer: Party, sdp: bytes, outcome: Outcome, more: tuple[Field, ...]
    ) -> None:
        """Somebody there has answered: all others are cancelled."""
        self._user.ringing_answered(peer, sdp, self._won(detour, outcome), more)

    def detour_joined(self, detour: Detour, peer: Party, outcome: Outcome) -> None:
        """Somebody there has answered, or has picked it up, with whom nothing is agreed upon for the party."""
        self._user.ringing_joined(peer, self._won(detour, outcome))

    def detour_ended(self, detour: Detour, outcome: Outcome) -> None:
        """Nobody there takes the call."""
        if self._fork is not None:
            self._fork.detour_ended(detour, outcome)

    # Inside

    def _won(self, detour: Detour, outcome: Outcome) -> Outcome:
        fork = self._fork
        before = fork.detour_won(detour) if fork is not None else ()
        self._early = self._fork = None
        return replace(outcome, attempts=(*before, *outcome.attempts))

    def _take_fork(self) -> Fork | None:
        self._over = True
        fork, self._fork = self._fork, None
        return fork

    def _is_heard(self, branch: Branch, at_first: bool = False) -> bool:
        """Whether the party hears the early media of this branch.

        :param at_first: what it is while the party hears none.
        """
        return at_first if self._early is None else self._early.session is branch.session

    def _may_hear(self, branch: Branch) -> bool:
        """Whether the party can be told what this branch says before it has answered."""
        muted = self._apart or self._first is not None or self._party.answered
        return not muted and bool(self._party.offer) and self._is_heard(branch, at_first=True)

    def _hear(self, branch: Branch, status: int, sdp: bytes, more: tuple[Field, ...]) -> None:
        """Let the party hear a callee. Where no other may answer, that one can be asked what it thinks of an offer."""
        user, party = self._user, self._party
        self._early = early = self._party_of(branch)
        if self._fork is not None and self._fork.is_single and party.other is not early:
            party.part()
            party.connect(early)
        when(
            self._board.relay.answer(branch.side, party.side, sdp),
            lambda shown: user.ringing_progressed(status, shown, more),
            lambda failure: user.ringing_progressed(status, b"", more),
        )

    def _party_of(self, branch: Branch) -> Party:
        """The party that a callee is."""
        early = self._early
        if early is not None and early.side is branch.side:
            early.side.may_inform = early.session.may_inform
            return early
        target, number = branch.destination.target, branch.destination.number
        if isinstance(target, TrunkTarget):
            identity = Caller(target.number, "", Source.INBOUND, trunk=target.trunk)
        else:
            identity = (self._board.extension(number) or Caller(number, "", Source.INTERNAL)) if number else _ELSEWHERE
        return Party(self._board.relay, branch.session, branch.side, self._owner, identity)


def _followed(targets: Iterable[Callee]) -> Iterator[str]:
    """The extensions that may send the call on while others ring: the members of a group where that says so."""
    for target in targets:
        if isinstance(target, ExtensionTarget):
            yield target.number
        elif isinstance(target, GroupTarget) and target.forwarding:
            yield from [member.number for member in target.members]


def _not_twice(
    destinations: Sequence[Destination], lost: Sequence[Outcome], rung: Collection[str]
) -> tuple[list[Destination], list[Outcome]]:
    """Leave out the phones of extensions that are rung already."""
    left_out = dict.fromkeys([phone.target for phone in destinations if phone.number in rung])
    busy = [Busy(by=target, attempts=(Attempt(target, 486, "rings already", None),)) for target in left_out]
    return [phone for phone in destinations if phone.number not in rung], [*lost, *busy]
