"""``penstock codes``: codes that nobody knows yet, what they mean, and the messages that waited for it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from penstock.errors import Problem
from penstock.settings import read_settings

_PATH = "/admin/v1/codes"

codes = typer.Typer(no_args_is_help=True, help="Codes that nobody knows yet, and the concept maps that say what they mean.")

Data = Annotated[Path | None, typer.Option(help="Data folder of the program. [default: ./penstock-data]")]
Json = Annotated[bool, typer.Option("--json", help="Print data for machines.")]
System = Annotated[str, typer.Option(help="The system of the code, as the list shows it.")]
Code = Annotated[str, typer.Option(help="The code, as the list shows it.")]


@codes.command("list")
def list_(
    state: Annotated[str, typer.Option(help="open, mapped or ignored.")] = "open",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show codes and how many messages wait for each, the most first."""
    found = _client(data).get(_PATH, state=state)
    if as_json:
        typer.echo(msgspec.json.encode(found))
        return
    for one in found:
        examples = ", ".join(map(str, one["examples"]))
        typer.echo(f"{one['waiting']:6}  {one['interface']}  {one['system'] or '-'}  {one['code']}  ({one['target']})  messages {examples}")


@codes.command("map")
def map_(
    system: System,
    code: Code,
    to: Annotated[str, typer.Option(help="SYSTEM|CODE that it means, such as http://loinc.org|2823-3.")],
    display: Annotated[str, typer.Option(help="The words for it.")] = "",
    preview: Annotated[bool, typer.Option("--preview", help="Only say how many messages wait for it.")] = False,
    data: Data = None,
) -> None:
    """Say what a code means, and process the messages again that waited for it."""
    target_system, _, target_code = to.partition("|")
    given = {"system": system, "code": code, "target_system": target_system, "target_code": target_code, "display": display}
    done = _client(data).post(f"{_PATH}/map", given | {"preview": preview})
    typer.echo(f"{done['map']}: {done['waiting']} messages wait for this code, {done['taken_up']} are processed again")


@codes.command("ignore")
def ignore(system: System, code: Code, data: Data = None) -> None:
    """Say that a code needs no meaning; it is listed no more."""
    typer.echo(f"ignored: {_client(data).post(f'{_PATH}/ignore', {'system': system, 'code': code})['ignored']}")


@codes.command("export")
def export(data: Data = None) -> None:
    """Print the concept maps that conversions read, as a FHIR Bundle."""
    typer.echo(msgspec.json.encode(_client(data).get(f"{_PATH}/maps")))


@codes.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A ConceptMap, or a Bundle of them (JSON); - for standard input.")], data: Data = None
) -> None:
    """Write concept maps, and process the messages again that waited for what they say."""
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError:
        raise Problem("not-found", "this file cannot be read", at=str(file)) from None
    done = _client(data).upload(f"{_PATH}/maps", content, "application/fhir+json")
    typer.echo(f"{done['maps']} concept maps written, {done['taken_up']} messages are processed again")


def _client(data: Path | None) -> Any:
    from penstock.client import Client

    return Client.of(read_settings(data=data), "admin/codes.ru system/ConceptMap.cruds")
