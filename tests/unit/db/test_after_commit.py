import pytest

from penstock.db import Database, after_commit


async def test_a_callback_runs_after_a_commit_and_never_after_a_rollback(database: Database) -> None:
    rung: list[str] = []
    async with database.transaction() as tx:
        after_commit(tx, lambda: rung.append("committed"))
        assert not rung
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            after_commit(tx, lambda: rung.append("rolled back"))
            raise ZeroDivisionError
    async with database.transaction() as tx:
        await tx.fetchval("select 1")
    assert rung == ["committed"]
