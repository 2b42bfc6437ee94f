"""The lamp of a switch, seen by a SIPp: turned by SQL while the exchange runs, and by the `pbx` command."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from pbx import config
from pbx.store.database import open_database
from tests.eventually import eventually
from tests.interop.exchange import Exchange, password
from tests.interop.office import SAMPLE
from tests.phones.sipp import Sipp


def test_switch_that_is_turned_by_sql_and_by_command_turns_the_lamp(tmp_path: Path) -> None:
    exchange = Exchange(SAMPLE, ["1001", "1002"])
    exchange.command("switch", "add", "night", "--code", "*60")
    account = ("1001", password("1001"), "*60")
    with exchange, Sipp("watches", tmp_path / "key", server=exchange.address, accounts=[account]) as key:
        eventually(lambda: key.said == ["dark"], within=10)
        database = open_database(config.load(exchange.config).database.url, patience=10)
        with database.begin() as connection:
            connection.execute(sa.text("UPDATE switches SET is_on = true WHERE name = 'night'"))
        database.dispose()
        eventually(lambda: key.said == ["dark", "on"], within=10)
        exchange.command("switch", "off", "night")
        key.finish(10)
        assert key.said == ["dark", "on", "dark again"]
