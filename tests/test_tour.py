"""The tour goes where the code goes: its names exist, its walks are walked, its ladder is what is sent.

The call of the tour is made with simulated phones and the sample dialplan, while a profile function notes on which
stack of public functions each door of the exchange is entered.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType

import pytest

from pbx.dialplan import loading
from pbx.media.port import Port
from pbx.media.relay import when
from pbx.sip.transport import UDPTransport
from pbx.testing.exchange import HOST, SimulatedExchange
from tests import house

ROOT = Path(__file__).parent.parent
TOUR = (ROOT / "docs/tour.md").read_text()
SAMPLE = ROOT / "etc/dialplan.py"
ACCOUNTS = {"1001": "alice's", "1002": "bob's"}

PROSE = re.sub(r"^```.*?^```", "", TOUR, flags=re.MULTILINE | re.DOTALL)
NAMES = sorted({name for name in re.findall(r"`([^`\n]+)`", PROSE) if re.fullmatch(r"[A-Za-z_][\w./]*", name)})
ROOMS = [tuple(re.findall(r"`([^`]+)`", heading)) for heading in re.findall(r"^### \d+\. (.*)$", TOUR, re.MULTILINE)]
DOORS = [door for room in ROOMS for door in room]
WALKS = [re.findall(r"`([^`]+)`", walk) for walk in re.findall(r"`[^`]+`(?:\s+→\s+`[^`]+`)+", PROSE)]


class Trace:
    """What the exchange did, as long as it is entered.

    :ivar stacks: the public functions on the stack, for each that was entered, in the order of their first time.
    :ivar entered: the public functions that were entered, one list for each datagram of SIP.
    :ivar files: the file of each function.
    """

    def __init__(self) -> None:
        self.stacks: dict[tuple[str, ...], None] = {}
        self.entered: list[list[str]] = []
        self.files: dict[str, str] = {}

    def __enter__(self) -> Trace:
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.setprofile(None)

    def _profile(self, frame: FrameType | None, event: str, argument: object) -> None:
        if event != "call" or frame is None or not public(frame.f_code):
            return
        stack: list[str] = []
        code = frame.f_code
        while frame is not None:
            name = public(frame.f_code)
            if name:
                stack.append(name)
            if frame.f_code is Port.rtp_received.__code__:
                break
            if frame.f_code is UDPTransport.datagram_received.__code__:
                if frame.f_locals["self"].host != HOST:
                    return  # a phone, which has the same stack
                if len(stack) == 1:
                    self.entered.append([])
                self.entered[-1].append(stack[0])
                break
            frame = frame.f_back
        else:
            return
        self.files[stack[0]] = str(Path(code.co_filename).relative_to(ROOT))
        self.stacks.setdefault(tuple(reversed(stack)))


def public(code: CodeType) -> str:
    """The name of one of our functions as the tour writes it; "" for what is private, or not ours, or no place: as a
    Deferred would, `when` leads on to what waits for a result."""
    name = code.co_qualname.removesuffix(".__init__")
    path = code.co_filename
    ours = path == str(SAMPLE) or (path.startswith(f"{ROOT}/pbx/") and not path.startswith(f"{ROOT}/pbx/testing/"))
    return name if ours and code is not when.__code__ and not re.search(r"<|\b_", name) else ""


@pytest.fixture(scope="module")
def known() -> set[str]:
    """All names that the tour may use: of modules, of what they define, and of what their classes define."""
    names = {"extension"}  # the sample's
    for module in house.modules(ROOT):
        names.add(module.name)
        for node in module.tree.body:
            for name in defined(node):
                names |= {name, f"{module.name}.{name}"}
            if isinstance(node, ast.ClassDef):
                inside = [name for part in ast.walk(node) for name in defined(part)]
                names |= {f"{node.name}.{name}" for name in inside}
    return names


def defined(node: ast.AST) -> list[str]:
    """The names that a statement gives to something, also when it is an attribute of `self`."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [
        part.id if isinstance(part, ast.Name) else part.attr
        for part in targets
        if isinstance(part, ast.Name | ast.Attribute)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_name_is_one_of_the_house(known, name):
    assert (ROOT / name).exists() if "/" in name else name in known


