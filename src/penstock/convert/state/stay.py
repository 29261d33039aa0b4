"""The course of a stay: its status and its places, worked out from what the trigger events said, by their times.

A trigger event decides by `events.csv` the status, the place, or both; any other message that names them (an update, say) is a glance:
the newest glance adds a place that no event told of, and its status stands until an event decides one. An event that cancels
another one takes it out of the course, by the time that it names (EVN-6), else the last one before it (HL7 v2.5.1 section 3.3).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.convert.rows import home
from penstock.convert.state.lists import location
from penstock.convert.state.marks import BEFORE, Event, Mark
from penstock.convert.state.ways import policies

if TYPE_CHECKING:
    from penstock.convert.state.fold import Statement

Course = tuple[str | None, list[Any] | None]

#: The elements of an Encounter that are worked out here.
COURSE = frozenset({"status", "location"})
COURSE_PARTS = frozenset({"status", "place"})

#: Of more events than this the older half is remembered by what it came to.
MOST = 200


class Kind(NamedTuple):
    """What a trigger event does. `reach`: what is cancelled is one event, every one of the kind, or one and the rest after it."""

    rank: int
    decides: frozenset[str]
    cancels: frozenset[str]
    reach: str


OTHER = Kind(50, frozenset(), frozenset(), "")


@cache
def kinds() -> dict[str, Kind]:
    lines = csv.DictReader(home().joinpath("events.csv").read_text(encoding="utf-8").splitlines())
    return {
        line["trigger"]: Kind(int(line["rank"]), frozenset(line["decides"].split()), frozenset(line["cancels"].split()), line["reach"])
        for line in lines
    }


def kind(trigger: str) -> Kind:
    return kinds().get(trigger, OTHER)


def told(said: Statement, mark: Mark, status: str | None, places: list[Any] | None) -> list[Event]:
    """What a message says of the course: one event when its trigger decides or cancels something, and glances."""
    how, found = kind(said.trigger), []
    if how.decides & COURSE_PARTS or how.cancels:
        decided, placed = status if "status" in how.decides else None, places if "place" in how.decides else None
        found.append(Event(said.mark, said.occurred, said.trigger, "", decided, placed, said.cancelled))
    if status is not None and "status" not in how.decides:
        found.append(Event(mark, said.occurred, "", "end" if status == "finished" else "status", status))
    if places is not None and "place" not in how.decides and how.reach != "rest":
        found.append(Event(said.mark, said.occurred, "", "place", None, places))
    return found


def found(status: str | None, places: list[Any] | None) -> tuple[Event, ...]:
    """What stood in the resource before any message said something of it."""
    glance = Event(BEFORE, 0, "", "end" if status == "finished" else "status", status)
    return (*((glance,) if status else ()), *((Event(BEFORE, 0, places=places),) if places else ()))


def add(log: Sequence[Event], events: Iterable[Event]) -> tuple[Event, ...]:
    """The log with these events: the same message again takes the place of what it said before; of glances the newest stays."""
    out = list(log)
    for event in events:
        same = [one for one in out if one.slot == event.slot and (event.slot or one.mark == event.mark)]
        if event.slot and any(one.mark > event.mark for one in same):
            continue
        out = [one for one in out if one not in same]
        out.append(event)
    return shortened(out) if len(out) > MOST else tuple(out)


def shortened(log: list[Event]) -> tuple[Event, ...]:
    """The older half as one event."""
    glances, events = [one for one in log if one.slot], sorted((one for one in log if not one.slot), key=lambda one: one.mark)
    old = events[: len(events) // 2]
    status, places = derive(old)
    return (Event(old[-1].mark, old[-1].occurred, "", "", status, places), *events[len(old) :], *glances)


def since(log: Iterable[Event], floors: dict[str, Mark]) -> tuple[Event, ...]:
    """Without what was deleted: `status` and `location` are forgotten up to the time of their deletion."""
    status, places = floors.get("status"), floors.get("location")
    out = []
    for event in log:
        if status and event.mark < status:
            event = event._replace(status=None)
        if places and event.mark < places:
            event = event._replace(places=None)
        cancels = kind(event.trigger).cancels and not (status and event.mark < status)
        if event.status is not None or event.places is not None or cancels:
            out.append(event)
    return tuple(out)


def derive(log: Iterable[Event]) -> Course:
    """The status and the places that the log comes to; None for what it says nothing of."""
    glances = {event.slot: event for event in log if event.slot}
    ends = [glances["end"]] if "end" in glances else []
    alive, cancels = standing([*(event for event in log if not event.slot), *ends])
    return status_of(alive, cancels, glances.get("status")), places_of(alive, glances.get("place"))


def standing(events: list[Event]) -> tuple[list[Event], list[Event]]:
    """The events that were not cancelled, and the cancelling ones; in the order of their marks."""
    alive: list[Event] = []
    cancels: list[Event] = []
    for event in sorted(events, key=lambda one: one.mark):
        how = kind(event.trigger)
        if not how.cancels:
            alive.append(event)
            continue
        cancels.append(event)
        meant = [one for one in alive if one.trigger in how.cancels or (one.slot == "end" and "A03" in how.cancels)]
        if not meant:
            continue
        named = [one for one in meant if one.occurred == event.cancelled]
        last = (named or meant)[-1]
        gone = {"one": [last], "kind": meant, "rest": alive[alive.index(last) :]}[how.reach]
        alive = [one for one in alive if one not in gone]
    return alive, cancels


def status_of(alive: Sequence[Event], cancels: Sequence[Event], glance: Event | None) -> str | None:
    """The last event that decides; where none is left, the last one that cancelled; else what somebody mentioned."""
    decided = [one for one in alive if one.status is not None]
    if decided:
        return max(decided, key=lambda one: (one.occurred, one.mark)).status
    cancelled = [one for one in cancels if one.status is not None]
    if cancelled:
        return cancelled[-1].status
    return glance.status if glance else None


def places_of(alive: Iterable[Event], glance: Event | None) -> list[Any] | None:
    """Each place after the other; a glance counts when nothing newer was decided."""
    moves = sorted((one for one in alive if one.places is not None), key=lambda one: (one.occurred, one.mark))
    if glance is not None and (not moves or max(one.mark for one in moves) < glance.mark):
        moves.append(glance)
    key = policies()["Encounter.location"].key
    places: list[Any] | None = None
    for move in moves:
        history = not move.trigger and not move.slot
        places = move.places if history and places is None else location(places, move.places, key)
    return places
