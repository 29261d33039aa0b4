"""Order in memory, without a database: any sequence of successes and failures keeps each key in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from penstock.delivery.lanes import Job, Lanes

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def job(seq: int, key: str) -> Job:
    return Job(seq, key, 0, 0, NOW, NOW)


class Table:
    """The rows that are pending, read as the consumer reads them."""

    def __init__(self, keys: list[str]) -> None:
        self.rows = [job(seq, key) for seq, key in enumerate(keys, start=1)]
        self.settled: list[Job] = []

    def load(self, lanes: Lanes, limit: int, now: datetime) -> None:
        pending = [row for row in self.rows if row not in self.settled]
        for key in lanes.run_dry():
            after = lanes.parked.pop(key)
            for row in pending:
                if row.key == key and after < row.seq <= lanes.loaded:
                    lanes.add(row, now)
        for row in [row for row in pending if row.seq > lanes.loaded and row.key not in lanes.parked][:limit]:
            lanes.loaded = row.seq
            lanes.add(row, now)


@given(
    keys=st.lists(st.sampled_from("abc"), max_size=40),
    outcomes=st.lists(st.sampled_from(["done", "fail", "load", "later", "release"]), max_size=400),
    workers=st.integers(1, 5),
    batch=st.integers(1, 4),
)
def test_each_key_is_settled_in_order_whatever_happens(keys: list[str], outcomes: list[str], workers: int, batch: int) -> None:
    table, lanes, now = Table(keys), Lanes(), NOW
    busy: list[list[Job]] = []
    for outcome in [*outcomes, *["load", "later", "done"] * (len(keys) * 3 + 9)]:
        while len(busy) < workers and (head := lanes.take(now)) is not None:
            assert head.key not in {jobs[0].key for jobs in busy}
            busy.append([head, *lanes.followers(head, batch - 1)])
        if outcome == "load":
            table.load(lanes, 7, now)
        elif outcome == "later":
            now += timedelta(seconds=10)
        elif outcome == "release":
            lanes.release(now)
        elif busy:
            jobs = busy.pop(0)
            if outcome == "done":
                table.settled += jobs
                lanes.done(jobs, now)
            else:
                lanes.postpone(jobs[0], now + timedelta(seconds=5))
    assert len(table.settled) == len(keys)
    for key in "abc":
        order = [row.seq for row in table.settled if row.key == key]
        assert order == sorted(order)
    assert lanes.size == 0 and lanes.next_due() is None
