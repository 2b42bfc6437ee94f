from __future__ import annotations

import pytest

from pbx.exchange.directory import Directory
from pbx.exchange.extension import Extension
from pbx.exchange.settings import Settings
from tests.exchange.phones import extension


def test_extensions_are_found_by_number_disabled_ones_too():
    directory = Directory()
    assert len(directory) == 0 and directory.find("1001") is None
    one, two = extension("1001"), extension("1002", enabled=False)
    assert directory.replace([one, two]) == []
    assert len(directory) == 2
    assert directory.find("1001") is one and directory.find("1002") is two


def test_replacing_tells_who_can_no_longer_register():
    directory = Directory()
    directory.replace([extension("1"), extension("2"), extension("3"), extension("4", enabled=False), extension("5")])
    gone = directory.replace([extension("1"), extension("2", enabled=False), extension("5", "new password")])
    assert gone == ["2", "3"]
    assert directory.find("3") is None
    assert directory.replace([extension("2")]) == ["1", "5"]
    assert directory.replace([]) == ["2"]


def test_alias_means_a_number_and_a_number_means_itself():
    directory = Directory()
    directory.replace([extension("1001"), extension("1002")], {"sales": "1001", "1002": "1001", "gone": "1009"})
    assert [directory.number_of(user) for user in ("sales", "1001", "1002", "gone", "Sales", "")] == [
        *("1001", "1001", "1002", "1009", "Sales", "")
    ]
    directory.replace([extension("1001")])
    assert directory.number_of("sales") == "sales"


def test_only_who_is_permitted_registers_another():
    directory = Directory()
    directory.replace([extension("1001"), extension("1002")], permissions={("1001", "1002")})
    assert directory.may_register("1001", "1002") and directory.may_register("1001", "1001")
    assert not directory.may_register("1002", "1001")


def test_what_a_user_sets_is_in_force_at_once_and_kept():
    directory = Directory()
    directory.replace([Extension("1001", "Alice", "", "")])
    told = []
    directory.keep = lambda *change: told.append(change)
    settings = Settings(directory, "1001")
    settings.do_not_disturb = True
    settings.do_not_disturb = True
    assert settings.do_not_disturb and told == [("1001", "do_not_disturb", True)]


def test_what_is_not_written_yet_outlives_a_reading_of_the_table():
    directory = Directory()
    row = Extension("1001", "Alice", "", "")
    directory.replace([row])
    Settings(directory, "1001").forward_always = "1002"
    directory.replace([row])
    assert directory.find("1001").forward_always == "1002"
    directory.kept("1001", "forward_always", "1003")  # an older change
    directory.replace([row])
    assert directory.find("1001").forward_always == "1002"
    directory.kept("1001", "forward_always", "1002")
    directory.replace([row])
    assert directory.find("1001").forward_always == ""


@pytest.mark.parametrize(
    ("column", "value"),
    [("forward_always", "10 02"), ("forward_busy", "x" * 65), ("forward_no_answer_after", 0), ("do_not_disturb", 1)],
)
def test_what_cannot_be_set_is_said(column, value):
    directory = Directory()
    directory.replace([Extension("1001", "Alice", "", "")])
    with pytest.raises((TypeError, ValueError), match=column):
        setattr(Settings(directory, "1001"), column, value)
    directory.replace([])
    with pytest.raises(RuntimeError, match="removed"):
        Settings(directory, "1001").do_not_disturb = True
