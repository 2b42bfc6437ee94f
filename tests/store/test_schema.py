"""pbx.store.schema: every column of every table is explained in docs/operating, and a binding has a column a field."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from pbx.exchange.binding import Binding
from pbx.exchange.extension import Extension
from pbx.store.schema import bindings, extensions, metadata

OPERATING = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: str(table.name))
def test_every_column_is_documented(table) -> None:
    chapter = OPERATING.partition("## Tables")[2]
    section = chapter.partition(f"`{table.name}`: ")[2].partition("\n\n`")[0]
    assert [column.name for column in table.columns if f"`{column.name}`" not in section] == []


def test_values_are_made_of_columns() -> None:
    assert [column.name for column in bindings.columns] == list(Binding._fields)
    assert {field.name for field in dataclasses.fields(Extension)} < {column.name for column in extensions.columns}
