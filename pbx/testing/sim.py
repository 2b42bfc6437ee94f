"""The simulation that tests of a dialplan are written with: one exchange, its phones and its time, in plain functions.

    sim = Sim(plan, at="2026-03-10 10:00 Europe/Paris")
    a, b = sim.phone("101"), sim.phone("102")
    a.dials("102")
    assert b.ringing

The complete stack runs below; only clock, sockets and DNS are simulated. After each thing that somebody does, half a
second passes, so that everybody has heard of it. What goes over the network is printed as it happens: pytest shows that
ladder under a test that fails, and keeps it to itself under one that does not.
"""

from __future__ import annotations

import ast
import os
import tomllib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import date, datetime, tzinfo
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pbx.dialplan.holidays import HolidayTable
from pbx.dialplan.loading import named
from pbx.dialplan.plan import Plan
from pbx.dialplan.surroundings import Surroundings
from pbx.dialplan.switches import Switches
from pbx.exchange.accounts import Accounts
from pbx.exchange.extension import Extension
from pbx.exchange.numbering import Numbering
from pbx.exchange.switch import Switch
from pbx.exchange.thresholds import Thresholds
from pbx.exchange.trunk import Trunk
from pbx.features.voicemail.mailbox import Mailbox
from pbx.ladder import Drawing
from pbx.media.library import Library
from pbx.sip.digest import ha1
from pbx.testing.clock import VirtualClock
from pbx.testing.exchange import REALM, SimulatedExchange, SimulatedMailbox
from pbx.testing.nat import KINDS, PhoneNAT
from pbx.testing.phone import Phone
from pbx.testing.sim_outside import SimOutside
from pbx.testing.sim_phone import SimPhone
from pbx.testing.sim_trunk import SimTrunk
from pbx.testing.sound import Reciter

Users = Mapping[str, Any]

# A test may call a thousand times in an hour; the limits of accounts are the exchange's own matter, not the plan's.
UNLIMITED = Thresholds(calls_at_once=0, calls_per_hour=0, destinations_per_hour=0, account_requests_per_second=10**5)
G711 = (0, 8)  # payload types: mu-law and A-law
TRANSPORTS = ("UDP", "TCP", "TLS")
EARLIEST, LATEST = 1970, 9999  # years that are no more
SETTLE = 0.5  # seconds that pass after each thing that somebody does
TABLES = ("aliases", "extensions", "trunks", "mailboxes", "switches", "holidays", "dialplan", "media")


