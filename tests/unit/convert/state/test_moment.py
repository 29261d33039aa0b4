"""When a message was said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from penstock.convert import Context
from penstock.convert.state import Moment, moment
from penstock.convert.state.moment import ARRIVAL, micros
from penstock.formats.hl7v2 import parse

ARRIVED = datetime(2025, 4, 1, 12, 30, tzinfo=UTC)


def at(msh: str, evn: str = "", *, trigger: str = "A08", occurred: str = "", order: str = "event-time", control: str = "7") -> Moment:
    text = f"MSH|^~\\&|PAS|RXH|||{msh}||ADT^{trigger}|{control}|P|2.5\rEVN|{trigger}|{evn}||||{occurred}"
    context = Context(zone=timezone(timedelta(hours=1)), received_at=ARRIVED)
    return moment(parse(text), context, order=order, number=12)


def time(found: Moment) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=found.mark.when)


@pytest.mark.parametrize(
    ("msh", "evn", "when"),
    [
        ("20250401110000", "20250401100000", datetime(2025, 4, 1, 9, tzinfo=UTC)),
        ("20250401110000", "202504011000+0000", datetime(2025, 4, 1, 10, tzinfo=UTC)),
        ("20250401110000", "", datetime(2025, 4, 1, 10, tzinfo=UTC)),
        ("20250401110000", "20250401", datetime(2025, 4, 1, 10, tzinfo=UTC)),
        ("20250401110000", "20990101000000", datetime(2025, 4, 1, 10, tzinfo=UTC)),
        ("20250401110000", "20251301000000", datetime(2025, 4, 1, 10, tzinfo=UTC)),
        ("", "", ARRIVED),
        ("soon", "1", ARRIVED),
        ("20250401", "20250401", ARRIVED),
        ("20250330", "", datetime(2025, 3, 30, 22, 59, 59, 999999, tzinfo=UTC)),
        ("20250401", "20250330", datetime(2025, 3, 30, 22, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_the_time_is_evn_2_else_msh_7_else_the_arrival(msh: str, evn: str, when: datetime) -> None:
    assert time(at(msh, evn)) == when


def test_messages_of_one_moment_are_ordered_by_their_event_then_by_their_control_id() -> None:
    same = "20250401110000"
    admission, update, discharge = (at(same, trigger=trigger).mark for trigger in ("A01", "A08", "A03"))
    assert admission < update < discharge
    assert at(same, control="9").mark < at(same, control="10").mark


def test_an_interface_without_usable_clocks_is_ordered_by_arrival() -> None:
    assert at("20250401110000", order=ARRIVAL).mark[1:] == (micros(ARRIVED), 0, f"{12:020}")


def test_evn_6_is_when_the_event_occurred_or_what_it_cancels_did() -> None:
    said, named = "20250401110000", "20250401090000"
    transfer, cancel = at(said, trigger="A02", occurred=named), at(said, trigger="A12", occurred=named)
    assert (transfer.occurred, transfer.cancelled) == (transfer.mark.when - 2 * 3_600_000_000, 0)
    assert (cancel.occurred, cancel.cancelled) == (cancel.mark.when, transfer.occurred)
