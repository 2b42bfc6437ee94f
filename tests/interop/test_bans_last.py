"""A ban of a real exchange: listed, in force after a restart, and removed by the administrator."""

from __future__ import annotations

from tests.eventually import eventually
from tests.interop.exchange import Exchange, password
from tests.interop.office import SAMPLE
from tests.phones.registrant import Registrant


def test_ban_outlives_a_restart_and_is_removed_by_the_command() -> None:
    with Exchange(SAMPLE, ["1001", "1002"]) as exchange:
        with Registrant(exchange.address, "127.0.0.66") as guesser:
            answers = [guesser.register("1001", f"guess {n}") for n in range(10)]
            assert answers == [*[401] * 9, 403]
            eventually(lambda: bool(exchange.ask("bans")), within=5)
            (ban,) = exchange.ask("bans")
            assert (ban["address"], ban["reason"], ban["times"]) == ("127.0.0.66", "wrong password", 1)
            exchange.stop()
            exchange.start()
            assert [one["address"] for one in exchange.ask("bans")] == ["127.0.0.66"]
            guesser.send(guesser.compose("1001", "late", "sip:1001@127.0.0.66", 1))
            with Registrant(exchange.address, "127.0.0.2") as phone:
                assert phone.register("1001", password("1001")) == 200
            exchange.command("bans", "remove", "127.0.0.66")
            eventually(lambda: guesser.register("1001", password("1001")) == 200, within=10)
        assert exchange.ask("bans") == []
        assert exchange.status()["security"] == {"ban-removed": 1}
