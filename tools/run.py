"""`make run`: an exchange to try, in the folder run/. What is there already is yours and stays as it is.

The database keeps no passwords, only what they hash to; so that the banner can show them every time, the two that
are made here are kept in run/accounts, which only its owner may read.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from pbx import __version__
from pbx.config import Config, load
from pbx.dialplan import loading
from pbx.faults import Fault
from pbx.listening import bind
from pbx.media.library import Library
from pbx.options import Listener
from pbx.store import opening

FOLDER = Path("run")
CONFIG = FOLDER / "pbx.toml"
ACCOUNTS = FOLDER / "accounts"
NUMBERS = ("1001", "1002")
# Nothing that looks like something else on the display of a phone.
LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
PROGRAMS = Path(sys.executable).parent


def pbx(*words: str, stdin: str = "") -> str:
    """Run the `pbx` command and return what it printed; end with its status when it could not do it."""
    command: list[str | Path] = [PROGRAMS / "pbx", "--config", CONFIG, *words]
    done = subprocess.run(command, check=False, input=stdin, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def accounts() -> dict[str, str]:
    """Make sure that both extensions are there; return their passwords, "" for one that was changed elsewhere."""
    there = {row["number"] for row in json.loads(pbx("extension", "list", "--json"))}
    known = dict(line.split() for line in ACCOUNTS.read_text().splitlines()) if ACCOUNTS.exists() else {}
    missing = [number for number in NUMBERS if number not in there]
    for number in missing:
        known.setdefault(number, "".join(secrets.choice(LETTERS) for _ in range(12)))
    # First the note, then the account: after a crash between them the next run still knows the password.
    ACCOUNTS.touch(mode=0o600)
    ACCOUNTS.write_text("".join(f"{number} {password}\n" for number, password in known.items()))
    for number in missing:
        pbx("extension", "add", number, "--name", f"Phone {number}", "--password", "-", stdin=f"{known[number]}\n")
    return {number: known.get(number, "") for number in NUMBERS}


def server(listener: Listener) -> str:
    """Return what a phone in the same network enters as its server; for "all addresses", the one that leads out."""
    host = listener.host
    if host in ("0.0.0.0", "::"):
        family, elsewhere = (socket.AF_INET, "192.0.2.1") if host == "0.0.0.0" else (socket.AF_INET6, "2001:db8::1")
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((elsewhere, 9))  # this sends nothing, it only chooses the route
                host = probe.getsockname()[0]
            except OSError:
                host = "127.0.0.1" if family == socket.AF_INET else "::1"
    place = f"[{host}]" if ":" in host else host
    return place if listener.port == 5060 else f"{place}:{listener.port}"


def check(config: Config) -> None:
    """Find what goes wrong most often before the banner says that all is well: the exchange would find it after that.

    :raises Fault: a port is taken, or the dialplan is wrong.
    """
    with config.blaming("sip.listen"):
        for listener in config.sip.listen:
            bind(listener).close()
    library = Library(config.media.prompts)
    loading.load(config.dialplan.file, opening.numbers(config.database.url).__contains__, library)


def banner(listeners: tuple[Listener, ...], passwords: dict[str, str]) -> str:
    """Return all that somebody needs for a first call, and to see that it comes."""
    phones = "\n".join(
        f"  {'Phones' if number == NUMBERS[0] else '':10} user {number}   password "
        f"{password or '(the one you gave it)'}   server {server(listeners[0])}   "
        f"transport {listeners[0].transport}"
        for number, password in passwords.items()
    )
    return f"""
  txpbx {__version__}, the PBX you program in Python

  Listens on {", ".join(map(str, listeners))}
{phones}
  Dial       1001 or 1002: the other phone; 600: an echo test, you hear yourself; 601: a menu; 602: a memo
  Look       {os.path.relpath(PROGRAMS)}/pbx --config {CONFIG} registrations, in another terminal: who is there
  Change     {FOLDER}/dialplan.py decides what a call does, {CONFIG} the rest; {ACCOUNTS} keeps the passwords
  Stop       Ctrl-C
"""


def main() -> None:
    """Prepare what is missing, show the banner and become the exchange."""
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    for sample in ("dialplan.py", "pbx.toml"):
        if not (FOLDER / sample).exists():
            shutil.copy(Path("etc") / sample, FOLDER / sample)
    try:
        config = load(CONFIG)
        pbx("db", "upgrade")
        passwords = accounts()
        check(config)
    except Fault as fault:
        sys.exit(str(fault))
    print(banner(config.sip.listen, passwords), flush=True)
    twistd = PROGRAMS / "twistd"
    os.execv(twistd, [str(twistd), "--nodaemon", "--pidfile=", "pbx", "--config", str(CONFIG)])


if __name__ == "__main__":
    main()
