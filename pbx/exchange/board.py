"""The board: what a bridge needs of the exchange, and whom it tells of its caller."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from pbx.exchange.caller import Caller
from pbx.exchange.destination import Destination
from pbx.exchange.observer import Observer
from pbx.exchange.outcome import Outcome
from pbx.exchange.target import Target
from pbx.exchange.turns import Turns
from pbx.media.library import Library
from pbx.media.relay import Relay
from pbx.media.side import Side
from pbx.sip.flow import Flow
from pbx.sip.user_agent import UserAgent


class CallUser(Protocol):
    """Whom a bridge tells of its caller: the driver of the call's coroutine."""

    def caller_left(self, reason: str) -> None:
        """The caller cancelled, hung up or was lost. Once; not when we ended the call ourselves."""


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

    def is_engaged(self, number: str) -> bool:
        """Whether an extension is in a call."""

    def call_ended(self, call: Entry) -> None:
        """The call is over."""

    def forbidden(self, call: Entry, event: str, flow: Flow) -> None:
        """The dialplan lets nobody in who is like this caller; here the call came from."""
