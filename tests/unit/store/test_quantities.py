"""Which quantity is one number of the row itself, and which lies among the ranges."""

from __future__ import annotations

from decimal import Decimal
from math import isnan

from penstock.formats.fhir.searchparams import extract
from penstock.formats.fhir.ucum import SYSTEM
from penstock.store.hashing import h64, prefix
from penstock.store.keys import common_unit, converted, unit_hash
from penstock.store.quantities import Number
from penstock.store.row import Row, row_of

START = prefix("main", "Observation", "value-quantity")


def row(**value: object) -> Row:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "c"}} | value
    return row_of("main", "Observation", "1", extract(observation))


def quantity(value: str, code: str, **more: str) -> dict[str, object]:
    return {"value": Decimal(value), "system": SYSTEM, "code": code} | more


def test_a_number_in_the_common_unit_is_one_number_and_no_range() -> None:
    made = row(valueQuantity=quantity("5.4", "mg/dL"))
    assert made.number == Number(5.4, None, common_unit("mg/dL"))
    assert made.ranges == []


def test_a_number_in_another_unit_is_kept_in_both() -> None:
    made = row(valueQuantity=quantity("72500", "g"))
    assert made.number == Number(72500.0, 72.5, common_unit("kg"))
    assert made.ranges == []


def test_a_number_without_a_unit_of_ucum_has_the_unit_that_it_says() -> None:
    assert row(valueQuantity={"value": Decimal("3"), "unit": "spoons"}).number == Number(3.0, None, unit_hash("spoons"))
    assert row(valueQuantity={"value": Decimal("3")}).number == Number(3.0, None, 0)


def test_what_is_less_or_more_than_a_number_lies_among_the_ranges_and_the_row_says_so() -> None:
    made = row(valueQuantity=quantity("5", "g", comparator="<"))
    assert made.number.num is not None and isnan(made.number.num)
    assert [each.param for each in made.ranges] == [h64(START), h64(converted(START))]
    sampled = row(valueSampledData={"origin": quantity("0", "mV"), "period": Decimal(1), "dimensions": 1, "data": "1 2 3"})
    assert sampled.number.num is not None and isnan(sampled.number.num)
    assert sampled.ranges


def test_a_row_without_a_quantity_has_no_number() -> None:
    assert row(valueString="5").number == Number()


def test_quantities_of_other_parameters_lie_among_the_ranges() -> None:
    made = row(component=[{"code": {"text": "c"}, "valueQuantity": quantity("5.4", "mg/dL")}])
    assert made.number == Number()
    assert made.ranges
