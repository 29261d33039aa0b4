"""Dates with their precision, quantities with their units, comparison, texts: what compiled expressions compute with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.formats.fhir.path import program
from penstock.formats.fhir.path.runtime.compare import texts_ranked
from penstock.formats.fhir.path.runtime.temporal import DIGITS, add, boundary, instant, order, read

#: Every expression here is about values alone.
NOTHING: dict[str, Any] = {"resourceType": "Patient"}


def ask(expression: str) -> list[Any]:
    return program(expression, "Patient")(NOTHING)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("@2020 = @2020-01", []),
        ("@2020 != @2021-01", [True]),
        ("@2020-01-01T10 < @2020-01-01T10:30", []),
        ("@2020-01-01T09 < @2020-01-01T10:30", [True]),
        ("@2020-01-01T10:00:00Z = @2020-01-01T11:00:00+01:00", [True]),
        ("@2020-01-01T00:30:00+01:00 < @2020-01-01T00:00:00Z", [True]),
        ("@2020-01-01T10:00:00 < @2020-01-01T10:30:00Z", []),
        ("@2020-01-01T10:00:00 < @2020-01-03T10:30:00Z", [True]),
        ("@2020-01-03T10:00:00Z > @2020-01-01T10:30:00", [True]),
        ("@T10:30 < @T10:30:00", []),
        ("@2020-01-01T10+01:00 = @2020-01-01T09:00Z", []),
        ("@2020-01-01T10+01:00 = @2020-01-01T09Z", [True]),
        ("(@2020-01-01T10:00Z | @2020-01-01T11:00+01:00 | @2020-01-01T10:00 | @2020 | @2021 | @2022 | @2020 | @2022).count()", [5]),
        ("@T10:30:01.5 > @T10:30:01", [True]),
        ("@2020 ~ @2020-01", [False]),
        ("@2020-01-01T10:00:00.0 ~ @2020-01-01T10:00:00", [True]),
        ("@2020-01-31 + 1 month", ["2020-02-29"]),
        ("@2020-02-29 + 1 year", ["2021-02-28"]),
        ("@2020-02-29 - 12 months", ["2019-02-28"]),
        ("@2014 + 24 months", ["2016"]),
        ("@2014 + 23 months", ["2015"]),
        ("@2014-01 + 31 days", ["2014-02"]),
        ("@2014 + 365 days", ["2015"]),
        ("@2014-01-01 + 25 hours", ["2014-01-02"]),
        ("@2014-01-01 + 23 hours", ["2014-01-01"]),
        ("@2014-01-01T10 + 90 minutes", ["2014-01-01T11"]),
        ("@2014-01-01T23:59:59.9Z + 0.1 seconds", ["2014-01-02T00:00:00.000Z"]),
        ("@2014-01-01T00:00:00Z - 1 millisecond", ["2013-12-31T23:59:59.999Z"]),
        ("@T23:30 + 45 minutes", ["00:15"]),
        ("@T10 + 90 minutes", ["11"]),
        ("@2020-03-01.toDateTime() = @2020-03-01T", [True]),
        ("@2020-03-01T10:00:00Z.toDate()", ["2020-03-01"]),
        ("'2020-02-30'.convertsToDate()", [False]),
        ("'24:00'.convertsToTime()", [False]),
        ("'2020-01-01T10:00:00+15:00'.convertsToDateTime()", [False]),
        ("@2014-01.lowBoundary()", ["2014-01-01"]),
        ("@2014-02.highBoundary()", ["2014-02-28"]),
        ("@2014-01-01T08:05.highBoundary()", ["2014-01-01T08:05:59.999-12:00"]),
        ("@2014-01-01T08:05:07Z.lowBoundary(12)", ["2014-01-01T08:05Z"]),
        ("@2014.lowBoundary(5)", []),
        ("@T10.highBoundary()", ["10:59:59.999"]),
        ("@2014-01-05T10:30:00.000.precision() | @T10.precision() | 1.5.precision()", [17, 2, 1]),
    ],
)
def test_dates_and_times_are_as_exact_as_they_are_written(expression: str, expected: list[Any]) -> None:
    assert ask(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 'kg' = 1000 'g'", [True]),
        ("1 'kg' = 1 'm'", [False]),
        ("1 'kg' < 1 'm'", []),
        ("1 'nonsense' = 1 'nonsense'", [True]),
        ("1 'nonsense' < 2 'other'", []),
        ("37 'Cel' = 98.6 '[degF]'", [True]),
        ("1 year = 1 'a'", []),
        ("1 year ~ 1 'a'", [True]),
        ("1 day = 24 hours", [True]),
        ("2 years > 23 months", [True]),
        ("1 'kg' + 1 'g' = 1.001 'kg'", [True]),
        ("1 'kg' + 1 'm'", []),
        ("3 'm' * 2 'm' = 6 'm2'", [True]),
        ("6 'm' / 2 's' = 3 'm/s'", [True]),
        ("6 'm' / 2 = 3 'm'", [True]),
        ("2 * 3 days", [{"value": Decimal(6), "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}]),
        ("6 'kg' / 0", []),
        ("(-5 'kg').abs() = 5 'kg'", [True]),
        ("'5 days'.toQuantity() = 5 days", [True]),
        ("'5 \\'mg\\''.toQuantity().toString()", ["5 'mg'"]),
        ("'5 mg'.convertsToQuantity()", [False]),
        ("1500 'g'.toQuantity('kg') = 1.5 'kg'", [True]),
        ("1 'g'.toQuantity('m')", []),
        ("1 'cm'.comparable(1 '[in_i]')", [True]),
        ("(1 'g' | 1000 'mg' | 2 'g').count()", [2]),
        ("1000 'mg' in (1 'g' | 2 'g')", [True]),
        ("(3 'g' | 2000 'mg' | 1 'g').sort().first() = 1 'g'", [True]),
    ],
)
def test_quantities_have_units(expression: str, expected: list[Any]) -> None:
    assert ask(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 = 1.0", [True]),
        ("1.10.toString() & 1.1.toString()", ["1.101.1"]),
        ("0.1 + 0.2 = 0.3", [True]),
        ("7 div 2 | -7 div 2 | 7 mod -2 | -7 mod 2", [3, -3, 1, -1]),
        ("7 / 2", [Decimal("3.5")]),
        ("2.5.round() | 1.555.round(2) | 1.5.round(3)", [Decimal(3), Decimal("1.56"), Decimal("1.5")]),
        ("(-1.5).ceiling() | (-1.5).floor() | (-1.5).truncate()", [-1, -2]),
        ("true = 1", [False]),
        ("true in (1 | 2)", [False]),
        ("(1 | true | 1.0 | 'true').count()", [3]),
        ("'ABC' ~ 'abc' and 'a  b' ~ 'A b'", [True]),
        ("1.13 ~ 1.1", [True]),
        ("(1 | 2 | 3) ~ (3 | 1 | 2)", [True]),
        ("(1 | 2) = (2 | 1)", [False]),
        ("'abc'.substring(1, 1) & 'abc'.indexOf('c').toString()", ["b2"]),
        ("'a-b-c'.split('-').join('+')", ["a+b+c"]),
        ("'2020-01-02'.replaceMatches('(\\\\d+)-(\\\\d+)-(\\\\d+)', '$3.$2.$1')", ["02.01.2020"]),
        ("'a\\nb'.matches('a.b')", [True]),
        ("'xay'.matches('a') and 'xay'.matchesFull('a').not()", [True]),
        ("'ff'.decode('hex').exists() | 'zz'.decode('hex').exists() | 'a'.encode('nope').exists()", [False]),
        ("'\\ud83d\\ude00'.length()", [1]),
        ("'\\\\ud83d\\\\ude00'.unescape('json').length() | '\\\\ud83d'.unescape('json').length()", [1]),
        ("'&lt;'.unescape('html') & '<'.escape('html')", ["<&lt;"]),
        ("'yes'.toBoolean() and 'N'.toBoolean().not() and 'maybe'.toBoolean().empty()", [True]),
        ("'+7'.toInteger() | '7.0'.toInteger() | '2147483648'.toInteger() | true.toInteger()", [7, 1]),
        ("iif({}, 1, 2) | iif(true, 3)", [2, 3]),
        ("(1 | 2 | 3).aggregate($total + $this, 0)", [6]),
        ("1.repeat(iif($this < 5, $this + 1)).count()", [4]),
        ("('b' | 'a' | 'c').sort($this desc).first()", ["c"]),
        ("(1 | 2 | 2.0).isDistinct() and (1).combine(1).isDistinct().not()", [True]),
        ("(1 | 2).subsetOf(1 | 2 | 3) and (1 | 2 | 3).supersetOf(2 | 3)", [True]),
        ("(true | false).anyTrue() and (true | false).anyFalse() and (false).allFalse() and {}.allTrue()", [True]),
    ],
)
def test_numbers_texts_and_collections(expression: str, expected: list[Any]) -> None:
    assert ask(expression) == expected


MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)).map(lambda moment: moment.replace(microsecond=0))
ZONES = st.integers(-12 * 4, 14 * 4).map(lambda quarters: timezone(timedelta(minutes=15 * quarters)))


def written(moment: datetime, zone: timezone) -> str:
    text = moment.replace(tzinfo=UTC).astimezone(zone).isoformat()
    return text.replace("+00:00", "Z")


@given(MOMENTS, ZONES, MOMENTS, ZONES)
def test_moments_have_the_order_of_their_instants(one: datetime, zone: timezone, other: datetime, far: timezone) -> None:
    left, right = read("DateTime", written(one, zone)), read("DateTime", written(other, far))
    assert left and right
    assert order(left, right) == (one > other) - (one < other)
    assert (instant(left) == instant(right)) == (one == other)
    assert texts_ranked(str(left), str(right), lambda a, b: a < b) == (one < other)


TEXTS = st.tuples(MOMENTS, ZONES, st.sampled_from([4, 7, 10, 13, 16, 19, 40])).map(lambda each: written(each[0], each[1])[: each[2]])


@given(TEXTS, TEXTS)
def test_equal_values_have_the_same_instant_and_no_others(one: str, other: str) -> None:
    left, right = read("DateTime", one), read("DateTime", other)
    assert left and right
    assert (instant(left) == instant(right)) == (order(left, right) == 0)
    assert instant(left) == instant(left)


@given(MOMENTS, ZONES, st.integers(1, 7))
def test_a_value_is_written_as_it_was_read(moment: datetime, zone: timezone, parts: int) -> None:
    whole = written(moment, zone)
    text = [whole[:4], whole[:7], whole[:10], whole[:13], whole[:16], whole[:19], whole][parts - 1]
    value = read("DateTime", text)
    assert value is not None
    assert str(value) == text


@given(MOMENTS, st.integers(1, 6), st.sampled_from(["year", "month", "week", "day", "hour", "minute", "second"]), st.integers(0, 500))
def test_what_is_added_can_be_taken_away_again_but_for_the_ends_of_months(moment: datetime, parts: int, unit: str, amount: int) -> None:
    text = moment.replace(day=min(moment.day, 28)).isoformat()[: (4, 7, 10, 13, 16, 19)[parts - 1]]
    value = read("DateTime", text)
    assert value is not None
    later = add(value, Decimal(amount), unit)
    assert later is not None
    assert len(later.parts) == len(value.parts)
    assert add(later, Decimal(-amount), unit) == value


@given(MOMENTS, st.integers(1, 6), st.sampled_from(DIGITS["DateTime"]))
def test_boundaries_enclose_what_a_value_may_mean(moment: datetime, parts: int, digits: int) -> None:
    value = read("DateTime", moment.isoformat()[: (4, 7, 10, 13, 16, 19)[parts - 1]])
    assert value is not None
    low, high = boundary(value, digits, high=False), boundary(value, digits, high=True)
    assert low and high
    assert low.precision == high.precision == digits
    assert order(low, high) in (-1, 0)
    assert order(low, value) in (-1, 0, None)
    assert order(value, high) in (-1, 0, None)


@given(st.text(max_size=30), st.sampled_from(["Date", "DateTime", "Time"]))
def test_any_text_is_a_value_or_none(text: str, kind: str) -> None:
    value = read(kind, text)
    assert value is None or str(value) == text or text.endswith(("+00:00", "-00:00", "T"))
