"""What the features keep for all calls of an exchange; `Call`'s verbs find it here."""

from __future__ import annotations

from dataclasses import dataclass

from pbx.features.conference.conferences import Conferences


@dataclass(frozen=True, slots=True)
class Features:
    """One exchange's.

    :param conferences: the conferences that go on.
    """

    conferences: Conferences
