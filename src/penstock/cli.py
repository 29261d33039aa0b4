"""The command line. Verbs print data on standard output (``--json`` for machines), stories and errors on standard error.

Exit codes: 0 it worked, 1 it did not (the reason is one line on standard error), 2 the command was not understood.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from pydantic import ValidationError

from penstock import __version__
from penstock.errors import Problem, Problems
from penstock.settings import ROLES, read_settings
from penstock.workbench import maps
from penstock.workbench.codes import codes
from penstock.workbench.dead import dead
from penstock.workbench.packages import packages

app = typer.Typer(
    name="penstock", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="HL7 v2 and FHIR in, FHIR R4 stored, every change told, every value traceable to its bytes.",
)  # fmt: skip

Data = Annotated[Path | None, typer.Option(help="Data folder of the program. [default: ./penstock-data]")]
Json = Annotated[bool, typer.Option("--json", help="Print data for machines.")]
Site = Annotated[Path | None, typer.Option(help="Folder of the site's configuration.")]
Postgres = Annotated[str | None, typer.Option(help="URL of a PostgreSQL 15 or newer. [default: an embedded one]")]
Http = Annotated[str | None, typer.Option(help="HOST:PORT of the HTTP door. [default: 127.0.0.1:8080]")]
MllpAt = Annotated[str | None, typer.Option(help="HOST:PORT of the MLLP listener. [default: 127.0.0.1:2575]")]
Files = Annotated[list[Path], typer.Argument(help="HL7 v2 messages (.hl7), one or a batch a file; - for standard input.")]

app.add_typer(dead, name="dead")
app.add_typer(packages, name="package")
app.add_typer(codes, name="codes")
for verb in (maps.maps, maps.plan, maps.apply, maps.rollback, maps.releases):
    app.command()(verb)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if show:
        print(f"penstock {__version__}")
        raise typer.Exit


@app.command()
def up(
    site: Site = None,
    data: Data = None,
    database: Postgres = None,
    http: Http = None,
    mllp: MllpAt = None,
    roles: Annotated[str | None, typer.Option(help="all, or some of ingress,flow,api,delivery,console.")] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Load invented people, play sample messages, tell the story.")] = False,
) -> None:
    """Start Penstock; it stops cleanly on SIGTERM or Ctrl-C."""
    from penstock import workers

    if roles and not {*roles.split(",")} <= {"all", *ROLES}:
        raise typer.BadParameter(f"roles are all, or some of {', '.join(ROLES)}")
    given = read_settings(site=site, data=data, database=database, http=http, mllp=mllp, roles=tuple(roles.split(",")) if roles else None)
    workers.prepare(given)
    from penstock import app as program

    if demo:
        from penstock.demo import play, prepare

        program.run(prepare(given), afterwards=play)
    else:
        program.run(given)


@app.command()
def mock(
    contract: Annotated[Path, typer.Argument(help="CapabilityStatement (JSON) of the server to stand in for.")],
    examples: Annotated[list[Path] | None, typer.Option(help="Resources to begin with: files (.json, .ndjson) or folders.")] = None,
    fault: Annotated[
        list[str] | None, typer.Option(help="WHERE=STATUS[@EVERY][+DELAYms], such as Patient/read=503@3; * is everywhere.")
    ] = None,
    http: Http = None,
) -> None:
    """Serve what a CapabilityStatement declares and nothing else, statefully, with faults on order; gone when it stops."""
    from penstock.workbench.mock import serve_mock

    serve_mock(contract, examples or [], fault or [], http)


@app.command()
def fetch(
    partner: Annotated[str, typer.Argument(help="Name of a partner of the site.")],
    query: Annotated[str, typer.Argument(help="What to ask it, such as 'Patient?family=Moss' or Patient/1.")],
    site: Site = None,
    most: Annotated[int, typer.Option(help="Resources at most.")] = 1000,
) -> None:
    """Search a partner's FHIR server as its file in the site says, and print what it has, one resource a line."""
    from penstock.formats.fhir.json import encode
    from penstock.site import load_site
    from penstock.workbench.fetch import fetch as ask

    known = {one.name: one for one in load_site(read_settings(site=site).site).partners}
    if partner not in known:
        raise Problem("not-found", "the site has no partner of this name")
    for resource in ask(known[partner], query, most=most):
        print(encode(resource).decode())