class Sim:
    """One exchange with one plan.

    :param plan: the dialplan.
    :param users: a TOML file, by its path from the dialplan's folder, or a dict: the tables `extensions`, `aliases`,
        `trunks`, `mailboxes`, `switches`, `holidays`; and, as in the configuration, `dialplan` with what says how
        numbers are dialled (`country = "33"`), and `media` with the folder of `prompts`.
        Without it every extension, trunk and mailbox that the plan or the test names exists, and may do all that the
        plan asks for.
    :param at: the time at which it begins: "2026-03-10 10:00 Europe/Paris". Its zone is that of all times in the test.
    :param asyncio: what `call.asyncio` does with a coroutine: `asyncio.run`, or a fake of it.
    :param trace: whether what goes over the network is printed.
    :raises ValueError: when the users or the time cannot be read.
    """

    def __init__(
        self,
        plan: Plan[Any],
        users: str | Path | Users | None = None,
        at: str = "",
        *,
        asyncio: Callable[[Coroutine[Any, Any, Any]], Any] | None = None,
        trace: bool = True,
    ) -> None:
        self.plan = plan
        self._known = users is not None
        folder = Path(plan.path).parent
        tables = _tables(users, folder)
        self._extensions = {number: _extension(number, row) for number, row in tables.get("extensions", {}).items()}
        if not self._known:
            self._extensions.update((number, self._everything(number)) for number in _named_by(plan, "ext", "group"))
        named_ones: Mapping[str, Any] = {} if self._known else {name: {} for name in _named_by(plan, "mailbox")}
        rows = tables.get("mailboxes", named_ones)
        named_trunks: Mapping[str, Any] = {} if self._known else {name: {} for name in sorted(_named_by(plan, "trunk"))}
        table = tables.get("trunks", named_trunks)
        self._aliases: Mapping[str, str] = tables.get("aliases", {})
        self._trunks = [_trunk(name, row, place) for place, (name, row) in enumerate(table.items(), 1)]
        mailboxes = [Mailbox(name, **row) for name, row in rows.items()]
        self.switches = Switches(_switch(name, row) for name, row in tables.get("switches", {}).items())
        self.holidays = HolidayTable(
            {name: [date.fromisoformat(str(day)) for day in days] for name, days in tables.get("holidays", {}).items()}
        )
        self.database = SimOutside(asyncio)
        numbering = _numbering(tables.get("dialplan", {}))
        plan.settle(numbering)
        plan.surroundings = Surroundings(self.switches, self.holidays, self.database)
        moment = _moment(at, None) if at else None
        self._zone = moment.tzinfo if moment is not None else None
        self.clock = VirtualClock(moment.timestamp()) if moment is not None else VirtualClock()
        self.exchange = SimulatedExchange(
            plan,
            {},
            clock=self.clock,
            library=_library(tables.get("media", {}), folder),
            thresholds=UNLIMITED,
            numbering=numbering,
        )
        self._trace = trace
        self._printed = 0
        self._drawing = Drawing()
        self._phones: dict[str, SimPhone] = {}
        self._fill()
        self.exchange.exchange.show_switches(self.switches)
        self.exchange.exchange.voicemail.replace(mailboxes)

    def phone(self, number: str, *, behind: str = "", transport: str = "UDP", codecs: Sequence[int] = G711) -> SimPhone:
        """The phone of an extension, registered; the same one whenever it is asked for.

        :param behind: the kind of NAT that it is behind, in a home of its own: "full cone", "restricted cone", "port
            restricted cone" or "symmetric"; "" for none.
        :param transport: "UDP", "TCP" or "TLS".
        :param codecs: the payload types that it knows, the best one first.
        :raises LookupError: when the users have no such extension.
        :raises ValueError: there is no such kind of NAT, or transport.
        """
        if number not in self._phones:
            if number not in self._extensions:
                if self._known:
                    raise LookupError(f"the users of this Sim have no extension {number}")
                self._extensions[number] = self._everything(number)
                self._fill()
            self._phones[number] = SimPhone(self, self._put(number, behind, transport, codecs))
        return self._phones[number]

    def trunk(self, name: str) -> SimTrunk:
        """A trunk; the provider at its other end is put on the network when it is asked for first.

        :raises LookupError: when neither the plan nor the users have such a trunk.
        """
        if not self.has_trunk(name):
            raise LookupError(f"there is no trunk {name} in the plan, or in the users")
        return SimTrunk(self, self.exchange.trunk(name))

    def has_extension(self, number: str) -> bool:
        """Whether there is such an extension."""
        return number in self._extensions

    def has_trunk(self, name: str) -> bool:
        """Whether there is such a trunk."""
        return any(row.name == name for row in self._trunks)

    def stranger(self, number: str = "stranger") -> SimPhone:
        """Somebody who is no extension of ours."""
        phone = self.exchange.phone(number, register=False, domain="elsewhere.example")
        return SimPhone(self, phone)

    def mailbox(self, name: str) -> SimulatedMailbox:
        """A mailbox, to look at: `sim.mailbox("sales").new == 1`."""
        return self.exchange.mailbox(name)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        self._print()

    def until(self, condition: Callable[[], object], within: float = 64.0) -> bool:
        """Let time pass until something holds; return whether it does.

        :param within: seconds after which it is given up.
        """
        holds = self.clock.advance_until(condition, within)
        self._print()
        return holds

    def settle(self) -> None:
        """Let everybody hear of what was done."""
        self.advance(SETTLE)

    def at(self, when: str) -> None:
        """Let it be that time: "2026-03-10 10:00", in the zone of `Sim(at=...)`, or with a zone of its own.

        :raises ValueError: when that time is over, and somebody has done something already.
        """
        moment = _moment(when, self._zone).timestamp()
        if not self.exchange.network.sent and not self.clock.pending:
            self.clock.begin(moment)
            return
        if moment < self.clock.seconds():
            raise ValueError(f"it is later than {when} already: give the earliest time to Sim(at=...)")
        self.clock.advance(moment - self.clock.seconds())
        for phone in self._phones.values():
            phone.phone.registers()
        self.settle()

    def network(self, *, loss: float, seed: int = 0) -> None:
        """Lose a share of the datagrams from now on, RTP excepted; the same ones in every run.

        :param loss: 0.0 to 1.0.
        """
        self.exchange.network.loses_at_random(loss, seed)

    def switch(self, name: str, is_on: bool) -> None:
        """Turn a switch of the plan on or off."""
        if not self.switches.knows(name):
            self.switches.replace([*self.switches, Switch(name)])
        self.switches.turn(name, is_on)

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.switches.is_on(name)

    def ladder(self) -> str:
        """All SIP that went over the network, drawn as a ladder."""
        drawing = Drawing()
        return "\n".join([line for step in self.exchange.network.steps() for line in drawing.draw(step)])

    def assert_idle(self) -> None:
        """Nothing of any call may be left; what lamps were looked at is watched no more."""
        for phone in self._phones.values():
            phone.watches_no_more()
        self.exchange.assert_idle()

    def _put(self, number: str, behind: str, transport: str, codecs: Sequence[int]) -> Phone:
        """Put a phone on the network."""
        if transport not in TRANSPORTS:
            raise ValueError(f"phone(): transport is one of {', '.join(TRANSPORTS)}, not {transport!r}")
        features: dict[str, Any] = {"transport": transport, "payload_types": tuple(codecs)}
        if behind:
            if behind not in KINDS:
                raise ValueError(f"phone(): behind is one of {', '.join(KINDS)}, not {behind!r}")
            home = f"203.0.113.{len(self._phones) + 1}"
            self.exchange.network.translators.append(PhoneNAT(home, behind))
            features |= {"host": home, "behind_nat": "192.168.1.2"}
        return self.exchange.phone(number, password=number, **features)

    def _everything(self, number: str) -> Extension:
        return Extension(number, f"Phone {number}", *_hashes(number), class_of_service=self.plan.words)

    def _fill(self) -> None:
        self.exchange.exchange.replace_accounts(
            Accounts(list(self._extensions.values()), self._aliases, trunks=self._trunks)
        )

    def _print(self) -> None:
        if self._trace:
            for step in self.exchange.network.steps(self._printed):
                for line in self._drawing.draw(step):
                    print(line)
        self._printed = len(self.exchange.network.sent)


