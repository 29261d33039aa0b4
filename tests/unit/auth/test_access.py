"""Scopes, as an algebra: what is granted, what that covers, and nothing beyond it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.auth.access import LETTERS, parse_scope

TYPES = st.sampled_from(["Patient", "Observation", "Binary"])
LETTER_SETS = st.sets(st.sampled_from("cruds"), min_size=1).map(lambda letters: "".join(c for c in "cruds" if c in letters))


@given(st.lists(st.tuples(TYPES, LETTER_SETS), max_size=4), TYPES, st.sampled_from(sorted(LETTERS)))
def test_an_access_permits_what_one_of_its_scopes_says_and_nothing_else(
    scopes: list[tuple[str, str]], type_: str, interaction: str
) -> None:
    access = parse_scope(" ".join(f"system/{name}.{letters}" for name, letters in scopes))
    assert access.permits(interaction, type_) == any(name == type_ and LETTERS[interaction] in letters for name, letters in scopes)


@pytest.mark.parametrize(
    ("held", "wanted", "answer"),
    [
        ("admin/trace.r", "admin/trace.r", True), ("admin/*.r", "admin/trace.r", True), ("admin/*.*", "admin/raw.r", True),
        ("admin/trace.*", "admin/trace.u", True), ("ingest/v2.c", "ingest/v2.c", True), ("events/*.r", "events/feed.r", True),
        ("admin/trace.r", "admin/trace.u", False), ("admin/trace.r", "admin/*.r", False), ("admin/*.r", "ingest/v2.c", False),
        ("admin/dead.r admin/dead.u", "admin/dead.ru", True), ("system/*.cruds", "admin/trace.r", False), ("admin/*.r", "admin/*.*", False),
    ],
)  # fmt: skip
def test_an_operations_scope_covers_what_it_says(held: str, wanted: str, answer: bool) -> None:
    assert parse_scope(held).operates(wanted) is answer
