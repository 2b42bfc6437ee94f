"""The board: what a bridge needs of the exchange, and whom it tells of its caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from pbx.exchange.caller import Caller
from pbx.exchange.destination import Destination
from pbx.exchange.diversion import Diversion
from pbx.exchange.extension import Extension
from pbx.exchange.observer import Observer
from pbx.exchange.outcome import Outcome
from pbx.exchange.party import Party, Transferor
from pbx.exchange.target import Target
from pbx.exchange.transfer import Transfer
from pbx.exchange.turns import Turns
from pbx.media.library import Library
from pbx.media.relay import Relay
from pbx.media.side import Side
from pbx.sip.flow import Flow
from pbx.sip.headers import Field
from pbx.sip.session import Session
from pbx.sip.uri import Uri
from pbx.sip.user_agent import UserAgent


class CallUser(Protocol):
    """Whom a bridge tells of its caller: the driver of the call's coroutine."""

    def caller_left(self, reason: str) -> None:
        """The caller cancelled, hung up or was lost. Once; not when we ended the call ourselves."""


class KeysUser(Protocol):
    """Who wants to know the keys that parties press during the conversation: the dialplan."""

    def watch(self, party: Party) -> None:
        """Somebody has answered: it sets `party.pressed` where it wants to know its keys."""


class Entry(Protocol):
    """A call, as the board has it."""

    @property
    def id(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def caller(self) -> Caller: ...
    @property
    def number(self) -> str: ...


class Board(Protocol):
    """What a bridge needs of the exchange: the switchboard."""

    @property
    def agent(self) -> UserAgent: ...
    @property
    def relay(self) -> Relay: ...
    @property
    def library(self) -> Library: ...
    @property
    def features(self) -> Any: ...
    @property
    def observer(self) -> Observer: ...
    @property
    def turns(self) -> Turns: ...

    def side(self, flow: Flow) -> Side:
        """The media of a session whose signalling takes this flow."""

    def locate(self, target: Target, secure: bool, beside: Sequence[Destination] = ()) -> list[Destination] | Outcome:
        """Where a target is rung; or the outcome when it cannot be."""

    def account(self, number: str) -> Extension | None:
        """The extension with a number, or with an alias; None when there is none."""

    def forwarder(self, diversion: Diversion, flow: Flow) -> Caller | None:
        """Who has sent a call on, with its rights; None when it may not do that.

        :param flow: where the call came from.
        """

    def is_ours(self, host: str) -> bool:
        """Whether a URI's host is one of our domains or addresses."""

    def tell(self, sender: Caller, number: str, words: str) -> None:
        """Tell the phones of an extension something, by MESSAGE."""

    def is_engaged(self, number: str) -> bool:
        """Whether an extension is in a call."""

    def calls_of(self, number: str) -> int:
        """In how many calls an extension is, those included that ring at its phones."""

    def ringing_for(self, caller: Caller, number: str) -> Session | None:
        """A session with a phone that rings, which a caller may answer in its place; None when there is none.

        :param number: of the extension at which it rings; "" for any.
        """

    def extension(self, number: str) -> Caller | None:
        """An extension with its rights, as if it called now; None where there is none that may."""

    def place_of(self, uri: Uri, flow: Flow) -> tuple[str, str] | None:
        """The number that a URI means in the dialplan, and the only phone of it that is meant, "" for all; None for an
        address elsewhere.

        :param flow: by which it came.
        """

    def may_transfer(self, transfer: Transfer, flow: Flow) -> Deferred[bool]:
        """Whether the dialplan, and the account of who asks, have nothing against a transfer.

        :param flow: by which it was asked for.
        """

    def transferred(
        self, asker: Transferor, party: Party, by: Caller, place: tuple[str, str] | str, fields: tuple[Field, ...]
    ) -> None:
        """A party calls on, in the name of who transfers it.

        :param place: a number and an instance, as `place_of` has them, or the URI of an address elsewhere.
        :param fields: what the target is told beside.
        """

    def call_ended(self, call: Entry) -> None:
        """The call is over."""

    def forbidden(self, call: Entry, event: str, flow: Flow) -> None:
        """The dialplan lets nobody in who is like this caller; here the call came from."""