def an_office() -> SimulatedExchange:
    return SimulatedExchange(loading.load(SAMPLE, ACCOUNTS.__contains__), ACCOUNTS)


@pytest.fixture(scope="module")
def trace() -> Trace:
    """A registration, a call that is answered, held and ended by the callee; one that is refused, one given up."""
    with Trace() as trace:
        sim = an_office()
        alice, bob = sim.phone("1001"), sim.phone("1002")
        alice.invites("1002")
        sim.until(lambda: bob.ringing)
        bob.answers()
        sim.until(lambda: alice.talking and bob.talking)
        assert sim.talk(alice, bob)
        alice.holds()
        sim.advance(1)
        bob.hangs_up()
        sim.until(lambda: alice.idle)
        alice.invites("1002")
        sim.until(lambda: bob.ringing)
        bob.declines()
        sim.until(lambda: alice.idle)
        alice.invites("1002")
        sim.until(lambda: bob.ringing)
        alice.hangs_up()
        sim.until(lambda: bob.idle)
    sim.assert_idle()
    return trace


def test_ten_rooms_are_entered_in_their_order_on_one_stack(trace):
    assert len(ROOMS) == 10
    assert tuple(DOORS) in trace.stacks


def test_ten_rooms_are_entered_once_each(trace):
    (invited, *_) = [names for names in trace.entered if "InviteClientTransaction" in names]
    assert [name for name in invited if name in DOORS] == list(DOORS)


def test_each_file_is_visited_once_but_for_the_two_ends_and_the_ringing(trace):
    files = [trace.files[door] for door in DOORS]
    visits = Counter(here for before, here in pairwise(["", *files]) if here != before)
    twice = {file for file, count in visits.items() if count > 1}
    assert twice == {"pbx/sip/transport.py", "pbx/sip/transaction_layer.py", "pbx/exchange/ringing.py"}
    assert max(visits.values()) == 2


def test_each_room_names_its_files_and_its_tests(trace):
    sections = re.split(r"^### \d+\. .*$|^## ", TOUR, flags=re.MULTILINE)
    rooms = [section for section in sections if "\nTests: " in section][: len(ROOMS)]
    for doors, section in zip(ROOMS, rooms, strict=True):
        for door in doors:
            assert f"`{trace.files[door]}`" in section, door
        assert "`tests/" in section.partition("\nTests: ")[2]


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: f"{walk[0]} to {walk[-1]}")
def test_walk_is_walked(trace, walk):
    wanted, length = tuple(walk), len(walk)
    assert any(
        stack[place : place + length] == wanted for stack in trace.stacks for place in range(len(stack) - length + 1)
    )


def test_the_tour_has_walks_for_all_that_a_call_is_made_of():
    ends = {walk[-1] for walk in WALKS}
    assert len(WALKS) >= 12
    assert {"UDPFlow.send", "Answer.acknowledged", "NonInviteClientTransaction", "Port.send_rtp"} <= ends


def test_ladder_is_what_goes_over_the_wire():
    sim = an_office()
    alice, bob = sim.phone("1001"), sim.phone("1002")
    sent = len(sim.network.sent)
    alice.invites("1002")
    sim.until(lambda: alice.hears_ringing)
    bob.answers()
    sim.until(lambda: alice.talking)
    sim.advance(1)
    bob.hangs_up()
    sim.until(lambda: alice.idle)
    sim.assert_idle()

    drawn = []
    (ladder,) = re.findall(r"^```text\n(.*?)^```", TOUR, re.MULTILINE | re.DOTALL)
    for line in ladder.splitlines():
        if "--" in line:
            _, left, right, _ = line.split("|")
            arrow, phone = (left, alice.host) if "-" in left else (right, bob.host)
            comes = (arrow is left) == arrow.endswith(">")
            drawn.append((arrow.strip("<-> "), *((phone, HOST) if comes else (HOST, phone))))
    assert drawn == [(datagram.kind, datagram.source[0], datagram.target[0]) for datagram in sim.network.sent[sent:]]
