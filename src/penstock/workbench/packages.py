"""``penstock package``: implementation-guide packages of the running program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import msgspec
import typer

from penstock.errors import Problem
from penstock.settings import read_settings

_PATH = "/admin/v1/packages"

packages = typer.Typer(no_args_is_help=True, help="Implementation-guide packages: profiles, extensions, search parameters, codes.")

Data = Annotated[Path | None, typer.Option(help="Data folder of the program. [default: ./penstock-data]")]
Json = Annotated[bool, typer.Option("--json", help="Print data for machines.")]
Name = Annotated[str, typer.Argument(help="NAME or NAME@VERSION, as the list shows it.")]


@packages.command("add")
def add(
    file: Annotated[Path, typer.Argument(help="A FHIR package (.tgz).")],
    yes: Annotated[bool, typer.Option("--yes", help="Load it; without it only what it would change is shown.")] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show what a package changes, and load it with --yes."""
    try:
        content = file.read_bytes()
    except OSError:
        raise Problem("not-found", "this file cannot be read", at=str(file)) from None
    scope = "admin/packages.c"
    report = _client(data, scope).upload(f"{_PATH}?preview={'false' if yes else 'true'}", content, "application/gzip")
    _show(report, as_json, report_lines)


@packages.command("list")
def list_(data: Data = None, as_json: Json = False) -> None:
    """Show the packages that are loaded."""
    _show(_client(data, "admin/packages.r").get(_PATH), as_json, lambda found: [line for each in found for line in _package_lines(each)])


@packages.command("show")
def show(package: Name, data: Data = None, as_json: Json = False) -> None:
    """Show a package: its definitions, and who uses it."""
    client = _client(data, "admin/packages.r")
    _show(client.get(_path(client, package)), as_json, _content_lines)


@packages.command("remove")
def remove(
    package: Name,
    force: Annotated[bool, typer.Option("--force", help="Also when others need it or stored resources claim its profiles.")] = False,
    data: Data = None,
) -> None:
    """Unload a package; one that is in use stays, unless forced."""
    client = _client(data, "admin/packages.rd")
    done = client.delete(_path(client, package), force="true" if force else "false")
    typer.echo(f"removed {done['name']}@{done['version']}: {done['removed']} definitions")


def _client(data: Path | None, scope: str) -> Any:
    from penstock.client import Client

    return Client.of(read_settings(data=data), scope)


def _path(client: Any, package: str) -> str:
    """Where a package is; a name alone is enough where one version of it is loaded."""
    name, at, version = package.rpartition("@")
    if not at or not name:
        name = package
        versions = [each["version"] for each in client.get(_PATH) if each["name"] == name]
        if len(versions) != 1:
            raise Problem("not-found", "no package of this name is loaded, or several versions of it: name one as NAME@VERSION")
        version = versions[0]
    return f"{_PATH}/{quote(name, safe='')}/{quote(version, safe='')}"


def _show(found: Any, as_json: bool, lines: Any) -> None:
    typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() if as_json else "\n".join(lines(found)))


def report_lines(report: dict[str, Any]) -> list[str]:
    """What loading a package changes, or changed, for people."""
    lines = [f"{report['name']}@{report['version']} {report['title']}".rstrip()]
    for change, counts in report["changes"].items():
        lines.append(f"  {change}: " + ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items()))
    lines += [f"  conflict ({each['change']}): {each['type']} {each['canonical']}, also in {each['by']}" for each in report["conflicts"]]
    lines += [f"  depends on {each['name']} {each['version']}: {each['state']}" for each in report["dependencies"]]
    lines += [f"  not searched by {each['canonical']}: {each['reason']}" for each in report["unusable"]]
    lines += [f"  left out {each['file']}: {each['reason']}" for each in report["left_out"]]
    done = "it is loaded already" if report["already"] else "loaded" if report["loaded"] else "nothing is changed yet: add --yes to load it"
    return [*lines, done]


def _package_lines(package: dict[str, Any]) -> list[str]:
    missing = [f"{each['name']} {each['version']}" for each in package["dependencies"] if each["state"] in ("missing", "other-version")]
    line = f"{package['name']}@{package['version']} {package['definitions']} definitions, loaded {package['loaded_at']}"
    return [line] + ([f"  missing: {', '.join(missing)}"] if missing else [])


def _content_lines(package: dict[str, Any]) -> list[str]:
    lines = _package_lines(package)
    lines += [f"  {each['type']} {each['url']}{'|' + each['version'] if each['version'] else ''}" for each in package["content"]]
    lines += [f"  needed by {each}" for each in package["needed_by"]]
    return lines + [f"  claimed by stored resources: {each}" for each in package["claimed"]]
