"""Every example of R4 and US Core is found by every one of its own search parameters that has a value, on real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from penstock.auth.access import SYSTEM
from penstock.db import Database
from penstock.errors import Problem
from penstock.formats.fhir import json
from penstock.formats.fhir.canonical import Shelf
from penstock.formats.fhir.dates import LATEST
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.searchparams import R4, Indexed, Parameters
from penstock.store import Cause, Change, Store
from penstock.store.index import Index
from penstock.store.search.match import matches
from penstock.store.search.parse import parse
from penstock.store.words import split_words, text_of
from tests.conformance.test_fhir_examples import WRONG_US_CORE, examples, us_core_package

#: One of so many examples takes part in the suite; all of them in the soak.
SAMPLE = 12
#: Searches that the whole set makes; may only rise.
SEARCHES = 25_000
#: Searches that the examples of each package of US Core make; may only rise.
SEARCHES_US_CORE = 2_900


def queries(type: str, indexed: Indexed, parameters: Parameters = R4) -> Iterator[tuple[str, str]]:
    """(parameter, query) for each value of a resource, as a client would write it."""
    for param, system, code in (*indexed.tokens, *indexed.identifiers):
        if param != "_id":
            yield param, _token(system, code)
            yield param, escaped(code)
    for param, system, kind, value in indexed.identifier_types:
        yield f"{param}:of-type", f"{escaped(system or '')}|{escaped(kind)}|{escaped(value)}"
    targets = {code: param.targets for code, param in parameters.of(type).items()}
    yield from ((param, f"{kind}/{id}") for param, kind, id in indexed.refs if kind in targets[param])
    yield from ((param, escaped(url)) for param, url in indexed.ref_urls if ":" in url)
    yield from ((f"{param}:identifier", _token(system, value)) for param, system, value in indexed.ref_identifiers)
    for param, text in indexed.strings:
        if text.strip():
            yield param, escaped(text[:40])
            yield f"{param}:exact", escaped(text)
            yield f"{param}:contains", escaped(text[1:9] if len(text) > 9 else text)
    yield from ((f"{param}:text", escaped(text[:20])) for param, text in indexed.texts if text.strip())
    for param, low, high in (each for each in indexed.dates if each[0] != "_lastUpdated"):  # that is ours to say
        yield param, f"ge{_moment(low)}"
        if high < LATEST:
            yield param, f"lt{_moment(high)}"
    for param, low, _ in indexed.numbers:
        yield param, f"ge{low}" if low is not None else "lt1e100"
    for param, *quantity in indexed.quantities:
        yield param, _quantity(*quantity)
    for param, uri in indexed.uris:
        yield param, escaped(uri)
        yield f"{param}:below", escaped(uri.rpartition("/")[0] if uri.count("/") > 3 else uri)
    yield from ((param, f"{latitude}|{longitude}|1|m") for param, latitude, longitude in indexed.positions)
    for param, parts in indexed.composites:
        values = [next((value for name, value in queries(type, part, parameters) if ":" not in name), None) for part in parts]
        if None not in values:  # a part may be in words only
            yield param, "$".join(filter(None, values))
    if indexed.narrative and (words := list(split_words(text_of(indexed.narrative)))):
        yield "_text", f'"{words[0]}" {words[-1]}'
    yield from ((f"{param}:missing", "false") for param in sorted(indexed.params()) if param not in ("_id", "_lastUpdated"))


def escaped(text: str) -> str:
    for sign in ("\\", ",", "|", "$"):
        text = text.replace(sign, f"\\{sign}")
    return text


def _token(system: str | None, code: str) -> str:
    return f"{escaped(system or '')}|{escaped(code)}"


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").rjust(27, "0")


def _quantity(low: Any, high: Any, system: str | None, code: str | None, unit: str | None) -> str:
    number = f"le{high}" if low is None else f"ge{low}"
    return f"{number}|{escaped(system or '') if code else ''}|{escaped(code or unit or '')}"


async def _searched(database: Database, resources: list[dict[str, Any]], index: Index) -> tuple[int, list[tuple[str, str, str]]]:
    """How many searches were made, and those that did not find their resource: in the database, and in memory."""
    store, parameters = Store(_told, index=index), index.parameters  # type: ignore[arg-type]
    await store.ensure(database, {resource["resourceType"] for resource in resources})
    cause = Cause("trace", None, "test", datetime(2026, 1, 1, tzinfo=UTC))
    for start in range(0, len(resources), 100):
        async with database.transaction() as tx:
            changes = [Change("update", each["resourceType"], each["id"], each) for each in resources[start : start + 100]]
            outcomes = await store.write(tx, SYSTEM, changes, cause)
            assert not [outcome for outcome in outcomes if isinstance(outcome, Problem)]
    made, lost = 0, []
    async with database.transaction(readonly=True) as tx:
        for resource in resources:
            type, id = resource["resourceType"], resource["id"]
            indexed = parameters.extract(resource)
            for param, value in dict.fromkeys(queries(type, indexed, parameters)):
                made += 1
                text = f"{param}={quote(value, safe='')}"
                page = await store.search(tx, SYSTEM, type, f"_id={id}&{text}")
                query = parse(type, text, parameters=parameters)
                if len(page.entries) != 1 or not matches(query, indexed, resource, parameters=parameters):
                    lost.append((type, id, f"{param}={value}"))
    return made, lost


async def _told(*_: object, **__: object) -> None:
    """Nobody listens."""


def _examples(data_sets: Path) -> list[dict[str, Any]]:
    """Those of R4 and of US Core, one of each type and id."""
    files = ("us-core-9.0.0-examples.ndjson.xz", "r4-4.0.1-examples.ndjson.xz")
    found = [json.decode(text) for file in files for _, text in examples(data_sets / "fhir-examples" / file)]
    return list({(resource["resourceType"], resource["id"]): resource for resource in found if "id" in resource}.values())


async def test_a_sample_of_the_examples_is_found_by_what_it_says(database: Database, data_sets: Path) -> None:
    made, lost = await _searched(database, _examples(data_sets)[::SAMPLE], Index())
    assert not lost, "\n".join(" ".join(each) for each in lost)
    assert made > SEARCHES // SAMPLE // 2


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_every_example_is_found_by_what_it_says(database: Database, data_sets: Path) -> None:
    made, lost = await _searched(database, _examples(data_sets), Index())
    assert not lost, "\n".join(" ".join(each) for each in lost)
    assert made >= SEARCHES


def _guide(file: Path) -> tuple[Index, list[dict[str, Any]]]:
    """The search parameters of a package with those of R4, and the examples of the package."""
    definitions, texts = us_core_package(file)
    found = [json.decode(text) for _, text in texts]
    return Index(Shelf(definitions)), list({(each["resourceType"], each["id"]): each for each in found}.values())


def _of_the_guide(index: Index, resource: dict[str, Any]) -> set[str]:
    """The parameters of the guide, beyond those of R4, for which a resource has a value."""
    return index.parameters.custom(resource["resourceType"]).keys() & index.parameters.extract(resource).params()


async def test_an_example_of_us_core_is_found_by_the_parameters_of_its_guide(database: Database, data_sets: Path) -> None:
    index, resources = _guide(data_sets / "fhir-packages" / "04-us-core-610.tgz")
    having = {code: each for each in resources for code in sorted(_of_the_guide(index, each))}
    chosen = list({(each["resourceType"], each["id"]): each for each in having.values()}.values())
    made, lost = await _searched(database, chosen, index)
    assert not lost, "\n".join(" ".join(each) for each in lost)
    assert having.keys() >= {"race", "ethnicity", "gender-identity"}
    assert made > 50


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("package", WRONG_US_CORE)
async def test_every_example_of_a_us_core_package_is_found_by_what_it_says(database: Database, data_sets: Path, package: str) -> None:
    index, resources = _guide(data_sets / "fhir-packages" / package)
    made, lost = await _searched(database, resources, index)
    assert not lost, "\n".join(" ".join(each) for each in lost)
    assert made >= SEARCHES_US_CORE


def test_every_parameter_of_r4_that_has_an_expression_can_be_searched_by() -> None:
    values = {"date": "2020", "number": "1", "quantity": "1", "reference": "x", "uri": "urn:x"}
    count = 0
    for type in sorted(r4().resource_types):
        for code, param in r4().search_params(type).items():
            if param.expression and param.type not in ("composite", "special"):
                assert parse(type, f"{code}={values.get(param.type, 'x')}").criteria
                count += 1
    assert count > 2500
