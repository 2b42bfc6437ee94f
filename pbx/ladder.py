"""A ladder: who sent which message to whom, in the order of time, drawn as text: of a call of the running server
(`pbx trace`), and of a simulation (`pbx.testing`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pbx.sip.redaction import redacted
from pbx.sip.trace import NOTE, RECEIVED, Entry

EXCHANGE = "exchange"
COLUMN = 26  # characters from one party to the next
_TIME = 10
_CSEQ = re.compile(rb"^CSeq[ \t]*:[ \t]*(\d{1,10})[ \t]+([A-Z]{1,32})", re.IGNORECASE | re.MULTILINE)
_CALL_ID = re.compile(rb"^(?:Call-ID|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """One message, or one note.

    :param at: seconds since the first.
    :param source: who sent it; "" for a note.
    :param target: to whom.
    :param label: "INVITE", "200 INVITE"; of a note, what happened.
    :param why: what has caused it, as far as that is known: a timer, a line of the dialplan.
    :param text: the whole message.
    :param transport: "UDP", "TCP" or "TLS".
    :param ours: our address in it.
    :param moment: when, in seconds since 1970.
    """

    at: float
    source: str
    target: str
    label: str
    why: str = ""
    text: str = ""
    transport: str = ""
    ours: str = ""
    moment: float = 0.0


def steps(entries: Iterable[Entry], call: str, call_ids: set[str]) -> list[Step]:
    """The ladder of one call.

    :param entries: of the trace.
    :param call: its id.
    :param call_ids: those of its sessions.
    """
    found: list[Step] = []
    began: float | None = None
    seen: dict[tuple[bytes, object], int] = {}
    repeated = False  # whether the last message that came had come before
    for entry in entries:
        if entry.way is NOTE:
            if entry.call != call:
                continue
        elif call_id_of(entry.packet) not in call_ids:
            continue
        began = entry.at if began is None else began
        at = entry.at - began
        if entry.flow is None:
            place = f"{entry.place[0].rpartition('/')[2]}:{entry.place[1]}" if entry.place else ""
            found.append(Step(at, "", "", entry.words, place, moment=entry.at))
            continue
        flow = entry.flow
        times = seen[entry.packet, entry.way] = seen.get((entry.packet, entry.way), 0) + 1
        peer, label = _hostport(*flow.remote), kind_of(entry.packet)
        ends, why = (peer, EXCHANGE), ""
        if entry.way is RECEIVED:
            repeated = times > 1
            why = "came again" if repeated else ""
        else:
            ends = (EXCHANGE, peer)
            why = _reason(label, repeated) if times > 1 else ""
        text = redacted(entry.packet).decode("utf-8", "replace")
        ours = _hostport(flow.source or "0.0.0.0", flow.port)
        found.append(Step(at, *ends, label, why, text, flow.transport, ours, entry.at))
    return found


def kind_of(packet: bytes) -> str:
    """What SIP message it is: "INVITE", or "200 INVITE" for an answer to one; "" when it is none."""
    first, _, rest = packet.partition(b"\r\n")
    if not first.startswith(b"SIP/2.0 "):
        return first.partition(b" ")[0].decode("ascii", "replace") if first.endswith(b" SIP/2.0") else ""
    sequence = _CSEQ.search(rest)
    method = sequence[2].decode("ascii").upper() if sequence else ""
    return f"{first[8:11].decode('ascii', 'replace')} {method}"


def call_id_of(packet: bytes) -> str:
    """Its Call-ID; "" where it has none."""
    found = _CALL_ID.search(packet)
    return found[1].strip().decode("utf-8", "surrogateescape") if found is not None else ""


class Drawing:
    """A ladder, drawn step by step; whoever appears gets the next column.

    :param parties: who is known to appear, from left to right.
    """

    def __init__(self, parties: Sequence[str] = ()) -> None:
        self._parties = list(parties)
        self._headed = False

    def draw(self, step: Step) -> Iterator[str]:
        """The lines of the next step: the parties, where one of them is new, and the arrow."""
        for party in (step.source, step.target):
            if party and party not in self._parties:
                self._parties.append(party)
                self._headed = False
        if not self._headed and self._parties:
            self._headed = True
            yield " " * _TIME + "".join([_shown(party, COLUMN - 2).center(COLUMN) for party in self._parties]).rstrip()
        yield f"{step.at:8.3f}  {self._row(step)}".rstrip()

    def _row(self, step: Step) -> str:
        if not step.source:
            note = f"-- {_shown(step.label, 100)}"
            return f"{note} ({_shown(step.why, 60)})" if step.why else note
        here, there = self._parties.index(step.source), self._parties.index(step.target)
        line = [" "] * (COLUMN * len(self._parties))
        for place in range(len(self._parties)):
            line[place * COLUMN + COLUMN // 2] = "|"
        first, last = sorted((here, there))
        begin, end = first * COLUMN + COLUMN // 2 + 1, last * COLUMN + COLUMN // 2
        if begin < end:
            body = f" {_shown(step.label, end - begin - 4)} ".center(end - begin, "-")
            line[begin:end] = body[:-1] + ">" if here < there else "<" + body[1:]
        else:
            line[begin - 1] = "o"  # to itself
        row = "".join(line).rstrip()
        return f"{row}   {_shown(step.why, 60)}" if step.why else row


def parties(ladder: Sequence[Step]) -> list[str]:
    """Who appears: the caller, then us, then all others in the order in which they come."""
    ends = [end for step in ladder if step.source for end in (step.source, step.target)]
    others = [end for end in dict.fromkeys(ends) if end != EXCHANGE]
    return [*others[:1], EXCHANGE, *others[1:]]


def drawn(ladder: Sequence[Step]) -> str:
    """A whole ladder of a call: the caller on the left, us beside it, then all others."""
    drawing = Drawing(parties(ladder))
    return "\n".join([line for step in ladder for line in drawing.draw(step)])


def _reason(label: str, repeated: bool) -> str:
    """Why we send a message once more."""
    status, _, method = label.partition(" ")
    if repeated and (method or label == "ACK"):
        return "again, since what it answers came again"
    if not method:
        return f"again: timer {'A' if label == 'INVITE' else 'E'} (RFC 3261 17.1)"
    if method == "INVITE" and status[:1] == "2":
        return "again: no ACK yet (RFC 3261 13.3.1.4)"
    if method == "INVITE" and status[:1] == "1":
        return "again: no PRACK yet (RFC 3262 3)"
    return "again: timer G (RFC 3261 17.2.1)"


def _hostport(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _shown(text: str, most: int) -> str:
    """What was on the wire must not reach the terminal as an escape sequence."""
    text = "".join([letter if letter.isprintable() else "?" for letter in text])
    return text if len(text) <= most else f"{text[: max(0, most - 3)]}..."
