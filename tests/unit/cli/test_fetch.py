"""``penstock fetch``: the pages of a partner's search, by link or by offset, and no way to another server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.delivery import Manners, Partner
from penstock.errors import Problem
from penstock.workbench.fetch import fetch

BASE = "https://partner.example/r4"


def partner(**manners: Any) -> Partner:
    return Partner("p", BASE, (), Manners(**manners), (("Authorization", "Bearer x"),))


def bundle(ids: list[int], link: str | None = None) -> bytes:
    entries = [{"resource": {"resourceType": "Patient", "id": str(n)}, "search": {"mode": "match"}} for n in ids]
    links = [{"relation": "next", "url": link}] if link else []
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries}).encode()


class Pages:
    """Answers by URL; remembers what it was asked, and with what."""

    def __init__(self, answers: dict[str, bytes]) -> None:
        self.answers, self.asked = answers, []

    def __call__(self, url: str, headers: dict[str, str]) -> bytes:
        assert headers["Authorization"] == "Bearer x"
        self.asked.append(url)
        return self.answers[url]


def ids(found: Any) -> list[str]:
    return [one["id"] for one in found]


def test_links_are_followed_also_relative_ones() -> None:
    pages = Pages(
        {
            f"{BASE}/Patient?family=M": bundle([1, 2], f"{BASE}?page=2"),
            f"{BASE}?page=2": bundle([3], "/r4?page=3"),
            f"{BASE}?page=3": bundle([]),
        }
    )
    assert ids(fetch(partner(), "Patient?family=M", most=100, get=pages)) == ["1", "2", "3"]


def test_an_offset_counts_what_was_seen() -> None:
    pages = Pages(
        {f"{BASE}/Patient?a=b": bundle([1, 2]), f"{BASE}/Patient?a=b&_offset=2": bundle([3]), f"{BASE}/Patient?a=b&_offset=3": bundle([])}
    )
    assert ids(fetch(partner(pages="_offset"), "Patient?a=b", most=100, get=pages)) == ["1", "2", "3"]


def test_no_more_is_asked_than_is_wanted() -> None:
    pages = Pages({f"{BASE}/Patient": bundle([1, 2, 3], f"{BASE}?page=2")})
    assert ids(fetch(partner(), "Patient", most=2, get=pages)) == ["1", "2"]
    assert len(pages.asked) == 1


def test_a_link_to_another_server_is_not_followed() -> None:
    pages = Pages({f"{BASE}/Patient": bundle([1], "https://elsewhere.example/r4?page=2")})
    with pytest.raises(Problem, match="another server"):
        list(fetch(partner(), "Patient", most=10, get=pages))
    assert pages.asked == [f"{BASE}/Patient"]


def test_xml_and_a_single_resource() -> None:
    pages = Pages({f"{BASE}/Patient/1": b'<Patient xmlns="http://hl7.org/fhir"><id value="1"/></Patient>'})
    assert ids(fetch(partner(format="xml"), "Patient/1", most=10, get=pages)) == ["1"]
