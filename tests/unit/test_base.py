import pytest

from penstock.auth.access import parse_scope
from penstock.db import Database
from penstock.errors import Problem, explain


def test_a_v1_scope_and_its_v2_spelling_decide_the_same() -> None:
    v1, v2 = parse_scope("system/Patient.read"), parse_scope("system/Patient.rs")
    for interaction in ("read", "search", "create", "update", "delete"):
        assert v1.permits(interaction, "Patient") == v2.permits(interaction, "Patient")


def test_a_scope_of_one_type_does_not_open_another_or_all() -> None:
    access = parse_scope("system/Patient.rs")
    assert not access.permits("read", "Observation")
    assert not access.permits("search", "*")


def test_a_bug_is_explained_without_its_words() -> None:
    assert "Smith" not in str(explain(ValueError("Smith")))


async def test_a_database_error_is_a_problem(database: Database) -> None:
    with pytest.raises(Problem) as caught:
        async with database.transaction() as tx:
            await tx.execute("select 1/0")
    assert caught.value.code == "exception"
