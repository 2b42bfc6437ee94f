"""What people dial, and which number of the world that is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx.exchange.numbering import Numbering

FRANCE = Numbering("33")
AMERICA = Numbering("1", "1", "011")
SPAIN = Numbering("34", "")
NOWHERE = Numbering()


@pytest.mark.parametrize(
    ("numbering", "dialled", "number"),
    [
        (FRANCE, "+14155550100", "+14155550100"),
        (FRANCE, "0014155550100", "+14155550100"),
        (FRANCE, "0142255501", "+33142255501"),
        (FRANCE, "33142255501", "+33142255501"),
        (FRANCE, "00123456789012345", "+123456789012345"),
        (AMERICA, "14155550100", "+14155550100"),
        (AMERICA, "4155550100", "+14155550100"),
        (AMERICA, "01133142255501", "+33142255501"),
        (SPAIN, "912345678", "+34912345678"),
        (NOWHERE, "14155550100", "+14155550100"),
        (NOWHERE, "0142255501", None),
        (FRANCE, "+0142255501", None),
        (FRANCE, "12", None),
        (FRANCE, "1234567890123456", None),
        (FRANCE, "", None),
        (FRANCE, "alice", None),
        (FRANCE, "+33 1", None),
        (FRANCE, "٠١٤٢٢٥٥٥٠١", None),
    ],
)
def test_numbers_of_the_world(numbering, dialled, number):
    assert numbering.e164(dialled) == number


def test_what_is_no_telephone_number_stays_what_it_is():
    assert (FRANCE.normal("sales"), FRANCE.normal("0142255501")) == ("sales", "+33142255501")


@given(st.sampled_from([FRANCE, AMERICA, SPAIN, NOWHERE]), st.text("0123456789+ a", max_size=20))
def test_a_number_of_the_world_means_itself(numbering, text):
    number = numbering.e164(text)
    if number is not None:
        assert numbering.e164(number) == number
        assert 4 <= len(number) <= 16
