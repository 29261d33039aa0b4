"""Reading what is due while workers go on: nothing is read past a lane that stops in the meantime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from penstock.db import Database, Tx
from penstock.delivery import registry
from penstock.delivery.reading import Reader, Stream
from tests.delivering import House, hook, observation


async def test_a_lane_that_is_parked_during_a_read_is_read_again_in_order(database: Database) -> None:
    house = House(database)
    await house.webhooks(hook("https://a.example/", payload="full"))
    await house.write(*[observation(n, "1") for n in range(3)])
    await house.pass_by()
    stream, now = Stream(0, 4), house.clock.now()
    lanes = stream.lanes

    async def fail_the_head_meanwhile(tx: Tx, keys: Sequence[tuple[str, str, int]]) -> Mapping[tuple[str, str, int], bytes]:
        head = lanes.take(now)
        if head is not None:
            lanes.postpone(head, now + timedelta(seconds=1))
        return await house.bodies(tx, keys)

    async with database.connection() as tx:
        (subscription,) = await registry.all_of(tx)
    reader = Reader(replace(house.world, bodies=fail_the_head_meanwhile), subscription)
    await reader.load(stream, now)
    await house.write(*[observation(n, "1") for n in range(3, 6)])
    await house.pass_by()
    stream.exhausted = False
    await reader.load(stream, now)

    order, later = [], now + timedelta(seconds=5)
    while (job := lanes.take(later)) is not None:
        order.append(job.seq)
        lanes.done([job], later)
        await Reader(house.world, subscription).load(stream, later)
        async with database.transaction() as tx:
            await tx.execute("update delivery set state = 'delivered' where seq = $1", job.seq)
    assert order == [1, 2, 3, 4, 5, 6]
