"""`pbx explain`: what would happen if somebody called."""

from __future__ import annotations

import click

from pbx.cli.settings import Settings, pass_settings


@click.command()
@click.argument("caller", metavar="FROM")
@click.argument("number", metavar="TO")
@click.option("--at", default="", metavar="TIME", help='When: "2026-12-25 10:00", perhaps with a zone: "Europe/Paris".')
@pass_settings
def explain(settings: Settings, caller: str, number: str, at: str) -> None:
    """Say what would happen if FROM called TO.

    FROM is an extension, a trunk ("acme"), or somebody who calls over it ("+15551234567@acme"); others are strangers.
    Which route takes the call and why no other, whom it rings and for how long, and what follows for each outcome.
    The real dialplan is run in a simulation, with the extensions, switches and holidays of the database. Nothing rings.
    """
    from twisted.logger import globalLogBeginner

    from pbx.dialplan import loading
    from pbx.dialplan.holidays import HolidayTable
    from pbx.dialplan.surroundings import Surroundings
    from pbx.dialplan.switches import Switches
    from pbx.explaining import Office
    from pbx.explaining import explain as explained
    from pbx.faults import Fault
    from pbx.media.library import Library
    from pbx.store import opening
    from pbx.store.messages import read_mailboxes
    from pbx.store.store import read_accounts

    config, dialplan = settings.config, settings.config.dialplan
    url = config.database.url
    with settings.reading() as connection:
        accounts, mailboxes = read_accounts(connection.engine), read_mailboxes(connection.engine)
    names, boxes = opening.names(url), opening.mailbox_names(url)
    switches, holidays = opening.calendar(url)
    globalLogBeginner.beginLoggingTo((), discardBuffer=True, redirectStandardIO=False)  # what fails is told below
    known, has_trunk = names.extensions.__contains__, names.trunks.__contains__
    library = Library(config.media.prompts, dialplan.country)
    plan = loading.load(dialplan.file, known, library, boxes.__contains__, has_trunk, dialplan.numbering)
    plan.surroundings = Surroundings(Switches(switches), HolidayTable(holidays))
    office = Office(accounts, mailboxes, dialplan.numbering, config.media.prompts)
    try:
        for line in explained(plan, office, caller, number, at):
            click.echo(line)
    except ValueError as error:
        raise Fault("", 0, str(error), 'write the time as "2026-12-25 10:00"') from None
