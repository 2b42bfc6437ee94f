"""The house keeps its rules, and each rule finds what breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import house

ROOT = Path(__file__).parent.parent
LAW = '"""A law."""\n\nfrom __future__ import annotations\n'


@pytest.fixture(scope="module")
def ours() -> list[house.Module]:
    return house.modules(ROOT)


@pytest.mark.parametrize("rule", house.RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_its_rules(ours, rule):
    assert not list(rule(ours)), rule.__doc__


def test_the_walk_sees_the_whole_house(ours):
    names = {module.name for module in ours}
    assert {"pbx", "pbx.sip.uri", "pbx.migrations.env"} <= names
    assert {module.floor for module in ours} >= {house.VALUES, house.MACHINES, house.SHELL}


def test_the_ceilings_hold_for_every_file_of_the_repository():
    everything = house.modules(ROOT, "")
    assert {"setup", "pbx.service", "tests.house", "tools.run"} <= {module.name for module in everything}
    assert not [*house.long_files(everything), *house.long_functions(everything)]


def test_what_is_made_in_the_repository_is_not_of_it(tmp_path):
    for name in ("setup", "tests/house", "tests/run/a", "run/dialplan", "build/lib/a", "dist/a", ".venv/lib/a"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(LAW)
    assert [module.name for module in house.modules(tmp_path, "")] == ["setup", "tests.house", "tests.run.a"]


def test_only_eventually_waits_for_real_time():
    found = house.sleeps(house.modules(ROOT, "tests"))
    assert [complaint.partition(":")[0] for complaint in found] == ["tests/eventually.py"]


def complaints(rule, folder: Path, **files: str) -> list[str]:
    """Build a small house of `package__module="source"` and return what the rule says of it."""
    for name, source in files.items():
        path = folder.joinpath("pbx", *name.split("__")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return list(rule(house.modules(folder)))


def test_file_that_the_table_does_not_know_is_named_with_the_remedy(tmp_path):
    (complaint,) = complaints(house.unplaced, tmp_path, billing=LAW, sip__uri=LAW)
    assert complaint == "pbx/billing.py: no floor is known for pbx.billing; add it to TABLE in tests/house.py"


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("sip__uri", "sip__dialog"),  # values, machines
        ("sip__dialog", "exchange__bridge"),
        ("exchange__bridge", "features__voicemail"),
        ("features__voicemail", "dialplan__plan"),
        ("dialplan__plan", "service"),
        ("sip__transport", "sip__dialog"),  # an edge knows values only
        ("dialplan__plan", "store__tables"),  # and only the shell knows an edge
        ("sip__uri", "sip__transport"),
    ],
)
@pytest.mark.parametrize("form", ["import {}", "from {} import thing", "def f():\n    import {}"])
def test_import_upwards_is_refused_in_every_form(tmp_path, importer, imported, form):
    name = "pbx." + imported.replace("__", ".")
    files = {importer: LAW + form.format(name) + "\n", imported: LAW}
    (complaint,) = complaints(house.upward_imports, tmp_path, **files)
    assert complaint.startswith(f"pbx/{importer.replace('__', '/')}.py:")
    assert complaint.endswith(f"({name})")


def test_relative_import_and_import_of_a_module_from_its_package_are_seen(tmp_path):
    files = {"sip__uri": LAW + "from . import dialog\n", "sip__parser": LAW + "from pbx.sip import dialog\n"}
    assert len(complaints(house.upward_imports, tmp_path, sip__dialog=LAW, **files)) == 2


def test_imports_downwards_and_on_one_floor_are_allowed(tmp_path):
    assert not complaints(
        house.upward_imports,
        tmp_path,
        service=LAW + "import pbx.store.tables, pbx.sip.transport, pbx.dialplan.plan\n",
        dialplan__plan=LAW + "from pbx.exchange.bridge import Bridge\nfrom pbx.faults import Fault\n",
        exchange__bridge=LAW + "from pbx.sip.session import Session\n",
        sip__session=LAW + "from pbx.sip import dialog, uri\n",
        sip__transport=LAW + "from pbx.sip.uri import Uri\n",
        store__tables=LAW + "from pbx.exchange.binding import Binding\n",
        sip__dialog=LAW,
        sip__uri=LAW,
        exchange__binding=LAW,
        faults=LAW,
    )


@pytest.mark.parametrize(
    "source",
    [
        "from twisted.internet import reactor\n",
        "import twisted.internet.reactor\n",
        "import sqlalchemy.exc\n",
        "import click\n",
    ],
)
def test_library_that_a_floor_may_not_know_is_refused(tmp_path, source):
    files = {"sip__dialog": LAW + source, "service": LAW + source}
    (complaint,) = complaints(house.strange_libraries, tmp_path, **files)
    assert complaint.startswith("pbx/sip/dialog.py:4: machines must not import ")


def test_a_cycle_is_shown_with_its_whole_way(tmp_path):
    found = complaints(
        house.cycles,
        tmp_path,
        sip__a=LAW + "import pbx.sip.b\n",
        sip__b=LAW + "import pbx.sip.c\n",
        sip__c=LAW + "def f():\n    from pbx.sip import b\n",
    )
    assert found == ["a cycle of imports: pbx.sip.b -> pbx.sip.c -> pbx.sip.b"]


def test_file_over_the_ceiling_is_refused(tmp_path):
    files = {"sip__a": LAW + "x = 1\n" * (house.FILE_LINES - 3), "sip__b": LAW + "x = 1\n" * (house.FILE_LINES - 2)}
    assert complaints(house.long_files, tmp_path, **files) == ["pbx/sip/b.py: 501 lines; a file has at most 500"]


def test_function_over_the_ceiling_is_refused_without_counting_its_docstring(tmp_path):
    head = 'def f(\n    a,\n):\n    """One.\n\n    Two.\n    """\n'
    fits, over = head + "    a = 1\n" * house.FUNCTION_LINES, head + "    a = 1\n" * (house.FUNCTION_LINES + 1)
    (complaint,) = complaints(house.long_functions, tmp_path, sip__a=LAW + fits, sip__b=LAW + over)
    assert complaint == "pbx/sip/b.py:4: f has 61 lines; a function has at most 60"


@pytest.mark.parametrize("source", ["import os\n", "from __future__ import annotations\n", '"""Law."""\nimport os\n'])
def test_file_without_its_opening_is_refused(tmp_path, source):
    assert len(complaints(house.bad_openings, tmp_path, sip__a=source, sip__b='"""Law."""\n', sip__c=LAW)) == 1


def test_names_that_say_nothing_are_refused_but_not_those_of_twisted(tmp_path):
    methods = ("dataReceived", "read_data", "database")
    source = "class CallManager:\n" + "".join(f"    def {name}(self): ...\n" for name in methods)
    found = complaints(house.bad_names, tmp_path, sip__a=LAW + source, sip__util=LAW)
    assert [complaint.partition(": the name ")[2].split()[0] for complaint in found] == [
        "CallManager",
        "read_data",
        "util",
    ]


@pytest.mark.parametrize("source", ["import time\ntime.sleep(1)\n", "from time import sleep\n"])
def test_sleeping_is_refused(tmp_path, source):
    assert len(complaints(house.sleeps, tmp_path, sip__a=LAW + source)) == 1
