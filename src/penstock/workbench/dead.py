"""``penstock dead``: deliveries that were given up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from penstock.settings import read_settings

if TYPE_CHECKING:
    from penstock.client import Client

dead = typer.Typer(no_args_is_help=True, help="Dead letters: deliveries that were given up.")

Data = Annotated[Path | None, typer.Option(help="Data folder of the program. [default: ./penstock-data]")]
Json = Annotated[bool, typer.Option("--json", help="Print data for machines.")]
Seqs = Annotated[list[int] | None, typer.Argument(help="Sequence numbers, as the list shows them.")]
Every = Annotated[bool, typer.Option("--all", help="All dead letters of the subscription.")]
Subscription = Annotated[str, typer.Argument(help="Subscription/ID or site/NAME, as the list shows it.")]


@dead.command("list")
def list_all(data: Data = None, as_json: Json = False) -> None:
    """Show deliveries that were given up: subscription, sequence number, attempts, reason."""
    found = _client(data, "admin/dead.r").get("/admin/v1/dead")
    if as_json:
        typer.echo(_json(found))
    else:
        for entry in found:
            said = f"{entry['subscription']} {entry['seq']} attempts={entry['attempts']} {entry['reason'] or ''}".rstrip()
            whose = " ".join(f"{name}={value}" for name, value in entry["identity"].items())
            typer.echo(f"{said} | hop={entry['hop']} | {whose} | {entry['rule']}")


@dead.command("retry")
def retry(subscription: Subscription, seqs: Seqs = None, every: Every = False, data: Data = None) -> None:
    """Send dead letters again, after the reason for their failure was mended."""
    _on_dead("retry", _letters(subscription, seqs, every), data)


@dead.command("discard")
def discard(
    subscription: Subscription,
    reason: Annotated[str, typer.Option(help="Why; it is kept with each of them.")],
    seqs: Seqs = None,
    every: Every = False,
    data: Data = None,
) -> None:
    """Give dead letters up for good."""
    _on_dead("discard", _letters(subscription, seqs, every) | {"reason": reason}, data)


def _letters(subscription: str, seqs: list[int] | None, every: bool) -> dict[str, Any]:
    if bool(seqs) == every:
        raise typer.BadParameter("name sequence numbers, or --all")
    return {"subscription": subscription} | ({"all": True} if every else {"seqs": seqs})


def _on_dead(action: str, body: dict[str, Any], data: Path | None) -> None:
    typer.echo(_json(_client(data, "admin/dead.u").post(f"/admin/v1/dead/{action}", body)))


def _client(data: Path | None, scope: str) -> Client:
    from penstock.client import Client

    return Client.of(read_settings(data=data), scope)


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
