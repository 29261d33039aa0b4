"""The command line. Verbs print data on standard output (``--json`` for machines), stories and errors on standard error.

Exit codes: 0 it worked, 1 it did not (the reason is one line on standard error), 2 the command was not understood.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from penstock import __version__
from penstock.errors import Problem
from penstock.settings import Settings, read_settings

app = typer.Typer(
    name="penstock", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="HL7 v2 and FHIR in, FHIR R4 stored, every change told, every value traceable to its bytes.",
)  # fmt: skip

Data = Annotated[Path | None, typer.Option(help="Data folder of the program. [default: ./penstock-data]")]
Json = Annotated[bool, typer.Option("--json", help="Print data for machines.")]
Site = Annotated[Path | None, typer.Option(help="Folder of the site's configuration.")]


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if show:
        print(f"penstock {__version__}")
        raise typer.Exit


@app.command()
def up(
    site: Site = None,
    data: Data = None,
    database: Annotated[str | None, typer.Option(help="URL of a PostgreSQL 15 or newer. [default: an embedded one]")] = None,
    http: Annotated[str | None, typer.Option(help="HOST:PORT of the HTTP door. [default: 127.0.0.1:8080]")] = None,
    mllp: Annotated[str | None, typer.Option(help="HOST:PORT of the MLLP listener. [default: 127.0.0.1:2575]")] = None,
    roles: Annotated[str | None, typer.Option(help="all, or some of ingress,flow,api,delivery,console.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load invented people, play sample messages, tell the story.")] = False,
) -> None:
    """Start Penstock; it stops cleanly on SIGTERM or Ctrl-C."""
    from penstock import app as program

    given = read_settings(site=site, data=data, database=database, http=http, mllp=mllp, roles=tuple(roles.split(",")) if roles else None)
    if demo:
        from penstock.demo import play, prepare

        program.run(prepare(given), afterwards=play)
    else:
        program.run(given)


@app.command()
def convert(
    files: Annotated[list[Path], typer.Argument(help="HL7 v2 messages (.hl7); - for standard input.")],
    explain: Annotated[bool, typer.Option("--explain", help="Show rule by rule what became what, and what was left over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One Bundle a line.")] = False,
    site: Site = None,
) -> None:
    """Turn HL7 v2 messages into FHIR Bundles, without a server."""
    from penstock.workbench import bundle_lines, explanation

    settings = read_settings(site=site)
    failed = False
    for file in files:
        raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        try:
            for text in explanation(raw, settings, as_json=as_json) if explain else bundle_lines(raw, settings, indent=0 if as_json else 2):
                print(text)
        except Problem as problem:
            failed = True
            print(f"penstock: {file.name}: {problem}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


@app.command()
def send(
    files: Annotated[list[Path], typer.Argument(help="HL7 v2 messages (.hl7), one or a batch a file; - for standard input.")],
    to: Annotated[str | None, typer.Option(help="mllp://HOST:PORT. [default: the program of --data]")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send HL7 v2 messages over MLLP and print each acknowledgement; fails unless every one is AA or CA."""
    from penstock import running
    from penstock.sending import send_files

    target = to or running.find(read_settings(data=data).data).mllp
    refused = False
    for answer in send_files(files, target):
        refused |= answer.code not in ("AA", "CA")
        print(msgspec.json.encode(answer._asdict()).decode() if as_json else f"{answer.code} {answer.control_id} {answer.text}".rstrip())
    if refused:
        raise typer.Exit(1)


@app.command()
def token(
    client: Annotated[str, typer.Option(help="Name of the client that will hold the token.")],
    scope: Annotated[str, typer.Option(help='Rights, such as "system/*.rs admin/trace.r".')],
    minutes: Annotated[float, typer.Option(help="How long the token lives.")] = 60,
    data: Data = None,
) -> None:
    """Mint a short-lived token on this machine; the bare token is printed last."""
    from penstock.workbench import mint_token

    print(mint_token(read_settings(data=data), client=client, scope=scope, lifetime=timedelta(minutes=minutes)))


@app.command()
def trace(
    key: Annotated[str, typer.Argument(help="A message control id, patient identifier, resource (Type/id), event id or trace id.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show every hop of a message, resource or event: when, where, what became of it."""
    from penstock.client import Client
    from penstock.workbench import trace_lines

    found = Client.of(read_settings(data=data), "admin/trace.r").get("/admin/v1/trace", q=key)
    if as_json:
        print(_json(found))
    else:
        print("\n".join(trace_lines(found)))


@app.command()
def replay(
    ids: Annotated[list[int] | None, typer.Argument(help="Inbox ids of messages to be processed again.")] = None,
    state: Annotated[str | None, typer.Option(help="All messages in a state, such as quarantined.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it only the number of messages is shown.")] = False,
    data: Data = None,
) -> None:
    """Process stored messages again, after the reason for their failure was mended."""
    from penstock.client import Client

    if not ids and not state:
        raise typer.BadParameter("name inbox ids, or a --state")
    client = Client.of(read_settings(data=data), "admin/inbox.u")
    body = {"ids": ids or None, "state": state, "preview": not yes}
    print(_json(client.post("/admin/v1/inbox/replay", {name: value for name, value in body.items() if value is not None})))


@app.command()
def dead(
    action: Annotated[str, typer.Argument(help="list, retry or discard.")] = "list",
    ids: Annotated[list[int] | None, typer.Argument(help="Ids of dead letters (retry, discard).")] = None,
    reason: Annotated[str | None, typer.Option(help="Why they are discarded.")] = None,
    data: Data = None,
) -> None:
    """Dead letters: deliveries that were given up."""
    from penstock.client import Client

    actions: dict[str, Callable[[Client], Any]] = {
        "list": lambda client: client.get("/admin/v1/dead"),
        "retry": lambda client: client.post("/admin/v1/dead/retry", {"ids": ids}),
        "discard": lambda client: client.post("/admin/v1/dead/discard", {"ids": ids, "reason": reason}),
    }
    if action not in actions:
        raise typer.BadParameter("list, retry or discard")
    if action != "list" and not ids:
        raise typer.BadParameter("name the ids")
    print(_json(actions[action](Client.of(read_settings(data=data), "admin/dead.ru"))))


@app.command()
def doctor(data: Data = None, site: Site = None, as_json: Json = False) -> None:
    """Look whether everything that Penstock needs is here, and say what is not."""
    from penstock.workbench import examine

    findings = examine(read_settings(data=data, site=site))
    if as_json:
        print(_json([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.good else 'BAD '} {finding.what}: {finding.text}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def main() -> None:
    """The entry point of the ``penstock`` command."""
    try:
        app(standalone_mode=False)
    except typer.Exit as left:
        sys.exit(left.exit_code)
    except Problem as problem:
        print(f"penstock: {problem}", file=sys.stderr)
        sys.exit(1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    except Exception as error:
        usage = getattr(error, "show", None)  # click's own errors of usage know how to show themselves
        if usage is None:
            raise
        usage()
        sys.exit(getattr(error, "exit_code", 2))


__all__ = ["Settings", "app", "main"]
