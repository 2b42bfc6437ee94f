"""Starts a real exchange that forwards every call to one address: what a comparison with other servers runs.

`python -m bench.exchange --listen IP:PORT --callee IP:PORT --folder FOLDER [--users N] [--engine NAME] [--plain]`
writes a configuration into the folder and then becomes `twistd pbx`, with the same pid. Users are user0, user1, ...,
their passwords pw0, pw1, ... `--plain` is without records and traces of calls.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from tests.interop.exchange import TRUSTING, Site

PLAN = """
from pbx.dialplan import Call, Plan, uri

plan = Plan()


@plan.anonymous("<number:any>")
async def forward(call: Call, number: str) -> None:
    await call.dial(uri(f"sip:{{number}}@{callee}"))
"""


PLAIN = "[records]\nenabled = false\n[trace]\nenabled = false\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.exchange", description=__doc__)
    parser.add_argument("--listen", required=True, metavar="IP:PORT", help="where it receives SIP")
    parser.add_argument("--callee", required=True, metavar="IP:PORT", help="where every call goes")
    parser.add_argument("--folder", required=True, type=Path, help="for configuration, database and log")
    parser.add_argument("--users", type=int, default=0, help="how many may register (default: %(default)s)")
    parser.add_argument("--engine", default="auto", help="what forwards RTP (default: %(default)s)")
    parser.add_argument("--plain", action="store_true", help="without records and traces of calls")
    given = parser.parse_args()
    plan = PLAN.format(callee=given.callee)
    site = Site(
        given.folder, plan, given.listen, engine=given.engine, security=TRUSTING, more=PLAIN if given.plain else ""
    )
    site.insert((f"user{n}", f"pw{n}") for n in range(given.users))
    os.execv(site.argv[0], site.argv)


if __name__ == "__main__":
    main()
