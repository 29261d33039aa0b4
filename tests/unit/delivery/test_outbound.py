"""The door for outgoing requests: no subscriber can make us call our own network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.delivery.outbound import Door, Target, parse_url
from penstock.errors import Problem

PUBLIC = "93.184.216.34"


def names(**table: str | list[str]):
    async def resolve(host: str, port: int) -> list[str]:
        found = table.get(host.replace(".", "_"))
        if found is None:
            raise OSError
        return [found] if isinstance(found, str) else found

    return resolve


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.100.100.200",
        "168.63.129.16", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::", "::127.0.0.1",
    ],
)  # fmt: skip
async def test_an_inside_address_is_refused_as_a_literal_and_behind_a_name(address: str) -> None:
    door = Door(resolve=names(evil_example=address))
    host = f"[{address}]" if ":" in address else address
    for url in (f"https://{host}/", "https://evil.example/"):
        with pytest.raises(Problem) as caught:
            await door.addresses(parse_url(url))
        assert caught.value.code == "forbidden"


async def test_a_public_address_over_https_is_the_default() -> None:
    door = Door(resolve=names(good_example=PUBLIC))
    assert await door.addresses(parse_url("https://good.example/hook")) == [PUBLIC]
    with pytest.raises(Problem, match="https"):
        door.check(parse_url("http://good.example/hook"))
    with pytest.raises(Problem):
        await door.addresses(parse_url("http://good.example/hook"))


async def test_of_mixed_answers_only_the_outside_ones_are_used() -> None:
    door = Door(resolve=names(mixed_example=["10.0.0.1", PUBLIC, "::1"]))
    assert await door.addresses(parse_url("https://mixed.example/")) == [PUBLIC]


async def test_the_operator_can_allow_a_host_or_a_network_also_over_http() -> None:
    door = Door(
        ["ehr.internal", "10.20.0.0/16", "::1"],
        resolve=names(ehr_internal="192.168.0.9", other_internal="10.20.3.4", third_internal="10.21.0.1"),
    )
    assert await door.addresses(parse_url("http://ehr.internal/")) == ["192.168.0.9"]
    assert await door.addresses(parse_url("http://EHR.internal./")) == ["192.168.0.9"]
    assert await door.addresses(parse_url("http://other.internal/")) == ["10.20.3.4"]
    assert await door.addresses(parse_url("http://[::1]:8080/")) == ["::1"]
    with pytest.raises(Problem):
        await door.addresses(parse_url("https://third.internal/"))


async def test_an_unknown_name_may_be_known_later() -> None:
    with pytest.raises(Problem) as caught:
        await Door(resolve=names()).addresses(parse_url("https://nowhere.example/"))
    assert caught.value.meaning.retry


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://a.example/", "file:///etc/passwd", "gopher://a.example/", "https://", "https:///x", "https://user:pw@a.example/",
        "https://a.example@10.0.0.1/", "https://a.example:0/", "https://a.example:99999/", "https://a.example:x/", "https://a.example/#f",
        "https://a.example/a b",
        "https://a.example/\r\nX: y", "https://a.example\\@b/", "https://ä.example/", "https://-a/", "//a.example/",
    ],
)  # fmt: skip
def test_a_url_that_is_not_plain_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_url(url)
    assert caught.value.code == "value" and (not url or url not in str(caught.value))


def test_a_plain_url_is_taken_apart() -> None:
    assert parse_url("https://A.Example/p?q=1") == Target("https", "a.example", 443, "/p?q=1")
    assert parse_url("http://[::1]:81").authority == "[::1]:81"
    assert parse_url("https://a.example").authority == "a.example"


@given(st.text(max_size=60))
def test_no_text_makes_the_parser_fail_otherwise(text: str) -> None:
    try:
        target = parse_url("https://" + text)
    except Problem:
        return
    assert target.host and "\r" not in target.path + target.host and "\n" not in target.path + target.host
