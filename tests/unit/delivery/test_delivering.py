"""Delivery from end to end: real PostgreSQL, real sockets."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import pytest

from penstock.db import Database
from penstock.delivery import dead
from penstock.delivery.policy import Policy
from penstock.events.cloudevents import defects
from tests.delivering import FAST, House, SimulatedClock, hook, observation
from tests.event_versions import Version
from tests.subscriber import OK, Subscriber, Told, answer


@pytest.mark.req("EV-01", "EV-05")
async def test_a_webhook_is_told_once_of_each_version_without_patient_data(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(Version(), Version(ver=2, op="update"), Version(ver=3, op="delete", body=b""))
        assert await house.settled(3) == {"due": 3, "delivered": 3, "pending": 0, "dead": 0, "discarded": 0}
    assert [told.json["type"].rsplit(".", 1)[1] for told in subscriber.told] == ["created", "updated", "deleted"]
    assert [defects(told.json) for told in subscriber.told] == [[], [], []]
    assert not any(b"Canaryname" in told.body for told in subscriber.told)


@pytest.mark.req("EV-04")
async def test_under_random_delays_and_failures_each_patient_stays_in_order_and_nobody_is_forgotten(database: Database) -> None:
    chance = random.Random(20260105)
    finished: dict[str, list[str]] = defaultdict(list)

    async def moody(told: Told) -> bytes | None:
        await asyncio.sleep(chance.uniform(0, 0.004))
        mood = chance.random()
        if mood < 0.15:
            return answer(503)
        if mood < 0.2:
            return None
        finished[told.json["partitionkey"]].append(told.json["subject"])
        return OK

    house = House(database, Policy(base_s=0.002, cap_s=0.01, failures=50))
    async with Subscriber(moody).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url, concurrency=8))
        for start in range(0, 400, 40):
            await house.write(*[observation(number, str(number % 10)) for number in range(start, start + 40)])
        await house.settled(400)
    for patient in range(10):
        assert finished[f"Patient/{patient}"] == [f"Observation/{number}" for number in range(patient, 400, 10)]


@pytest.mark.req("EV-04")
async def test_a_patient_whose_event_is_refused_does_not_hold_up_the_others(database: Database) -> None:
    async def refuse_one(told: Told) -> bytes:
        return answer(422) if told.json["subject"] == "Observation/0" else OK

    house = House(database, Policy(base_s=30, cap_s=30))
    async with Subscriber(refuse_one).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(*[observation(number, str(number % 2)) for number in range(1200)])
        found = await house.until(lambda c: c["delivered"] == 600)
        assert found["pending"] == 600
        await asyncio.sleep(0.1)
    assert {told.json["partitionkey"] for told in subscriber.confirmed} == {"Patient/1"}


async def test_a_dead_subscriber_delays_no_other_and_catches_up_when_it_starts(database: Database) -> None:
    house = House(database)
    stopped = Subscriber()
    async with stopped.listening():
        pass  # a port on which nobody listens
    silent = Subscriber(lambda told: asyncio.sleep(60, OK))
    async with Subscriber().listening() as well, silent.listening(), house.delivering():
        await house.webhooks(hook(well.url, "well"), hook(stopped.url, "stopped"), hook(silent.url, "silent"))
        await house.write(*[observation(number, str(number % 7)) for number in range(100)])
        await house.until(lambda c: c["delivered"] == 100, 5)
        assert len(well.confirmed) == 100
        async with stopped.listening():
            await house.until(lambda c: c["delivered"] == 200)
    order = [told.json["subject"] for told in stopped.confirmed if told.json["partitionkey"] == "Patient/3"]
    assert order == [f"Observation/{number}" for number in range(3, 100, 7)]


@pytest.mark.req("EV-07")
async def test_a_permanent_failure_becomes_a_dead_letter_with_its_history_and_a_passing_one_recovers(database: Database) -> None:
    failures = iter([503, 500])

    async def behave(told: Told) -> bytes:
        if told.json["subject"] == "Observation/bad":
            return answer(422, b"private words of the subscriber")
        return answer(next(failures, 200))

    house = House(database)
    async with Subscriber(behave).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(observation("good", "1"), observation("bad", "2"), observation("after", "2"))
        found = await house.settled(3)
    assert (found["delivered"], found["dead"]) == (2, 1)
    async with database.connection() as tx:
        (entry,) = await dead.entries(tx, state="dead")
    assert entry["reference"] == "Observation/bad/_history/1" and entry["attempts"] == FAST.rejections
    assert [attempt["status"] for attempt in entry["history"]] == [422] * FAST.rejections
    assert entry["reason"] == "the endpoint answered with status 422"


@pytest.mark.req("EV-13")
async def test_an_outage_of_seventy_two_hours_loses_nothing_and_keeps_order(database: Database) -> None:
    clock = SimulatedClock()
    began = clock.now()
    policy = Policy(horizon_s=5 * 86400)
    house = House(database, policy, clock=clock, wait=clock.wait)

    async def down_for_three_days(told: Told) -> bytes:
        return OK if (clock.now() - began).total_seconds() > 72 * 3600 else answer(503)

    async with Subscriber(down_for_three_days).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(*[observation(number, str(number % 5)) for number in range(300)])
        found = await house.settled(300, 60)
    assert found["delivered"] == 300 and found["dead"] == 0
    for patient in range(5):
        order = [told.json["subject"] for told in subscriber.confirmed if told.json["partitionkey"] == f"Patient/{patient}"]
        assert order == [f"Observation/{number}" for number in range(patient, 300, 5)]
    assert len(subscriber.told) < 300 + 400  # probes, not a storm


async def test_after_the_horizon_events_become_dead_letters(database: Database) -> None:
    clock = SimulatedClock()
    house = House(database, Policy(horizon_s=3600), clock=clock, wait=clock.wait)
    async with Subscriber(lambda told: asyncio.sleep(0, answer(503))).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(observation(1, "1"), observation(2, "1"))
        found = await house.settled(2, 30)
    assert found["dead"] == 2


async def test_retry_after_is_obeyed(database: Database) -> None:
    clock = SimulatedClock()
    times = []

    async def busy(told: Told) -> bytes:
        times.append(clock.now())
        return answer(429, b"", "Retry-After: 120") if len(times) == 1 else OK

    house = House(database, clock=clock, wait=clock.wait)
    async with Subscriber(busy).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(observation(1, "1"), observation(2, "1"))
        await house.settled(2)
    assert (times[1] - times[0]).total_seconds() >= 120


async def test_a_subscriber_that_is_gone_is_turned_off_and_what_waits_is_discarded(database: Database) -> None:
    house = House(database)
    async with Subscriber(lambda told: asyncio.sleep(0, answer(410))).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(*[observation(number, "1") for number in range(5)])
        found = await house.settled(5)
        assert found["discarded"] == 5
        await house.write(observation(9, "1"))
        await asyncio.sleep(0.3)
        assert (await house.counts())["due"] == 5
    assert len(subscriber.told) == 1


async def test_a_confirmation_that_is_lost_on_the_way_is_repeated_with_the_same_id_and_signature_rules(database: Database) -> None:
    cut = iter([None])

    async def behave(told: Told) -> bytes | None:
        return next(cut, OK)

    house = House(database)
    async with Subscriber(behave).listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(observation(1, "1"))
        await house.settled(1)
    first, second = subscriber.told
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == first.json["id"] == second.json["id"]
    assert first.body == second.body


@pytest.mark.req("EV-02")
async def test_delivery_that_is_killed_at_random_moments_misses_nothing(database: Database) -> None:
    chance = random.Random(3)
    house = House(database)

    async def slow(told: Told) -> bytes:
        await asyncio.sleep(0.002)
        return OK

    async def kill_connections() -> None:
        async with database.connection() as tx:
            await tx.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            )

    async with Subscriber(slow).listening() as subscriber:
        await house.webhooks(hook(subscriber.url))
        for number in range(10):
            async with house.delivering():
                await house.write(*[observation(n, str(n % 5)) for n in range(number * 20, number * 20 + 20)])
                await asyncio.sleep(chance.uniform(0.0, 0.05))
                if number % 3 == 2:
                    await kill_connections()
                    await asyncio.sleep(chance.uniform(0.0, 0.05))
        async with house.delivering():
            found = await house.settled(200)
    assert found["delivered"] == 200
    firsts: dict[str, None] = dict.fromkeys(told.json["subject"] for told in subscriber.confirmed)
    for patient in range(5):
        assert [s for s in firsts if int(s.split("/")[1]) % 5 == patient] == [f"Observation/{n}" for n in range(patient, 200, 5)]


async def test_two_programs_share_the_work_without_telling_twice(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering(), house.delivering():
        await house.webhooks(hook(subscriber.url, "a"), hook(subscriber.url, "b"))
        for start in range(0, 200, 20):
            await house.write(*[observation(number, str(number % 5)) for number in range(start, start + 20)])
        await house.settled(400)
    assert len(subscriber.told) == 400


async def test_batches_carry_many_events_in_order_and_a_bad_one_is_found_alone(database: Database) -> None:
    async def behave(told: Told) -> bytes:
        return answer(400) if any(event["subject"] == "Observation/17" for event in told.json) else OK

    house = House(database)
    async with Subscriber(behave).listening() as subscriber:
        await house.webhooks(hook(subscriber.url, batch=50))
        await house.write(*[observation(number, str(number % 3)) for number in range(100)])
        async with house.delivering():
            found = await house.settled(100)
    assert (found["delivered"], found["dead"]) == (99, 1)
    assert max(len(told.json) for told in subscriber.told) == 50
    assert subscriber.told[0].headers["content-type"] == "application/cloudevents-batch+json; charset=utf-8"
    for patient in range(3):
        order = [e["subject"] for told in subscriber.confirmed for e in told.json if e["partitionkey"] == f"Patient/{patient}"]
        assert order == [f"Observation/{n}" for n in range(patient, 100, 3) if n != 17]
