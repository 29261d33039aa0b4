"""A site is read whole and checked whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.errors import Problem, Problems
from penstock.site import Site, load_site
from penstock.workbench.init import start_site

ADT = "name: adt\nlisten: 127.0.0.1:2576\n"
HOOK = "name: ward\nendpoint: https://receiver.example.org/events\n"
KEY = "{kty: EC, crv: P-256, kid: one, x: WKn-ZIGevcwGIyyrzFoZNBdaq9_TsqzGl96oc0CWuis, y: y77t-RvAHRKTsSGdIYUfweuOvwrvDD-Q3Hv5J0fSKbE}"


def _write(folder: Path, **files: str) -> Path:
    """A site of these files; ``interfaces__adt`` is ``interfaces/adt.yaml``."""
    for name, text in files.items():
        path = folder / ("site.toml" if name == "site" else f"{name.replace('__', '/')}.{'csv' if name.startswith('maps') else 'yaml'}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def _problems(folder: Path) -> dict[str, str]:
    """Place to text of everything that is wrong."""
    with pytest.raises(Problem) as caught:
        load_site(folder)
    problems = caught.value.problems if isinstance(caught.value, Problems) else (caught.value,)
    return {problem.at: problem.text for problem in problems}


def test_without_a_folder_there_are_the_two_built_in_interfaces_in_the_zone_of_the_settings() -> None:
    site = load_site(None, zone="Europe/Berlin")
    assert [(channel.name, channel.zone.key) for channel in site.channels] == [("mllp", "Europe/Berlin"), ("http", "Europe/Berlin")]
    assert (site.clients, site.webhooks, site.overlays) == ({}, (), {})


def test_a_folder_that_is_not_there_is_no_site(tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        load_site(tmp_path / "nowhere")
    assert caught.value.code == "not-found"


def test_a_site_says_what_its_files_say(tmp_path: Path) -> None:
    site = load_site(
        _write(
            tmp_path,
            site='name = "north"\nzone = "Europe/London"\n',
            interfaces__adt=ADT
            + "charset: 8859/1\nfallback: WINDOWS-1252\nack: processed\nunmappable: accept\napplications: [WARD]\nfacilities: [N]\n"
            + "processing_ids: [P]\nfilters: [ADT^A60]\nauthorities: {RXH: 'https://example.org/id/mrn'}\ncode_systems: {LAB: 'urn:lab'}\n",
            clients__lab=f"id: lab\nscope: system/Patient.rs\njwks: {{keys: [{KEY}]}}\n",
            subscriptions__ward=HOOK + "types: [Patient]\npayload: id-only\nmode: batch\nbatch: 50\nconcurrency: 2\n",
            maps__local="rule,source,target,reason\nPID[Patient]:8#1,PID-8,,the site keeps the gender elsewhere\n",
        ),
        secret_of=lambda name: f"secret of {name}",
    )
    adt = site.channel("adt")
    assert (site.name, adt.zone.key, adt.listen) == ("north", "Europe/London", "127.0.0.1:2576")
    assert (adt.interface.charset, adt.interface.fallback) == ("8859/1", "WINDOWS-1252")
    assert (adt.interface.ack, adt.interface.unmappable, adt.interface.applications) == ("processed", "accept", {"WARD"})
    assert (adt.filters, adt.authorities, adt.code_systems) == ({"ADT^A60"}, {"RXH": "https://example.org/id/mrn"}, {"LAB": "urn:lab"})
    assert site.clients["lab"].scope == "system/Patient.rs"
    (hook,) = site.webhooks
    assert (hook.secrets, hook.types, hook.payload, hook.batch, hook.concurrency) == (("secret of ward",), ("Patient",), "id-only", 50, 2)
    assert [row.rule for row in site.overlays[""].rows] == ["PID[Patient]:8#1"]


def test_the_zone_is_the_interfaces_own_else_the_sites_else_the_settings(tmp_path: Path) -> None:
    _write(tmp_path, site='zone = "Europe/London"\n', interfaces__a=ADT, interfaces__b="name: b\nlisten: 127.0.0.1:1\nzone: Asia/Tokyo\n")
    assert {channel.name: channel.zone.key for channel in load_site(tmp_path, zone="UTC").channels} == {
        "mllp": "Europe/London", "http": "Europe/London", "adt": "Europe/London", "b": "Asia/Tokyo",
    }  # fmt: skip
    (tmp_path / "site.toml").unlink()
    assert load_site(tmp_path, zone="Europe/Paris").channel("adt").zone.key == "Europe/Paris"


def test_a_file_may_say_more_of_a_built_in_interface(tmp_path: Path) -> None:
    site = load_site(_write(tmp_path, interfaces__mllp="name: mllp\nunmappable: reject\n"))
    assert (site.channel("mllp").interface.unmappable, len(site.channels)) == ("reject", 2)


def test_everything_that_is_wrong_in_all_files_is_told_at_once_with_file_and_key(tmp_path: Path) -> None:
    _write(
        tmp_path,
        site='zone = "Mars/Olympus"\ncolour = "blue"\n',
        interfaces__adt="name: ADT Ward\nlisten: here\ncharset: KLINGON\nfallback: 8859/99\nack: soon\nunmappable: 5\ncolor: blue\n"
        + "zone: Nowhere\nfilters: [A08]\nfacilities: north\nprocessing_ids: [1]\nauthorities: {RXH: mrn}\ncode_systems: [x]\n",
        subscriptions__ward="name: ward\nendpoint: file:///etc/passwd\ntypes: [Patients]\npayload: fat\n"
        + "mode: bulk\nbatch: 0\nconcurrency: many\n",
        subscriptions__none="name: none\n",
        clients__lab="id: lab\nscope: everything\n",
        maps__local="these are,no columns\n",
    )
    assert set(_problems(tmp_path)) == {
        "site.toml: zone",
        "site.toml: colour",
        *(
            f"interfaces/adt.yaml: {key}"
            for key in (
                "name", "listen", "charset", "fallback", "ack", "unmappable", "color", "zone", "filters[0]", "facilities",
                "processing_ids[0]", "authorities.RXH", "code_systems",
            )
        ),
        *(f"subscriptions/ward.yaml: {key}" for key in ("endpoint", "types[0]", "payload", "mode", "batch", "concurrency")),
        "subscriptions/none.yaml: endpoint",
        "clients/lab.yaml",
        "maps/local.csv",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: [", "this file cannot be read as what it should be"),
        ("- a list", "a file of the site is a mapping of keys"),
        ("name: adt\nname: adt\n", "a key is written twice"),
        ("name: !!python/object/apply:os.system [x]\n", "this file cannot be read as what it should be"),
    ],
)
def test_a_file_that_is_not_a_mapping_of_keys_is_told(tmp_path: Path, text: str, problem: str) -> None:
    assert _problems(_write(tmp_path, interfaces__adt=text)) == {"interfaces/adt.yaml": problem}


def test_a_file_whose_lines_are_all_comments_says_nothing(tmp_path: Path) -> None:
    assert load_site(_write(tmp_path, subscriptions__later="# name: later\n")).webhooks == ()


def test_bytes_that_are_not_utf_8_are_told(tmp_path: Path) -> None:
    _write(tmp_path, interfaces__adt=ADT)
    (tmp_path / "site.toml").write_bytes(b'name = "\xff"\n')
    assert set(_problems(tmp_path)) == {"site.toml"}


PEM = "-----BEGIN PRIVATE " + "KEY-----"


@pytest.mark.req("SE-09")
@pytest.mark.parametrize(
    ("name", "line", "key"),
    [
        ("subscriptions__ward", HOOK + "secret: hunter2\n", "secret"),
        ("subscriptions__ward", HOOK + "secrets: [a]\npassword: 12345\n", "password"),
        ("subscriptions__ward", HOOK + "headers: {api_key: abc}\n", "headers.api_key"),
        ("subscriptions__ward", "name: ward\nendpoint: https://me:hunter2@receiver.example.org/\n", "endpoint"),
        ("interfaces__adt", ADT + "authorities: {access_token: abc}\n", "authorities.access_token"),
        ("clients__lab", f"id: lab\nscope: system/Patient.r\njwks: '{PEM}'\n", "jwks"),
        ("clients__lab", "id: lab\nscope: system/Patient.r\nmethods: [client_secret_post]\nclient_secret: hunter2\n", "client_secret"),
        ("clients__lab", "id: lab\nnotes: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]\nscope: system/Patient.r\n", "notes[0]"),
    ],
)
def test_a_secret_that_is_written_into_a_file_refuses_to_load(tmp_path: Path, name: str, line: str, key: str) -> None:
    problems = _problems(_write(tmp_path, **{name: line}))
    assert problems[f"{name.replace('__', '/')}.yaml: {key}"] == "a secret must not be written into the site"
    assert "hunter2" not in str(problems)


@pytest.mark.req("SE-09")
def test_a_secret_in_site_toml_refuses_to_load(tmp_path: Path) -> None:
    assert "site.toml: admin.password" in _problems(_write(tmp_path, site='[admin]\npassword = "hunter2"\n'))


@pytest.mark.req("SE-09")
def test_a_private_key_of_a_client_refuses_to_load(tmp_path: Path) -> None:
    private = KEY.replace("}", ", d: Hndv7ZZjs_ke8o9zXYo3iq-Yr8SewI5vrqd0pAvEPqg}")
    text = f"id: lab\nscope: system/Patient.r\njwks: {{keys: [{private}]}}\n"
    assert "clients/lab.yaml: jwks" in _problems(_write(tmp_path, clients__lab=text))


def test_a_hash_of_a_secret_and_the_name_of_a_method_are_no_secrets(tmp_path: Path) -> None:
    kept = "scrypt$c2FsdHNhbHRzYWx0c2FsdA==$ZGlnZXN0"
    text = f"id: old\nscope: system/Patient.r\nmethods: [client_secret_post]\nsecret_hash: {kept}\n"
    assert load_site(_write(tmp_path, clients__old=text)).clients["old"].secret_hash == kept


def test_names_are_unique_and_so_are_listeners(tmp_path: Path) -> None:
    _write(
        tmp_path, interfaces__a=ADT, interfaces__b=ADT, subscriptions__a=HOOK, subscriptions__b=HOOK,
        interfaces__c="name: c\nlisten: 127.0.0.1:2576\n",
    )  # fmt: skip
    assert set(_problems(tmp_path)) == {"interfaces/b.yaml", "subscriptions/b.yaml", "interfaces: c"}


def test_an_interface_of_your_own_needs_a_listener_and_http_has_none(tmp_path: Path) -> None:
    _write(tmp_path, interfaces__adt="name: adt\n", interfaces__http="name: http\nlisten: 127.0.0.1:2577\n")
    assert set(_problems(tmp_path)) == {"interfaces/adt.yaml: listen", "interfaces/http.yaml: listen"}


def test_a_file_that_nobody_would_read_is_told(tmp_path: Path) -> None:
    _write(tmp_path, interface__adt=ADT, subscriptions__ward=HOOK)
    (tmp_path / "site.yaml").write_text("name: north\n")
    (tmp_path / "maps").mkdir()
    for fine in ("README.md", "maps/README.md", ".hidden.yaml"):
        (tmp_path / fine).write_text("read me")
    (tmp_path / "subscriptions" / "lab.yml").write_text(HOOK)
    assert set(_problems(tmp_path)) == {"interface/adt.yaml", "site.yaml", "subscriptions/lab.yml"}


@pytest.mark.parametrize("name", ["penstock:delivery", "penstock:"])
def test_the_names_of_the_program_itself_are_reserved(tmp_path: Path, name: str) -> None:
    text = f"id: '{name}'\nscope: system/Patient.r\njwks: {{keys: [{KEY}]}}\n"
    assert "program's own" in _problems(_write(tmp_path, clients__me=text))["clients/me.yaml: id"]


def test_a_client_whose_keys_are_of_another_kind_is_told(tmp_path: Path) -> None:
    assert "clients/me.yaml" in _problems(_write(tmp_path, clients__me="id: me\nscope: system/Patient.r\nmethods: 5\n"))


def test_a_map_names_its_columns(tmp_path: Path) -> None:
    _write(tmp_path, maps__good="rule,target\nPID[Patient]:8#1,\n", maps__bad="rule,targets\nPID[Patient]:8#1,x\n", maps__empty="")
    assert set(_problems(tmp_path)) == {"maps/bad.csv", "maps/empty.csv"}


def test_the_starter_site_loads_but_for_its_placeholder_and_its_maps_compile(tmp_path: Path) -> None:
    start_site(tmp_path)
    assert _problems(tmp_path) == {"clients/example.yaml: jwks": "put the client's public key where the placeholder stands"}
    (tmp_path / "clients" / "example.yaml").unlink()
    site: Site = load_site(tmp_path)
    assert site.plans()
    assert site.channel("adt").listen == "127.0.0.1:2576"


def test_no_text_of_a_problem_holds_a_value(tmp_path: Path) -> None:
    given: dict[str, Any] = {"interfaces__adt": "name: Zanzibar!\nzone: Zanzibar\ncharset: Zanzibar\nack: Zanzibar\n"}
    assert "Zanzibar" not in str(_problems(_write(tmp_path, **given)))
