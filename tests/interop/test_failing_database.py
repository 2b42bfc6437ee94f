"""PostgreSQL dies, keeps silent or is restarted under load: no call fails for it, and no registration is lost."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.counts import count
from tests.eventually import eventually
from tests.interop.exchange import TRUSTING, Exchange, Site, password
from tests.phones.process import free_port
from tests.phones.registrant import Registrant
from tests.phones.sipp import Sipp
from tests.postgresql import Cluster

REGISTRATIONS, CALLS = 50, 20  # a second
OUTAGE = count(3, 20)  # seconds
LASTING = OUTAGE + count(4, 20)
NUMBERS = [str(number) for number in range(20_000, 20_000 + REGISTRATIONS * LASTING)]
PLAN = """
from pbx.dialplan import Call, Plan, ext

plan = Plan()


@plan.internal("<number:1XXX>")
async def extension(call: Call, number: str) -> None:
    await call.dial(ext(number), timeout=20)
"""


@contextmanager
def dead(cluster: Cluster) -> Iterator[None]:
    """`kill -9`, and another start."""
    cluster.kill()
    yield
    cluster.start()


@contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    """An orderly stop, as `pg_ctl restart` makes it, and another start."""
    cluster.stop()
    yield
    cluster.start()


@pytest.mark.timeout(LASTING * 4 + 120)
@pytest.mark.parametrize("outage", [dead, Cluster.hanging, stopped], ids=["dead", "silent", "stopped"])
def test_outage_under_load_fails_no_call_and_loses_no_registration(
    outage: Callable[[Cluster], AbstractContextManager[None]],
) -> None:
    with Cluster() as cluster:
        exchange = Exchange(PLAN, database=cluster.database(), security=TRUSTING)
        exchange.insert((number, password(number)) for number in ["1001", "1002", *NUMBERS])
        with exchange:
            run(exchange, cluster, outage)
            # What was acknowledged is written by now: a crash loses nothing.
            exchange.kill()
            exchange.start()
            assert exchange.registered() == ["1002", *NUMBERS]


@pytest.mark.parametrize("outage", [dead, Cluster.hanging], ids=["dead", "silent"])
def test_server_does_not_start_without_its_database_and_says_why(
    outage: Callable[[Cluster], AbstractContextManager[None]], tmp_path: Path
) -> None:
    with Cluster() as cluster:
        site = Site(tmp_path, PLAN, f"127.0.0.1:{free_port()}", database=cluster.database())
        with outage(cluster):
            done = subprocess.run(site.argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert done.stderr.startswith(f"{site.config}:") and "PostgreSQL refuses: " in done.stderr
    assert done.stderr.endswith("check that it runs, and [database] url\n")


def test_accounts_that_sql_adds_or_the_command_removes_are_in_force_at_once(cluster: Cluster) -> None:
    exchange = Exchange(PLAN, database=cluster.database(), security=TRUSTING)
    with exchange, Registrant(exchange.address) as phones:
        exchange.insert((number, password(number)) for number in ("1001", "1002"))
        eventually(lambda: phones.register("1001", password("1001")) == 200, within=5)
        exchange.command("extension", "remove", "1001")
        eventually(lambda: exchange.registered() == [], within=5)
        assert phones.register("1001", password("1001")) == 401
        assert phones.register("1002", password("1002")) == 200


def run(exchange: Exchange, cluster: Cluster, outage: Callable[[Cluster], AbstractContextManager[None]]) -> None:
    """Register and call at full rate, before the outage, during it and after it, until all is written."""
    folder, server = exchange.folder, exchange.address
    caller, callee = ("1001", password("1001"), "1002"), ("1002", password("1002"))
    phones = [(number, password(number)) for number in NUMBERS]
    with Sipp("registers", folder / "phone", server=server, accounts=[callee]) as phone:
        phone.finish(10)
    with (
        Sipp("callee", folder / "callee", port=phone.port, calls=CALLS * LASTING) as answering,
        Sipp("known_caller", folder / "caller", server=server, calls=CALLS * LASTING, rate=CALLS,
             accounts=[caller]) as calling,
        Sipp("registers", folder / "phones", ip="127.0.0.2", server=server, calls=len(phones), rate=REGISTRATIONS,
             accounts=phones) as registering,
    ):  # fmt: skip
        before = eventually(lambda: registering.tally().successful, within=20)
        with outage(cluster):
            lasted = before + REGISTRATIONS * OUTAGE
            eventually(lambda: registering.tally().successful >= lasted, within=OUTAGE * 5 + 20)
            eventually(lambda: exchange.status()["database"] != "ok", within=20)
            assert 0 < exchange.status()["backlog"] <= len(NUMBERS) + 1
        assert registering.finish(LASTING * 2 + 20).failed == 0
        assert calling.finish(LASTING + 20).failed == 0
        answering.finish(10)
    eventually(lambda: not (status := exchange.status())["backlog"] and status["database"] == "ok", within=30)
