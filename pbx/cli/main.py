"""`pbx`: exit status 0, 1 (it could not be done) or 2 (wrong usage), and then one sentence on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import NoReturn

import click

from pbx import __version__
from pbx.cli.alias import alias
from pbx.cli.bans import bans
from pbx.cli.calls import calls, hangup
from pbx.cli.check import check
from pbx.cli.client import Refused
from pbx.cli.conference import conference, conferences
from pbx.cli.database import db
from pbx.cli.dialplan import dialplan
from pbx.cli.doctor import doctor
from pbx.cli.explain import explain
from pbx.cli.extension import extension
from pbx.cli.holiday import holiday
from pbx.cli.live import registrations, reload, status
from pbx.cli.mailbox import mailbox
from pbx.cli.permission import permission
from pbx.cli.records import records
from pbx.cli.settings import Settings
from pbx.cli.switch import switch
from pbx.cli.trace import trace
from pbx.cli.trunk import trunk, trunks
from pbx.cli.voicemail import voicemail
from pbx.faults import Fault


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    metavar="FILE",
    help="The configuration. Without it: $PBX_CONFIG, ./pbx.toml, /etc/pbx/pbx.toml, whichever there is first.",
)
@click.version_option(__version__, prog_name="pbx", message="%(prog)s %(version)s")
@click.pass_context
def pbx(context: click.Context, config: str | None) -> None:
    """Administer a PBX: its database, its extensions, and the server that is running.

    The server itself is started by: twistd -n --pidfile= pbx --config FILE
    """
    context.obj = Settings(config)


for _command in (
    *(alias, bans, calls, check, conference, conferences, db, dialplan, doctor, explain, extension, hangup, holiday),
    *(mailbox, permission, records, registrations, reload, status, switch, trace, trunk, trunks, voicemail),
):
    pbx.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        # What the caller has closed is nothing to read from and nowhere to write to.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not have is no reason to fail.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        status = pbx.main(arguments, prog_name="pbx", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as help_text:
        print(help_text.format_message(), file=sys.stderr)
        return 2
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "pbx"
        return _complain(str(Fault("", 0, f"{path}: {error.format_message().rstrip('.')}", f"see `{path} --help`")), 2)
    except click.ClickException as error:
        return _complain(error.format_message(), 1)
    except click.Abort:
        return _complain("given up", 1)
    except (Fault, Refused) as error:
        return _complain(str(error), 1)
    except OSError as error:
        # Python's own flush at the exit must not complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 1  # the reader, such as `head`, has seen enough
        return _complain(f"the output cannot be written: {error.strerror}", 1)


def _complain(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status
