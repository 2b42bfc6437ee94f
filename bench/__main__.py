"""`python -m bench`, which is `make bench`: prints what the machine is, then the figures, part by part."""

from __future__ import annotations

import argparse
import os
import shutil
import sys

from bench import calls, conference, doors, machine, messages, registrations, relay, secure, simulated, sound, srtp
from tests.programs import PACKAGES

PARTS = (
    "messages",
    "calls",
    "tcp",
    "tls",
    "relay",
    "srtp",
    "sound",
    "conference",
    "memory",
    "idle",
    "registrations",
    "flood",
    "refusals",
    "plan",
)
WITHOUT_SIPP = ("messages", "plan", "conference", "tls", "idle", "flood", "refusals", "srtp")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"which of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--rate", type=float, default=100, help="calls a second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=30, help="how long that lasts (default: %(default)s)")
    parser.add_argument("--warm", type=float, default=8, help="seconds of load before it (default: %(default)s)")
    parser.add_argument("--relayed", type=int, default=100, help="calls with audio (default: %(default)s)")
    parser.add_argument("--relay-seconds", type=float, default=10, help="of audio (default: %(default)s)")
    parser.add_argument("--engine", default="auto", help="what forwards it: native, python (default: %(default)s)")
    parser.add_argument("--keys", action="store_true", help="as keys (RFC 4733), ten a second, and no other sound")
    parser.add_argument("--parties", type=int, default=16, help="of a conference (default: %(default)s)")
    parser.add_argument("--held", type=int, default=1000, help="calls that take memory (default: %(default)s)")
    parser.add_argument("--idle", type=int, default=1000, help="silent TLS connections (default: %(default)s)")
    parser.add_argument("--phones", type=int, default=10_000, help="that register (default: %(default)s)")
    parser.add_argument("--flood-seconds", type=float, default=10, help="of it (default: %(default)s)")
    parser.add_argument("--refusals", type=int, default=3000, help="of each kind of user (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="of parsing (default: %(default)s)")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return given


def main() -> int:
    given = arguments()
    parts = given.parts or list(PARTS)
    print(f"machine       {machine.describe()}", flush=True)
    if shutil.which("sipp") is None and not set(parts) <= set(WITHOUT_SIPP):
        print(f"missing       sipp (Debian package {PACKAGES['sipp']}): without it there is less", flush=True)
        parts = [part for part in parts if part in WITHOUT_SIPP]
    if machine.LOAD_CPU is not None:
        os.sched_setaffinity(0, {machine.LOAD_CPU})
    measure = {
        "messages": lambda: messages.run(given.rounds),
        "calls": lambda: calls.run(given.rate, given.seconds, given.warm),
        "tcp": lambda: calls.run(given.rate, given.seconds, given.warm, "tcp"),
        "tls": lambda: secure.run(given.rate, given.seconds, given.warm),
        "relay": lambda: relay.run(given.relayed, given.relay_seconds, given.engine, given.keys),
        "srtp": lambda: srtp.run(100_000),
        "sound": lambda: sound.run(given.relayed, given.relay_seconds),
        "conference": lambda: conference.run(given.parties),
        "memory": lambda: calls.run_held(given.held, 50),
        "idle": lambda: secure.run_idle(given.idle),
        "registrations": lambda: registrations.run(given.phones, 2 * given.rate),
        "flood": lambda: doors.run_flood(given.flood_seconds),
        "refusals": lambda: doors.run_refusals(given.refusals),
        "plan": lambda: simulated.run(1000),
    }
    failed = False
    for part in parts:
        try:
            figure = measure[part]()
        except AssertionError as failure:
            failed = True
            figure = f"FAILED: {failure}"
        print(f"{part:<13} {figure}", flush=True)
    return int(failed or parts != (given.parts or list(PARTS)))


if __name__ == "__main__":
    sys.exit(main())
