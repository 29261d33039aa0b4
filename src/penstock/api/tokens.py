"""The token endpoint and what a client needs to find it (RFC 6749, SMART App Launch 2.2 "Conformance")."""

from __future__ import annotations

from penstock.api.negotiate import require_form
from penstock.api.parts import Parts
from penstock.api.reply import Header, Reply, json_reply
from penstock.api.request import Request, decode_form
from penstock.auth.assertions import ALGORITHMS
from penstock.auth.clients import METHODS
from penstock.auth.grants import Grants, Refused
from penstock.auth.tokens import realm
from penstock.errors import Problem

_FORM_LIMIT = 65536
_PRAGMA: Header = (b"pragma", b"no-cache")


async def token(parts: Parts, request: Request) -> Reply:
    """``POST /auth/token``: client credentials, proven by a signed assertion, or by a secret where the site allows it."""
    request.limit = min(request.limit, _FORM_LIMIT)
    require_form(request)
    grants = Grants(parts.clients, parts.keys, realm(parts.settings.base_url), parts.database)
    basic = request.header(b"authorization")
    try:
        form = _form(await request.body())
        answer = await grants.grant(form, basic, token_url=token_url(request), now=request.now)
    except Refused as refused:
        challenge = ((b"www-authenticate", b'Basic realm="penstock"'),) if refused.status == 401 and basic is not None else ()
        return json_reply({"error": refused.error, "error_description": refused.text}, refused.status, (_PRAGMA, *challenge))
    return json_reply(answer, 200, (_PRAGMA,))


async def jwks(parts: Parts, request: Request) -> Reply:
    """``GET /auth/jwks``: the public keys of our tokens."""
    return json_reply(parts.keys.jwks())


async def smart_configuration(parts: Parts, request: Request) -> Reply:
    """``GET /fhir/.well-known/smart-configuration``: only what is really served."""
    return json_reply(
        {
            "token_endpoint": token_url(request),
            "jwks_uri": request.base + "/auth/jwks",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": list(METHODS),
            "token_endpoint_auth_signing_alg_values_supported": sorted(ALGORITHMS),
            "scopes_supported": ["system/*.cruds", "system/*.rs", "system/*.read", "system/*.write"],
            "capabilities": ["client-confidential-asymmetric", "client-confidential-symmetric", "permission-v1", "permission-v2"],
        }
    )


def token_url(request: Request) -> str:
    """The token endpoint as this client sees it; also the ``aud`` of its assertions."""
    return request.base + "/auth/token"


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = decode_form(body.decode("ascii"))
    except (Problem, UnicodeDecodeError) as error:
        raise Refused("invalid_request", "the form cannot be read") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Refused("invalid_request", "a parameter was sent twice")
    return form
