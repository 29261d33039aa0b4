from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import Problem
from penstock.formats.fhir.dates import EARLIEST, LATEST, period, span, span_or_none, timing


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2013", at(2013, 1, 1), at(2014, 1, 1)),
        ("2013-12", at(2013, 12, 1), at(2014, 1, 1)),
        ("2012-02", at(2012, 2, 1), at(2012, 3, 1)),
        ("2012-02-29", at(2012, 2, 29), at(2012, 3, 1)),
        ("2013-01-14T10:00", at(2013, 1, 14, 10), at(2013, 1, 14, 10, 1)),
        ("2013-01-14T10:00Z", at(2013, 1, 14, 10), at(2013, 1, 14, 10, 1)),
        ("2013-01-14T10:00:07", at(2013, 1, 14, 10, 0, 7), at(2013, 1, 14, 10, 0, 8)),
        ("2013-01-14T10:00:07Z", at(2013, 1, 14, 10, 0, 7), at(2013, 1, 14, 10, 0, 8)),
        ("2013-01-14T01:00:07+02:00", at(2013, 1, 13, 23, 0, 7), at(2013, 1, 13, 23, 0, 8)),
        ("2013-01-14T10:00:07.5Z", at(2013, 1, 14, 10, 0, 7, 500000), at(2013, 1, 14, 10, 0, 7, 600000)),
        ("2013-01-14T10:00:07.123-05:00", at(2013, 1, 14, 15, 0, 7, 123000), at(2013, 1, 14, 15, 0, 7, 124000)),
        ("2013-01-14T10:00:07.123456789Z", at(2013, 1, 14, 10, 0, 7, 123456), at(2013, 1, 14, 10, 0, 7, 123457)),
        ("2016-12-31T23:59:60Z", at(2016, 12, 31, 23, 59, 59), at(2017, 1, 1)),
        ("9999", at(9999, 1, 1), LATEST),
        ("9999-12", at(9999, 12, 1), LATEST),
        ("9999-12-31", at(9999, 12, 31), LATEST),
    ],
)
def test_a_date_means_the_time_its_precision_covers(text: str, low: datetime, high: datetime) -> None:
    assert span(text) == (low, high)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "13",
        "0000",
        "2013-13",
        "2013-00-01",
        "2013-02-30",
        "2013-1-4",
        "20130114",
        "2013-01-14T",
        "2013-01-14T24:00:00Z",
        "2013-01-14T10:00:07.Z",
        "2013-01-14T10:00:07+25:00",
        "2013-01-14T10:00:60Z",
        "2013-01-14 10:00:00Z",
        "2013-W03-1T10:00:00Z",
        "20130114T10:00:00+01:00",
        "2013-01-14T10:00:07Zx",
        "٢٠١٣-01-14",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(Problem) as caught:
        span(text)
    assert caught.value.code == "value"
    assert span_or_none(text) is None


def test_something_that_is_no_text_is_no_date() -> None:
    assert span_or_none(None) is None
    assert span_or_none(2013) is None


def test_an_open_period_has_no_limit_on_that_side() -> None:
    assert period({"start": "2013"}) == (at(2013, 1, 1), LATEST)
    assert period({"end": "2013-01-14"}) == (EARLIEST, at(2013, 1, 15))
    assert period({"start": "2012", "end": "2013"}) == (at(2012, 1, 1), at(2014, 1, 1))
    assert period({}) is None


def test_a_timing_reaches_from_its_first_to_its_last_time() -> None:
    events = {"event": ["2013-03-01", "2013-01-01", None], "repeat": {"boundsPeriod": {"end": "2013-04-01"}}}
    assert timing(events) == (EARLIEST, at(2013, 4, 2))
    assert timing({"event": ["2013-03-01", "2013-01-01"]}) == (at(2013, 1, 1), at(2013, 3, 2))
    assert timing({"repeat": {"count": 3}}) is None


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),
    st.integers(-840, 840),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_every_instant_lies_in_the_span_of_its_text(moment: datetime, offset: int, precision: str) -> None:
    sign, (hours, minutes) = "-" if offset < 0 else "+", divmod(abs(offset), 60)
    low, high = span(f"{moment.isoformat(timespec=precision)}{sign}{hours:02}:{minutes:02}")
    exact = moment.replace(tzinfo=UTC) - timedelta(minutes=offset)
    assert low <= exact < high
    assert high - low == timedelta(**{precision: 1})
