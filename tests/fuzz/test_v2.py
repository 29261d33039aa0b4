"""HL7 v2 bent at random, and large on purpose: only Problems are raised, in bounded time, and nothing is lost or made up."""

from __future__ import annotations

import time

import pytest

from tests.fuzz import v2

#: Inputs of the long run: five million, most of them light.
LIGHT, DEEP = 4_900_000, 100_000


def test_bent_messages_break_no_promise() -> None:
    for deep in (False, True):
        found = v2.run(100_000, deep=deep, until=time.monotonic() + 4, first=10**9)
        assert found.frames > 500
        assert found.wrong == [], v2.told(found)
        assert found.slowest < v2.SLOW, v2.told(found)


@pytest.mark.soak
@pytest.mark.parametrize(("count", "deep"), [(LIGHT, False), (DEEP, True)])
def test_five_million_bent_messages_break_no_promise(count: int, deep: bool) -> None:
    found = v2.run(count, deep=deep)
    print(v2.told(found))
    assert found.frames == count
    assert found.wrong == [], v2.told(found)
    assert found.slowest < v2.SLOW, v2.told(found)


@pytest.mark.parametrize("name", v2.planted())
def test_a_large_message_takes_bounded_time(name: str) -> None:
    data = v2.planted()[name]
    seconds, converted = v2.rate(data)
    assert seconds < 20
    assert converted.resources or converted.remainder


def test_twice_the_results_take_about_twice_the_time() -> None:
    whole = v2.planted()["10,000 OBX"]
    lines = whole.split(b"\r")
    v2.rate(b"\r".join(lines[:200]))
    few, many = (min(v2.rate(b"\r".join(lines[:count]))[0] for _ in range(2)) for count in (2_000, 8_000))
    assert many / few < 4 * 2, f"{few:.3f} s for 2,000 results, {many:.3f} s for 8,000"


def test_the_harness_sees_a_lost_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted defect: the remainder forgets one reason."""
    honest = v2.convert

    def forgetful(*given: object) -> object:
        found = honest(*given)  # type: ignore[arg-type]
        return found._replace(remainder=found.remainder[1:])

    monkeypatch.setattr(v2, "convert", forgetful)
    assert v2.look(range(300), deep=True).wrong


def test_the_harness_sees_an_answer_with_a_segment_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = v2.acknowledge
    monkeypatch.setattr(v2, "acknowledge", lambda *given, **named: honest(*given, **named) + b"PID|1\r")
    assert v2.look(range(50), deep=False).wrong
