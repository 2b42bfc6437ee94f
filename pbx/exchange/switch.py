"""A switch: what people turn on and off for everybody, as a row of the table `switches`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Switch:
    """One row of the table `switches`.

    :param name: as plans know it: `plan.switch("night")`.
    :param is_on: whether it is on.
    :param code: what is dialled to turn it over: "*60"; "" for nothing.
    :param allow: the word of the class of service that is needed for that; "" for none.
    """

    name: str
    is_on: bool = False
    code: str = ""
    allow: str = ""
