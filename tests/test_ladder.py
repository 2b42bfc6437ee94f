"""The trace of real calls in virtual time: its ladder, why each message went, its page, its capture."""

from __future__ import annotations

import io
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.capture import captured
from pbx.dialplan import Call, Plan, ext
from pbx.faults import Fault
from pbx.ladder import EXCHANGE, Drawing, Step, drawn, kind_of
from pbx.ladder_page import page
from pbx.testing.exchange import SimulatedExchange
from pbx.testing.phone import Phone
from pbx.traced import Traced
from tests.programs import program

ACCOUNTS = {"1001": "alice's", "1002": "bob's"}

plan: Plan[Any] = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await ring(call, number)


async def ring(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)


LINE = ring.__code__.co_firstlineno + 1


class Office:
    def __init__(self) -> None:
        self.sim = SimulatedExchange(plan, ACCOUNTS)
        self.alice, self.bob = self.sim.phone("1001"), self.sim.phone("1002")

    def talks(self) -> tuple[Phone, Phone]:
        self.alice.invites("1002")
        self.sim.until(lambda: self.bob.ringing)
        self.bob.answers()
        self.sim.until(lambda: self.alice.talking)
        self.sim.advance(1)
        return self.alice, self.bob

    def ladder(self) -> list[Step]:
        rows = Traced(self.sim.exchange.tracing).trace(self.id)
        return [Step(**{name: value for name, value in row.items() if name != "call"}) for row in rows]  # type: ignore[arg-type]

    @property
    def id(self) -> str:
        running = list(self.sim.exchange.switchboard.calls)
        return running[-1] if running else self.sim.records.rows[-1].id


@pytest.fixture
def office() -> Office:
    return Office()


def labels(ladder: list[Step]) -> list[str]:
    return [step.label for step in ladder if step.source]


def test_ladder_has_the_messages_of_both_sides_in_their_order_and_no_others(office: Office) -> None:
    alice, _ = office.talks()
    alice.hangs_up()
    office.sim.advance(1)
    assert labels(office.ladder()) == [
        *("INVITE", "INVITE", "180 INVITE", "180 INVITE", "200 INVITE", "ACK", "200 INVITE", "ACK"),
        *("BYE", "200 BYE", "BYE", "200 BYE"),
    ]


def test_line_of_the_dialplan_stands_beside_what_it_has_caused(office: Office) -> None:
    office.talks()
    notes = {step.label: step.why for step in office.ladder() if not step.source}
    assert notes["calls 1002 for 20 s"] == f"test_ladder.py:{LINE}"


def test_timers_stand_beside_what_they_have_sent_again(office: Office) -> None:
    office.sim.network.loses("INVITE", target=office.bob.host, times=2)
    office.alice.invites("1002")
    office.sim.until(lambda: office.bob.ringing)
    office.sim.network.loses("ACK", source=office.alice.host, times=1)
    office.bob.answers()
    office.sim.advance(4)
    office.alice.hangs_up()
    office.sim.advance(1)
    whys = [(step.label, step.why) for step in office.ladder() if step.source == EXCHANGE and step.why]
    assert whys[:2] == [("INVITE", "again: timer A (RFC 3261 17.1)")] * 2
    assert ("200 INVITE", "again: no ACK yet (RFC 3261 13.3.1.4)") in whys


def test_response_to_a_request_that_came_again_is_said_to_be_that(office: Office) -> None:
    office.talks()
    office.sim.network.loses("200 BYE", target=office.alice.host, times=1)
    office.alice.hangs_up()
    office.sim.advance(2)
    ladder = office.ladder()
    assert [step.why for step in ladder if step.label == "BYE" and step.source.startswith(office.alice.host)] == [
        "",
        "came again",
    ]
    assert "again, since what it answers came again" in [step.why for step in ladder if step.label == "200 BYE"]


