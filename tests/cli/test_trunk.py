"""pbx trunk: what administrators type, and what they are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.command import Pbx

Sql = Callable[[str], list[Any]]


def test_trunk_is_added_shown_changed_and_removed(upgraded: Pbx, sql: Sql, folder: Path) -> None:
    done = upgraded(
        "trunk", "add", "acme", "--host", "sip.acme.example", "--register", "--username", "us", "--password", "-",
        "--dids", "+14155550100", "--max-calls", "4", typed="wonderland\n",
    )  # fmt: skip
    assert done.out == "trunk acme added\n"
    (row,) = upgraded("trunk", "show", "acme", "--json").rows
    assert (row["password"], row["register"], row["max_calls"], row["caller_id"]) == (True, True, 4, "from")
    assert "wonderland" not in str(sql("SELECT * FROM trunks"))
    assert "wonderland" not in upgraded("trunk", "show", "acme").out + upgraded("trunk", "list").out
    assert (folder / "pbx.key").stat().st_mode & 0o777 == 0o600
    assert upgraded("trunk", "set", "acme", "--disable", "--max-calls", "").out == "trunk acme changed\n"
    (row,) = upgraded("trunk", "list", "--json").rows
    assert (row["enabled"], row["max_calls"], row["password"]) == (False, None, True)
    assert upgraded("trunk", "remove", "acme").out == "trunk acme removed\n"
    assert upgraded("trunk", "list").out.split() == [
        "name", "host", "transport", "register", "username", "dids", "enabled",
    ]  # fmt: skip


def test_slips_are_said_in_a_sentence(sqlite: Pbx) -> None:
    done = sqlite("trunk", "add", "acme")
    assert (done.status, done.err) == (1, "host is '', no host; write such as sip.example.com or 192.0.2.1:5080\n")
    assert sqlite("trunk", "set", "acme", "--host", "x").err == "there is no trunk acme; `pbx trunk list` shows all\n"
    assert sqlite("trunk", "set", "acme").status == 2
    assert sqlite("trunk", "show", "acme").status == 1
    assert sqlite("trunk", "remove", "acme").status == 1
    done = sqlite("trunk", "test", "acme")
    assert (done.status, done.err.startswith("no server is running")) == (1, True)
    assert sqlite("trunks").status == 1
