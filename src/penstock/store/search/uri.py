"""Uri parameters: the whole URI, exactly; ``:below`` and ``:above`` (http://hl7.org/fhir/R4/search.html#uri)."""

from __future__ import annotations

from penstock.errors import Problem
from penstock.formats.fhir.searchparams import Indexed
from penstock.store.hashing import h64
from penstock.store.keys import below, folders
from penstock.store.search.criterion import Criterion, plain
from penstock.store.search.fragment import Fragment, Target
from penstock.store.search.presence import has_value


def compile(target: Target, criterion: Criterion) -> Fragment:
    """One of the URIs is there, or one that lies below or above it."""
    start, wanted = target.prefix(criterion.param), [_wanted(value) for value in criterion.values]
    match criterion.modifier:
        case "below":
            if criterion.param.startswith("_"):  # what every resource has is not worth a token for each folder
                return has_value(target, criterion.param)._replace(exact=False)
            return target.any_token([below(start, uri.rstrip("/")) for uri in wanted])
        case "above":
            return target.any_token([h64(start + each) for uri in wanted for each in _above(uri)])
    return target.any_token([h64(start + uri) for uri in wanted])


def matches(criterion: Criterion, indexed: Indexed) -> bool:
    """The same, decided in memory."""
    present = [uri for param, uri in indexed.uris if param == criterion.param]
    wanted = [_wanted(value) for value in criterion.values]
    match criterion.modifier:
        case "below":
            folded = {folder for uri in present for folder in folders(uri)}
            return any(uri.rstrip("/") in folded for uri in wanted)
        case "above":
            return not {each for uri in wanted for each in _above(uri)}.isdisjoint(present)
    return not set(wanted).isdisjoint(present)


def _wanted(value: str) -> str:
    uri = plain(value)
    if not uri.rstrip("/"):
        raise Problem("value", "a URI has letters in it")
    return uri


def _above(uri: str) -> list[str]:
    """What a URI lies below, and itself, each with and without a slash at its end."""
    return [each for folder in folders(uri) for each in (folder, f"{folder}/")]