def test_another_call_is_not_in_it(office: Office) -> None:
    alice, _ = office.talks()
    first = len(office.ladder())
    alice.hangs_up()
    office.sim.advance(1)
    office.talks()
    assert len(office.ladder()) == first


def test_registrations_are_kept_in_neither_direction(office: Office) -> None:
    office.talks()
    assert {kind_of(sent.packet).split()[-1] for sent in office.sim.network.sent} >= {"REGISTER", "INVITE"}
    tracing = office.sim.exchange.tracing
    assert tracing is not None
    kept = {kind_of(entry.packet).split()[-1] for entry in tracing.trace.entries if entry.packet}
    assert kept == {"INVITE", "ACK"}


def test_long_words_of_a_phone_do_not_fill_the_memory_beyond_the_ring_s_bound(office: Office) -> None:
    office.alice.invites("1002")
    office.sim.until(lambda: office.bob.ringing)
    call = office.bob._current()
    assert call.session is not None
    call.session.reject(486, "busy " * 5000)
    call.over("us")
    office.sim.advance(5)
    tracing = office.sim.exchange.tracing
    assert tracing is not None
    notes = [entry for entry in tracing.trace.entries if not entry.packet]
    assert any("486 busy busy" in note.words for note in notes)
    assert max(len(note.words) for note in notes) < 200


def test_secrets_are_not_in_it(office: Office) -> None:
    office.talks()
    texts = "".join(step.text for step in office.ladder())
    assert "Authorization: Digest" in texts and "response=***" in texts


def test_call_that_is_not_there_is_said_so(office: Office) -> None:
    with pytest.raises(Fault, match="no call 9 is in the trace"):
        Traced(office.sim.exchange.tracing).trace("9")
    with pytest.raises(Fault, match="nothing is traced"):
        Traced(None).trace("9")


def test_only_the_last_calls_are_remembered(office: Office) -> None:
    tracing = office.sim.exchange.tracing
    assert tracing is not None
    tracing._most = 2
    ids = []
    for _ in range(3):
        alice, _ = office.talks()
        ids.append(office.id)
        alice.hangs_up()
        office.sim.advance(1)
    assert [bool(tracing.call_ids(id)) for id in ids] == [False, True, True]


def test_drawing_has_a_column_for_each_party(office: Office) -> None:
    office.talks()
    heading, first, *_ = drawn(office.ladder()).splitlines()
    assert heading.split() == ["10.0.1.1:5060", "exchange", "10.0.1.2:5060"]
    assert "INVITE" in first and first.index("INVITE") < heading.index("exchange")
    assert first.rstrip().endswith("|")


def test_who_appears_later_gets_a_column_and_a_new_heading() -> None:
    drawing = Drawing()
    lines = list(drawing.draw(Step(0.0, "a", "b", "INVITE")))
    lines += list(drawing.draw(Step(1.0, "c", "a", "200 INVITE", "why")))
    assert [line.split() for line in lines if "a" in line.split()] == [["a", "b"], ["a", "b", "c"]]
    assert "<" in lines[-1] and lines[-1].endswith("   why")


def test_what_was_on_the_wire_does_not_reach_the_terminal_as_it_is() -> None:
    assert "\x1b" not in drawn([Step(0.0, "a\x1b[2J", EXCHANGE, "\x1b[2J"), Step(0.0, "", "", "\x1b")])


# The capture, by a reader that is not ours