def _hashes(number: str) -> tuple[str, str]:
    return ha1("MD5", number, REALM, number), ha1("SHA-256", number, REALM, number)


def _tables(users: str | Path | Users | None, folder: Path) -> Users:
    tables: Users = {}
    if isinstance(users, str | Path):
        tables = tomllib.loads((folder / users).read_text())
    elif users is not None:
        tables = users
    for name in tables:
        if name not in TABLES:
            raise ValueError(f"the users have a table {name!r}; there are {', '.join(TABLES)}")
    return tables


def _numbering(row: Mapping[str, Any]) -> Numbering:
    """`country = "33"`, and what else the configuration says of it under `[dialplan]`."""
    try:
        return Numbering(**row)
    except TypeError as error:
        raise ValueError(f"the dialplan of the users: {error}") from None


def _library(row: Mapping[str, Any], folder: Path) -> Library:
    """`prompts = "prompts"`: a folder beside the dialplan, whose sounds count before ours."""
    for name in row:
        if name != "prompts":
            raise ValueError(f"the media of the users have no {name!r}; they have prompts")
    prompts = folder / row["prompts"] if row else None
    return Library(prompts, recordings=Path(os.devnull), synthesiser=Reciter())


def _extension(number: str, row: Any) -> Extension:
    """`101 = "Alice"`, or a table of columns as the database has them."""
    columns: dict[str, Any] = {"name": row} if isinstance(row, str) else dict(row)
    name = columns.pop("name", f"Phone {number}")
    words = frozenset(str(columns.pop("class_of_service", "")).split())
    try:
        return Extension(number, name, *_hashes(number), class_of_service=words, **columns)
    except TypeError as error:
        raise ValueError(f"the extension {number} of the users: {error}") from None


def _trunk(name: str, row: Any, place: int) -> Trunk:
    """`acme = {}`, or a table of columns; each provider has a network of its own."""
    columns = {"host": f"10.9.{place}.1", "addresses": (ip_network(f"10.9.{place}.0/24"),), "qualify": 0, **row}
    return Trunk(name, **columns)


def _switch(name: str, row: Any) -> Switch:
    """`night = false`, or a table of columns."""
    return Switch(name, row) if isinstance(row, bool) else Switch(name, **row)


def _named_by(plan: Plan[Any], *words: str) -> set[str]:
    """What the files of a plan name: `ext("101")`, `mailbox("sales")`."""
    names: set[str] = set()
    for path in {route.path for route in plan.routes}:
        if Path(path).is_file():
            tree = ast.parse(Path(path).read_bytes())
            names.update(name for word in words for _, name in named(tree, word))
    return names


def _moment(text: str, zone_of_test: tzinfo | None) -> datetime:
    """The moment that a text means; one without a zone is in that one, or the machine's.

    :raises ValueError: it is none.
    """
    day, _, rest = text.strip().partition(" ")
    time, _, zone = rest.partition(" ")
    moment = datetime.fromisoformat(f"{day} {time or '00:00'}")
    if not EARLIEST < moment.year < LATEST:
        raise ValueError(f"{text!r} is in no year of telephones")
    if moment.tzinfo is None:
        try:
            own = ZoneInfo(zone) if zone else zone_of_test
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{zone!r} is no time zone") from None
        moment = moment.replace(tzinfo=own) if own is not None else moment.astimezone()
    return moment
