"""`pbx doctor`: why a call has ended as it did, how that is known, and what can be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import click

from pbx.cli import output
from pbx.cli.records import shown
from pbx.cli.settings import Settings, pass_settings
from pbx.faults import Fault

Row = Mapping[str, Any]

_SOUND = {"packets": "packets", "lost": "lost", "jitter": "jitter", "opinion": "mos"}


@click.command()
@click.argument("call")
@output.as_json
@pass_settings
def doctor(settings: Settings, call: str, as_json: bool) -> None:
    """Say why CALL has ended as it did.

    In one sentence; with the evidence for it, and with what can be done. Of a call that goes on, what is known so far.

    CALL is an id of `pbx calls`, `pbx records` or the log; it may be cut as long as no other one begins so.
    """
    from pbx.exchange.causes import BY_NAME, UNKNOWN_CAUSE

    row, attempts = found(settings, call)
    goes_on = not row["cause"]
    cause = BY_NAME.get(row["cause"], UNKNOWN_CAUSE)
    evidence = [] if goes_on else [cause.evidence]
    evidence += [_attempt(attempt) for attempt in attempts]
    evidence += [_held(party, row) for party in ("caller", "callee") if row[f"{party}_held"]]
    evidence += [_sound(party, row) for party in ("caller", "callee") if row[f"{party}_signalled"]]
    sentence = "the call goes on" if goes_on else row["sentence"]
    remedy = "" if goes_on else cause.remedy
    if as_json:
        whole = {**row, "sentence": sentence, "attempts": attempts, "evidence": evidence, "remedy": remedy}
        output.show([whole], (), True)
        return
    lines = {"call": row["id"], "began at": row["began_at"], "cause": row["cause"]}
    click.echo(f"{output.printable(sentence)}\n")
    for name, value in lines.items():
        if value:
            click.echo(f"{name:<9}  {output.printable(value)}")
    for place, line in enumerate(evidence):
        click.echo(f"{'' if place else 'evidence':<9}  {output.printable(line)}")
    if remedy:
        click.echo(f"{'remedy':<9}  {output.printable(remedy)}")


def found(settings: Settings, call: str) -> tuple[Row, list[Row]]:
    """The record of a call and those of its attempts: from the running server's memory, else from the database.

    :raises Fault: there is none, or there are several.
    """
    from pbx.cli.client import NoServer, ask
    from pbx.store.records import read_record

    try:
        answered: Any = ask(settings.config.control.socket, "record", call=call)
    except NoServer:
        answered = []
    if len(answered) > 1:
        raise Fault("", 0, f"{call} is the beginning of {len(answered)} calls", "write more of its id")
    if answered:
        return _flat(answered[0]), [_times(attempt) for attempt in answered[0]["attempts"]]
    with settings.reading() as connection:
        row, attempts = read_record(connection, call)
    return {name: shown(value) for name, value in row.items()}, [
        {name: shown(value) for name, value in attempt.items()} for attempt in attempts
    ]


def _flat(record: Row) -> Row:
    """A record from memory, with the columns of one from the database."""
    row = {name: value for name, value in record.items() if name not in ("attempts", "from_caller", "from_callee")}
    for party in ("caller", "callee"):
        sound = record[f"from_{party}"]
        row |= {f"{party}_{column}": sound[name] for name, column in _SOUND.items()}
        row |= {f"{party}_signalled": sound["signalled"], f"{party}_media": sound["source"]}
        row[f"{party}_latched_at"] = sound["latched_at"]
    return _times(row)


def _times(row: Row) -> Row:
    return {
        name: shown(datetime.fromtimestamp(value, UTC)) if name.endswith("_at") and value is not None else value
        for name, value in row.items()
    }


def _attempt(row: Row) -> str:
    where = f" at {row['address']}" if row["address"] else ""
    steps = [f"attempt {row['place']}: {row['target']}{where}"]
    if row["rang_at"]:
        steps.append(f"first sign of progress after {_after(row, 'rang_at')}")
    if row["answered_at"]:
        steps.append(f"answered after {_after(row, 'answered_at')}")
    elif row["ended_at"]:
        steps.append(f"{row['code']} {row['text']} after {_after(row, 'ended_at')}".replace("  ", " "))
    return ", ".join(steps)


def _after(row: Row, name: str) -> str:
    """How long after the beginning of a call, or of an attempt, something happened."""
    passed = datetime.fromisoformat(row[name]) - datetime.fromisoformat(row["began_at"])
    return f"{passed.total_seconds():.2f} s"


def _held(party: str, row: Row) -> str:
    return f"the {party} had the other one on hold for {row[f'{party}_held']:.0f} s"


def _sound(party: str, row: Row) -> str:
    said = f"the {party}'s SDP says {row[f'{party}_signalled']}"
    if not row[f"{party}_packets"]:
        return f"{said}; no RTP came from it"
    came = f"{row[f'{party}_packets']} packets came from {row[f'{party}_media']}"
    if row[f"{party}_latched_at"]:
        came += f", on which we settled after {_after(row, f'{party}_latched_at')}"
    came += f", {row[f'{party}_lost']} were lost"
    jitter, opinion = row[f"{party}_jitter"] * 1000, row[f"{party}_mos"]
    return f"{said}; {came}, jitter {jitter:.1f} ms, MOS {opinion}"
