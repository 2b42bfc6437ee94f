from __future__ import annotations

from pbx.exchange.directory import Directory
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
