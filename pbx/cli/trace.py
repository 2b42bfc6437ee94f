"""`pbx trace`: the messages of a call, as a ladder, as a page, or as a capture for Wireshark."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pbx.cli import output
from pbx.cli.live import rows
from pbx.cli.settings import Settings, pass_settings
from pbx.faults import Fault


@click.command()
@click.argument("call")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write one self-contained page.")
@click.option("--pcap", type=click.Path(path_type=Path), metavar="FILE", help="Write a capture that Wireshark opens.")
@output.as_json
@pass_settings
def trace(settings: Settings, call: str, html: Path | None, pcap: Path | None, as_json: bool) -> None:
    """Show which messages CALL has sent and received.

    As a ladder, with what has caused them: lines of the dialplan, timers. The running server remembers the last calls
    ([trace] calls); passwords, keys and what people write are left out. - as FILE is standard output.

    CALL is an id of `pbx calls`, `pbx records` or the log; it may be cut as long as no other one begins so.
    """
    from pbx.capture import captured
    from pbx.ladder import Step, drawn
    from pbx.ladder_page import page

    found = rows(settings, "trace", call=call)
    ladder = [Step(**{name: value for name, value in row.items() if name != "call"}) for row in found]
    id = str(found[0]["call"]) if found else call
    if html is not None:
        facts = _facts(settings, id)
        _write(html, page(f"call {id}", facts, ladder).encode("utf-8", "backslashreplace"))
    if pcap is not None:
        _write(pcap, captured(ladder))
    if as_json:
        output.show(found, (), True)
    elif html is None and pcap is None:
        click.echo(drawn(ladder))


def _facts(settings: Settings, call: str) -> dict[str, str]:
    """What its record says; nothing where there is none."""
    from pbx.cli.doctor import found

    try:
        row, _ = found(settings, call)
    except Fault:
        return {}
    names = ("sentence", "cause", "began_at", "caller", "dialled", "reached", "codec", "caller_mos", "callee_mos")
    return {name.replace("_", " "): str(row[name]) for name in names if row.get(name) not in (None, "")}


def _write(file: Path, content: bytes) -> None:
    if str(file) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        file.write_bytes(content)
    except OSError as error:
        raise Fault("", 0, f"{file} cannot be written: {error.strerror}", "name another file") from error
