"""`make docs`: docs/dialplan/reference.md, made from docstrings and signatures of what a dialplan and its tests use."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pbx.dialplan as words
from pbx.dialplan import Call, Plan, groups
from pbx.dialplan.hours import Holidays, Hours
from pbx.dialplan.plan_leg import PlanLeg
from pbx.exchange.caller import Caller
from pbx.testing import Sim, SimPhone, SimTrunk

PAGE = Path(__file__).parent.parent / "docs" / "dialplan" / "reference.md"
HEAD = """\
# Reference

Every word of a dialplan and of its tests. This page is made from the docstrings by `make docs`; what belongs together
is explained in [the dialplan](../dialplan.md). All times are in seconds.
"""
# What others than the authors of dialplans and tests call.
LEFT_OUT = {
    "call.library",
    "call.caller.shown_at",
    *(f"plan.{name}" for name in ("find", "inbound_routes", "routes", "run", "serves", "settle", "sources", "words")),
    *(f"phone.{name}" for name in ("invited", "registering", "requested")),
}
OUTCOMES = ("Answered", "Busy", "NoAnswer", "Declined", "Unreachable", "Failed")
_MODULES = re.compile(r"\b(?:[a-z_]+\.)+(?=[A-Za-z_])")
_STARTS = {"param": "- `{}`: ", "ivar": "- `{}`: ", "raises": "- raises `{}`: ", "returns": "- returns "}
_FIELD = re.compile(r":(param|raises|returns|ivar)(?: ([\w, ]+))?: ")


def page() -> str:
    """The whole page."""
    functions = sorted(name for name in words.__all__ if inspect.isfunction(getattr(words, name)))
    parts = [
        HEAD,
        *_class("A call", "call", Call),
        *_class("A plan", "plan", Plan),
        *_class("A leg: what `ring` returns in `Answered`, and `call.peer`", "leg", PlanLeg),
        *_class("A transfer, as `@plan.on_transfer` gets it", "transfer", words.Transfer),
        *_class("A caller: `call.caller`, `call.user`", "call.caller", Caller),
        "## Targets, sounds and whole routes\n",
        *(part for name in functions for part in _member("", name, getattr(words, name))),
        "## Outcomes\n",
        *(_outcome(name) for name in OUTCOMES),
        "## Strategies of groups\n",
        f"`from pbx.dialplan.groups import ...`: {', '.join(f'`{name}`' for name in groups.__all__)}.\n",
        "## Hours\n",
        *(_summary(one.__name__, one) for one in (Hours, Holidays)),
        *_class("A simulation", "sim", Sim),
        *_class("A phone of a simulation", "phone", SimPhone),
        *_class("A trunk of a simulation", "trunk", SimTrunk),
    ]
    return "\n".join(parts)


def _class(title: str, variable: str, kind: type) -> Iterator[str]:
    """A chapter: what the class is, then its public members in the order of their names."""
    yield f"## {title}\n"
    if kind not in (Call, PlanLeg):  # which nobody makes but the exchange
        yield _documented(kind)
    for name, member in sorted(inspect.getmembers(kind, _is_ours)):
        if not name.startswith("_") and f"{variable}.{name}" not in LEFT_OUT:
            yield from _member(f"{variable}.", name, member)


def _is_ours(member: Any) -> bool:
    """Whether it is a method, or a property; what fills a slot has no words of its own."""
    return inspect.isfunction(member) or isinstance(member, property)


def _member(prefix: str, name: str, member: Any) -> Iterator[str]:
    if isinstance(member, property):
        yield f"### `{prefix}{name}`\n"
        yield _documented(member.fget)
        return
    function = inspect.unwrap(member)
    awaited = "await " if inspect.iscoroutinefunction(function) else ""
    if inspect.isasyncgenfunction(function) and member is not function:
        awaited = "async with "
    yield f"### `{awaited}{prefix}{name}{_signature(function)}`\n"
    yield _documented(function)


def _summary(name: str, kind: type) -> str:
    return f"### `{name}{_signature(kind)}`\n\n{_documented(kind)}"


def _outcome(name: str) -> str:
    return f"### `{name}`\n\n{_documented(getattr(words, name))}"


class _Annotation(str):
    """An annotation, which is shown without its quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _signature(function: Any) -> str:
    signature = inspect.signature(function)
    given = [
        one if one.annotation is one.empty else one.replace(annotation=_Annotation(one.annotation))
        for one in signature.parameters.values()
        if one.name not in ("self", "cls")
    ]
    made = inspect.isclass(function) or signature.return_annotation is signature.empty
    result = signature.empty if made else _Annotation(signature.return_annotation)
    text = str(signature.replace(parameters=given, return_annotation=result))
    text = re.sub(r"<function ([\w.]+) at 0x[0-9a-f]+>", r"\1", text)
    text = re.sub(r"<bound method ([\w.]+) of .*?>", r"\1", text)
    text = re.sub(r"<(Strategy)\.(\w+): .*?>", lambda found: found[2].lower(), text)
    return _MODULES.sub("", text.replace("'", '"'))


def _documented(thing: Any) -> str:
    """A docstring, with its fields as a list."""
    paragraphs: list[str] = []
    entries: list[str] = []
    for line in (inspect.getdoc(thing) or "").splitlines():
        field = _FIELD.match(line)
        if field is not None:
            entries.append(_STARTS[field[1]].format(field[2]) + line[field.end() :])
        elif entries:
            entries[-1] += f" {line.strip()}"
        else:
            paragraphs.append(line)
    text = "\n".join(paragraphs).rstrip()
    return "\n\n".join(filter(None, (text, "\n".join(entries)))) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(0)