@pytest.mark.parametrize("peer", ["10.0.1.1:5060", "[2001:db8::1]:5062"])
def test_capture_is_read_by_others_and_its_checksums_are_right(peer: str) -> None:
    ours = "[2001:db8::9]:5060" if peer.startswith("[") else "10.0.0.1:5060"
    ladder = [
        Step(0.0, peer, EXCHANGE, "INVITE", "", "INVITE sip:a SIP/2.0\r\n\r\n", "UDP", ours, 1_773_133_200.25),
        Step(0.1, "", "", "a note", moment=1_773_133_200.3),
        Step(0.2, EXCHANGE, peer, "200 INVITE", "", "SIP/2.0 200 OK\r\n\r\nodd", "TLS", ours, 1_773_133_200.5),
    ]
    reader = dpkt.pcap.Reader(io.BytesIO(captured(ladder)))
    assert reader.datalink() == 101  # LINKTYPE_RAW
    packets = list(reader)
    assert [round(moment, 3) for moment, _ in packets] == [1_773_133_200.25, 1_773_133_200.5]
    for (_, packet), step in zip(packets, (ladder[0], ladder[2]), strict=True):
        ip = dpkt.ip6.IP6(packet) if peer.startswith("[") else dpkt.ip.IP(packet)
        assert isinstance(ip.data, dpkt.udp.UDP)
        assert ip.data.data == step.text.encode()
        assert (ip.data.sport, ip.data.dport) == ports(step, ours)
        told, ip.data.sum = ip.data.sum, 0
        if not peer.startswith("["):
            of_ip, ip.sum = ip.sum, 0
        again = bytes(ip)  # which computes both anew
        assert told == int.from_bytes(again[-len(ip.data.data) - 2 :][:2], "big")
        assert peer.startswith("[") or of_ip == int.from_bytes(again[10:12], "big")


def ports(step: Step, ours: str) -> tuple[int, int]:
    ends = [ours if end == EXCHANGE else end for end in (step.source, step.target)]
    source, target = (int(end.rpartition(":")[2]) for end in ends)
    return source, target


@given(st.text(), st.text(), st.text(), st.text(), st.floats(0, 4e9))
def test_capture_of_anything_can_be_read(source: str, target: str, text: str, ours: str, moment: float) -> None:
    content = captured([Step(0.0, source or "a", target, "INVITE", "", text, "UDP", ours, moment)])
    assert len(list(dpkt.pcap.Reader(io.BytesIO(content)))) == 1


# The page

EVIL = "<script>alert(1)</script>\"'&\x00\x1b\u2028</pre></section>"


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_page_is_of_one_piece_and_has_each_message_behind_its_arrow(office: Office) -> None:
    office.talks()
    ladder = office.ladder()
    reader = read(page("call 7f3a", {"sentence": "they talk", "caller": "1001"}, ladder))
    messages = [step for step in ladder if step.source]
    assert reader.tags.count("section") == reader.tags.count("polygon") == len(messages)
    assert not {"script", "link", "img", "iframe"} & set(reader.tags)
    targets = {value for name, value in reader.attributes if name == "href"} - {"#"}
    assert targets == {f"#{value}" for name, value in reader.attributes if name == "id"}
    assert all(value.startswith("#") for name, value in reader.attributes if name in ("href", "src"))
    assert "they talk" in reader.texts


def test_page_shows_what_hostile_peers_have_written_and_does_nothing_of_it() -> None:
    harmless = read(page("x", {"caller": "x"}, [Step(0.0, "x", EXCHANGE, "x", "x", "x", "UDP")]))
    evil = read(page(EVIL, {EVIL: EVIL}, [Step(0.0, EVIL, EXCHANGE, EVIL, EVIL, EVIL, EVIL), Step(0.0, "", "", EVIL)]))
    assert "script" not in evil.tags
    assert [tag for tag in evil.tags if tag not in harmless.tags] == []
    assert not [name for name, _ in evil.attributes if name.startswith("on")]


def test_page_is_drawn_by_a_browser(office: Office, tmp_path: Path) -> None:
    chromium = program("chromium")
    alice, _ = office.talks()
    alice.hangs_up()
    office.sim.advance(1)
    (tmp_path / "call.html").write_text(page("call", {"sentence": "they talked"}, office.ladder()))
    picture = tmp_path / "call.png"
    subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
         f"--screenshot={picture}", "--window-size=1200,900", f"file://{tmp_path}/call.html"],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 20_000  # an empty page has 4000 bytes