@app.command()
def init(site: Annotated[Path, typer.Option(help="Folder to write; it must be empty or not there.")] = Path("site")) -> None:
    """Write a small site to begin with: interfaces, clients, webhooks, maps and their tests, as text."""
    from penstock.workbench.init import start_site

    for path in start_site(site):
        print(path)
    _say(f"next: read {site / 'README.md'}, then `penstock check --site {site}`")


@app.command()
def check(
    site: Annotated[Path, typer.Option(help="Folder of the site's configuration.")],
    as_json: Json = False,
) -> None:
    """Read a whole site, compile its maps, run its tests; list everything that is wrong, at once."""
    from penstock.workbench.check import check_site

    checked = check_site(read_settings(site=site))
    if as_json:
        told = [{"code": problem.code, "text": problem.text, "at": problem.at} for problem in checked.problems]
        print(_json(checked._asdict() | {"problems": told}))
    else:
        for problem in checked.problems:
            print(f"{problem.at or site}: {problem.text}")
    if checked.problems:
        raise typer.Exit(1)
    if not as_json:
        print(
            f"{site} is in order: {checked.interfaces} interfaces, {checked.clients} clients, {checked.webhooks} webhooks, "
            f"{checked.rows} rows of maps, {checked.tests} tests"
        )


@app.command()
def convert(
    files: Files,
    explain: Annotated[bool, typer.Option("--explain", help="Show rule by rule what became what, and what was left over.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line a message.")] = False,
    transaction: Annotated[bool, typer.Option("--transaction", help="Only what the program would store, as a transaction.")] = False,
    site: Site = None,
    interface: Annotated[str, typer.Option(help="Interface of the site as which the messages are read.")] = "mllp",
) -> None:
    """Turn HL7 v2 messages, one or a batch a file, into FHIR Bundles, without a server; a bad one is told and does not stop the others."""
    from penstock.workbench.convert import TELLS, Bench, tell_each

    bench, tell = Bench.of(read_settings(site=site), interface, message=not transaction), TELLS[explain, as_json]
    failed = False
    for file in files:
        for told in tell_each(_bytes_of(file), bench, tell):
            for line in told.lines:
                print(line)
            if told.problem:
                failed = True
                _say(f"{file.name}: {f'message {told.place}: ' if told.place else ''}{told.problem}")
    if failed:
        raise typer.Exit(1)


@app.command()
def fhirpath(
    expression: Annotated[str, typer.Argument(metavar="EXPR", help="A FHIRPath, such as \"name.where(use = 'official').family\".")],
    file: Annotated[Path, typer.Argument(help="A resource in JSON or XML; - for standard input.")],
    type: Annotated[str | None, typer.Option("--type", help="The type of what is in the file, where that is no resource.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A list of types and values.")] = False,
) -> None:
    """Print what an expression finds in a resource, one item a line, without a server; trace() is heard on standard error."""
    from penstock.clock import SystemClock
    from penstock.workbench.fhirpath import evaluate, text

    def tell(name: str, items: list[Any]) -> None:
        _say(f"{name}: {text(items)}")

    found = evaluate(expression, _bytes_of(file), type=type, now=SystemClock().now(), trace=tell)
    if as_json:
        print(text([each._asdict() for each in found]))
    else:
        for each in found:
            print(text(each.value))


