"""``$validate`` (http://hl7.org/fhir/R4/resource-operation-validate.html): is this content right, and would it be accepted?"""

from __future__ import annotations

from itertools import islice
from typing import Any

from penstock.api.fhir.read import present
from penstock.api.operations.call import Call, answer
from penstock.api.operations.operation import HL7, Operation, Parameter
from penstock.api.parts import Parts
from penstock.api.reply import Reply
from penstock.api.request import Request
from penstock.errors import Problem
from penstock.formats.fhir.definitions import r4
from penstock.formats.fhir.outcome import of_issues
from penstock.formats.fhir.validate import Issue
from penstock.formats.fhir.validate.references import RESTFUL, references

Resource = dict[str, Any]

#: The most stored resources that one validation looks at.
MOST_TARGETS = 500
#: What a mode asks, as the right that the change would need; ``profile`` asks about the content only.
MODES = {"create": "create", "update": "update", "delete": "delete", "profile": None}


async def _validate(parts: Parts, request: Request, call: Call) -> Reply:
    mode, given = call.one("mode"), call.one("resource")
    if mode is not None and mode not in MODES:
        raise Problem("value", "the mode is create, update, delete or profile", at="mode")
    assert call.type
    if mode and (interaction := MODES[mode]):
        request.access.require(interaction, call.type)
    if mode == "delete":
        return answer(request, of_issues(await _deletion(parts, request, call, given)))
    if given is None:
        if call.id is None or mode == "create":
            raise Problem("required", "say what is to be validated", at="resource")
        given = await _stored(parts, request, call)
    issues = _fitting(call, mode, given)
    if given.get("resourceType") == call.type:
        known = await _targets(parts, request, given)
        issues += parts.validator.check(given, call.many("profile"), now=request.now, resolve=known.get)
        if not any(issue.severity == "error" for issue in issues):
            issues += parts.demands.check(given, request.access.client, now=request.now)
    return answer(request, of_issues(issues))


async def _stored(parts: Parts, request: Request, call: Call) -> Resource:
    """What is validated when nothing is sent to an instance: what is stored there."""
    assert call.type and call.id
    async with parts.database.connection() as tx:
        return present(await parts.store.read(tx, request.access, call.type, call.id)).resource()


async def _targets(parts: Parts, request: Request, given: Resource) -> dict[str, Resource]:
    """The stored resources that the content refers to, as far as the client may read them: profiles may ask what they are."""
    named = {}
    for reference in islice(dict.fromkeys(references(given)), MOST_TARGETS):
        found = RESTFUL.fullmatch(reference.removeprefix(f"{request.base}/fhir/"))
        if found and not found[1] and found[2] in r4().resource_types:
            named[reference] = (found[2], found[3])
    allowed = {key for key in named.values() if request.access.permits("read", key[0])}
    if not allowed:
        return {}
    async with parts.database.connection() as tx:
        stored = await parts.store.read_many(tx, request.access, allowed)
    return {reference: stored[key].resource() for reference, key in named.items() if key in stored}


async def _deletion(parts: Parts, request: Request, call: Call, given: Resource | None) -> list[Issue]:
    """A delete is of an instance, which is there."""
    if given is not None:
        raise Problem("invalid", "a delete sends no resource", at="resource")
    if call.id is None:
        raise Problem("invalid", "a delete is of an instance", at="mode")
    await _stored(parts, request, call)
    return []


def _fitting(call: Call, mode: str | None, given: Resource) -> list[Issue]:
    """Whether the content is for this URL (http.html#create, #update)."""
    if given.get("resourceType") != call.type:
        return [Issue("error", "invalid", "the resource is of another type than the URL, or of none", "resourceType")]
    if mode == "update" and call.id is not None and given.get("id") != call.id:
        return [Issue("error", "invalid", "the resource has another id than the URL, or none", f"{call.type}.id")]
    return []


VALIDATE = Operation(
    "validate",
    _validate,
    "fhir:read",
    ("type", "instance"),
    "Whether a resource is right: structure, invariants, codes, references, extensions, the profiles that it claims or that are named, "
    "and what the site demands. mode says for which change.",
    parameters=(
        Parameter("resource", "Resource", text="What to validate; at an instance what is stored there when it is not sent"),
        Parameter("mode", "code", text="create, update, delete or profile"),
        Parameter("profile", "canonical", most=None, text="Profiles to validate against, beside those that the resource claims"),
        Parameter("return", "OperationOutcome", 1, use="out", text="What was found"),
    ),
    canonical=HL7 + "Resource-validate",
)
