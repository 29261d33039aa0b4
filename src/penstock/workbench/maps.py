"""``penstock maps``, ``plan``, ``apply`` and ``rollback``: the maps of a site, before and after they come into force."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from penstock.errors import Problem, Problems
from penstock.settings import read_settings

_PATH = "/admin/v1/maps"

Data = Annotated[Path | None, typer.Option(help="Data folder of the program. [default: ./penstock-data]")]
Json = Annotated[bool, typer.Option("--json", help="Print data for machines.")]
Folder = Annotated[Path, typer.Option(help="Folder of the site's configuration.")]
Reason = Annotated[str, typer.Option(help="Why, for those who look at the history.")]


def maps(
    site: Annotated[Path | None, typer.Option(help="Folder of the site's configuration. [default: the maps as shipped]")] = None,
    interface: Annotated[str, typer.Option(help="Interface whose maps are meant.")] = "mllp",
    row: Annotated[str, typer.Option(help="Only rows whose id begins so, such as PID or 'OBX[Observation]:5'.")] = "",
    changed: Annotated[bool, typer.Option("--changed", help="Only rows that the site changes or adds.")] = False,
    as_json: Json = False,
) -> None:
    """Print the mapping rows that hold for an interface in the end, with the layer that says so last."""
    from penstock.convert import effective
    from penstock.site import load_site

    found = load_site(site)
    for layer, one in effective(found.overlay(found.channel(interface)).rows):
        if not one.rule.startswith(row) or (changed and layer != "site"):
            continue
        if as_json:
            typer.echo(msgspec.json.encode({"layer": layer, **one._asdict()}))
        else:
            told = [one.rule, layer, one.condition, one.target or "not mapped", one.using or one.assign, one.vocabulary, one.reason]
            typer.echo("  ".join(filter(None, told)))


def plan(site: Folder, data: Data = None, as_json: Json = False) -> None:
    """Show what applying a site's maps and interfaces would change in the running program."""
    _show(_client(data).post(f"{_PATH}/releases", {"files": _files(site), "preview": True}), as_json)


def apply(site: Folder, reason: Reason = "", data: Data = None, as_json: Json = False) -> None:
    """Check a site, run its tests, and put its maps and interfaces in force without a restart."""
    from penstock.workbench.check import check_site

    wrong = check_site(read_settings(site=site)).problems
    if wrong:
        raise Problems(wrong)
    _show(_client(data).post(f"{_PATH}/releases", {"files": _files(site), "reason": reason}), as_json)


def rollback(
    version: Annotated[str | None, typer.Argument(help="Version of a release. [default: the one before]")] = None,
    reason: Reason = "",
    data: Data = None,
) -> None:
    """Put an earlier release of the maps in force again."""
    done = _client(data).post(f"{_PATH}/rollback", {"reason": reason} | ({"version": version} if version else {}))
    typer.echo(f"{done['version']} is in force instead of {done['instead_of']}")


def releases(data: Data = None, as_json: Json = False) -> None:
    """List which maps came into force, by whom and why, newest first."""
    found = _client(data).get(f"{_PATH}/releases")
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    for one in found:
        typer.echo(f"{one['number']}  {one['applied_at']}  {one['version']}  {one['kind']}  {one['applied_by']}  {one['reason']}".rstrip())


def _files(site: Path) -> dict[str, str]:
    from penstock.releases import files_of

    if not site.is_dir():
        raise Problem("not-found", "the site folder does not exist")
    return files_of(site)


def _client(data: Path | None) -> Any:
    from penstock.client import Client

    return Client.of(read_settings(data=data), "admin/maps.ru")


def _show(report: dict[str, Any], as_json: bool) -> None:
    for line in [msgspec.json.encode(report).decode()] if as_json else _lines(report):
        typer.echo(line)


def _lines(report: dict[str, Any]) -> Iterable[str]:
    for one in report["changes"]:
        later = "  (at the next start)" if one["restart"] else ""
        yield f"{one['interface']}: {one['what']} {one['how']}: {one['name']}{later}"
    if not report["changes"]:
        yield "nothing changes"
    yield (
        f"{report['version']} is in force"
        if report["applied"]
        else f"{report['version']} would be in force instead of {report['instead_of']}"
    )