@app.command()
def send(
    files: Files,
    to: Annotated[str | None, typer.Option(help="mllp://HOST:PORT. [default: the program of --data]")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Send HL7 v2 messages over MLLP and print each acknowledgement; fails when one is refused."""
    from penstock import running
    from penstock.sending import messages_in, send

    target = to or running.find(read_settings(data=data).data).mllp
    refused = False
    for answer in send(messages_in(map(_bytes_of, files)), target):
        refused |= answer.refused
        print(msgspec.json.encode(answer._asdict()).decode() if as_json else f"{answer.code} {answer.control_id} {answer.text}".rstrip())
    if refused:
        raise typer.Exit(1)


@app.command()
def load(
    files: Annotated[list[Path], typer.Argument(help="NDJSON files of resources, or JSON Bundles; also .gz, .xz or .zst.")],
    data: Data = None,
    site: Site = None,
    database: Postgres = None,
    processes: Annotated[int, typer.Option(help="Processes that load. [default: one for each core]", min=0, max=64)] = 0,
    errors: Annotated[Path | None, typer.Option(help="File for what was refused, one JSON object a line.")] = None,
    as_json: Json = False,
) -> None:
    """Load resources under their own ids, many at once; doing it again changes nothing. Fails when anything was refused."""
    from penstock.workbench.load import load_files
    from penstock.workbench.load.told import Teller

    with Teller(files, errors) as teller:
        loaded = load_files(read_settings(data=data, site=site, database=database), files, processes=processes, tell=teller.tell)
    print(_json(loaded.told()) if as_json else f"{loaded.resources} resources in {loaded.seconds:.1f} s, {loaded.rate:,.0f}/s")
    if loaded.refused:
        _say(f"{loaded.refused} refused{'' if errors is None else f': see {errors}'}")
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
    from penstock.workbench.trace import trace_lines

    found = Client.of(read_settings(data=data), "admin/trace.r").get("/admin/v1/trace", q=key)
    if as_json:
        print(_json(found))
    else:
        print("\n".join(trace_lines(found)))


@app.command()
def transactions(
    fields: Annotated[list[str] | None, typer.Argument(help="FIELD=VALUE: source_system, message_id, outcome, stage, since, …")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show the transaction log, newest first: the hops of everything that came in, by any of their fields."""
    from penstock.client import Client
    from penstock.workbench.trace import log_lines

    pairs = [field.partition("=") for field in fields or ()]
    if not all(equals for _, equals, _ in pairs):
        raise typer.BadParameter("say FIELD=VALUE")
    client = Client.of(read_settings(data=data), "admin/trace.r")
    found = client.get("/admin/v1/transactions", **{name: value for name, _, value in pairs})
    print(_json(found) if as_json else "\n".join(log_lines(found)))


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
def doctor(
    data: Data = None, site: Site = None, database: Postgres = None, http: Http = None, mllp: MllpAt = None, as_json: Json = False
) -> None:
    """Look whether everything that Penstock needs is here, and say what is not."""
    from penstock.workbench.doctor import examine

    findings = examine(read_settings(data=data, site=site, database=database, http=http, mllp=mllp))
    if as_json:
        print(_json([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.good else 'BAD '} {finding.what}: {finding.text}")
    if not all(finding.good for finding in findings):
        raise typer.Exit(1)


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _say(text: str) -> None:
    print(f"penstock: {text}", file=sys.stderr)


def _bytes_of(file: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError:
        raise Problem("not-found", "this file cannot be read", at=str(file)) from None


def _problems(error: BaseException) -> list[str]:
    """What there is to say of an error that is not a defect; nothing for one that is."""
    if isinstance(error, Problems):
        return [str(problem) for problem in error.problems]
    if isinstance(error, Problem):
        return [str(error)]
    if isinstance(error, ValidationError):  # of a setting; its value may be a secret
        return [f"setting {'.'.join(map(str, each['loc']))}: {each['type']}" for each in error.errors(include_input=False)]
    if isinstance(error, ExceptionGroup):
        said = [_problems(inner) for inner in error.exceptions]
        return [line for lines in said for line in lines] if all(said) else []
    return []


def main() -> None:
    """The entry point of the ``penstock`` command."""
    try:
        sys.exit(app(standalone_mode=False, prog_name="penstock"))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        for line in _problems(error):
            _say(line)
        usage = getattr(error, "show", None)  # click's own errors of usage know how to show themselves
        if usage is not None:
            usage()
        elif not _problems(error):
            raise
        sys.exit(getattr(error, "exit_code", 1))
