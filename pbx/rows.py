"""Rows: what the running server tells the `pbx` command of registrations and bans. Keys are the names of columns."""

from __future__ import annotations

from datetime import UTC, datetime

from pbx.dialplan.driver import Driver
from pbx.features.voicemail.emails import Emails
from pbx.wiring import Exchange

Row = dict[str, object]


def registrations(exchange: Exchange, now: float, number: str | None = None) -> list[Row]:
    """Return a row for each binding, or for each of one extension.

    :param now: seconds since 1970.
    """
    rows: list[Row] = []
    for binding in exchange.location.bindings():
        if number not in {None, binding.number}:
            continue
        sign = exchange.qualification.sign_of(binding)
        round_trip = sign.round_trip if sign is not None else None
        rows.append(
            {
                "number": binding.number,
                "contact": binding.contact,
                "transport": binding.transport,
                "address": f"{binding.remote_host}:{binding.remote_port}",
                "expires_in": int(binding.expires_at - now),
                "registered_at": moment(binding.registered_at),
                "reachable": None if sign is None else not exchange.qualification.is_silent(binding),
                "round_trip": None if round_trip is None else round(round_trip * 1000, 1),
                "instance": binding.instance,
                "reg_id": binding.reg_id or None,
                "path": binding.path,
                "user_agent": binding.user_agent,
            }
        )
    return rows


def last_register(exchange: Exchange, number: str) -> list[Row]:
    """Return one row for the last REGISTER of a number, and how it was answered; none when there was none."""
    register = exchange.registrar.registers.last(number)
    if register is None:
        return []
    return [
        {
            "number": number,
            "at": moment(register.at),
            "status": register.status,
            "why": register.why,
            "transport": register.transport,
            "address": f"{register.host}:{register.port}",
            "user_agent": register.user_agent,
        }
    ]


def bans(exchange: Exchange, now: float) -> list[Row]:
    """Return a row for each ban.

    :param now: seconds since 1970.
    """
    return [
        {
            "address": ban.address,
            "reason": ban.reason,
            "since": moment(ban.since),
            "until": moment(ban.until),
            "ends_in": int(ban.until - now),
            "times": ban.times,
        }
        for ban in exchange.doors.bans.listed()
    ]


def voicemail(exchange: Exchange, backlog: int, emails: Emails | None) -> Row:
    """Return how much of voicemail there is.

    :param backlog: messages that are not in the database yet.
    """
    return {
        "messages": len(exchange.voicemail.all()),
        "backlog": backlog,
        "e-mails": 0 if emails is None else len(emails),
    }


def moment(seconds: float) -> str:
    """Return a moment as every column of moments shows it.

    :param seconds: since 1970.
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def old_plans(exchange: Exchange, plan: object) -> int:
    """How many former dialplans are alive, since calls go on that began with them.

    :param plan: the one that takes new calls.
    """
    drivers = [call.user for call in exchange.switchboard.calls.values() if isinstance(call.user, Driver)]
    return len({id(driver.plan) for driver in drivers} - {id(plan)})
