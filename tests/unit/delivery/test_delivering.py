"""Delivery from end to end: real PostgreSQL, real sockets."""

from __future__ import annotations

from tests.delivering import House, hook
from tests.event_versions import Version
from tests.subscriber import Subscriber

from penstock.db import Database
from penstock.events.cloudevents import defects


async def test_a_webhook_is_told_of_each_change(database: Database) -> None:
    house = House(database)
    async with Subscriber().listening() as subscriber, house.delivering():
        await house.webhooks(hook(subscriber.url))
        await house.write(Version(), Version(ver=2, op="update"), Version(ver=3, op="delete", body=b""))
        assert await house.settled(3) == {"due": 3, "delivered": 3, "pending": 0, "dead": 0, "discarded": 0}
    assert [told.json["type"].rsplit(".", 1)[1] for told in subscriber.told] == ["created", "updated", "deleted"]
    assert [defects(told.json) for told in subscriber.told] == [[], [], []]
    assert not any(b"Canaryname" in told.body for told in subscriber.told)
