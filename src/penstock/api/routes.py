"""Every route there is, with who may use it. The router, the OpenAPI description, the metrics and the tests read this table."""

from __future__ import annotations

from penstock.api import admin, codes, feed, health, ingest, maps, metrics, packages, tokens
from penstock.api.describe import described
from penstock.api.fhir import bundle, create, history, later, patch, read, search, write
from penstock.api.operations import OPERATIONS, operation_routes
from penstock.api.operations.shown import reader
from penstock.api.router import Route

_SERVED: tuple[Route, ...] = (
    # open: discovery and health
    Route("/health/live", ("GET", "HEAD"), "open", health.live, "Whether the process answers"),
    Route("/health/ready", ("GET", "HEAD"), "open", health.ready, "Whether everything that it needs works"),
    Route("/fhir/.well-known/smart-configuration", ("GET", "HEAD"), "open", tokens.smart_configuration, "Where tokens are given (SMART)"),
    Route("/auth/jwks", ("GET", "HEAD"), "open", tokens.jwks, "Public keys of access tokens"),
    Route("/auth/token", ("POST",), "open", tokens.token, "Get an access token (client credentials)"),
    # FHIR
    Route("/fhir", ("POST",), "token", bundle.submit, "batch and transaction"),
    Route("/fhir", ("GET", "HEAD"), "token", search.search_all, "search of several types, or of everything"),
    Route("/fhir/_search", ("POST",), "token", search.search_all_by_form, "the same, with its parameters in the body"),
    Route("/fhir/_history", ("GET", "HEAD"), "fhir:history", history.history_of_all, "history of everything"),
    Route("/fhir/_async/{job}", ("GET", "HEAD"), "token", later.status, "an answer that was asked for with Prefer: respond-async"),
    Route("/fhir/_async/{job}", ("DELETE",), "token", later.remove, "give it up, or forget it"),
    Route("/fhir/{type}", ("GET", "HEAD"), "fhir:search", search.search, "search"),
    Route("/fhir/{type}/_search", ("POST",), "fhir:search", search.search_by_form, "search, with its parameters in the body"),
    Route("/fhir/{type}", ("POST",), "fhir:create", create.create, "create, also conditional"),
    Route("/fhir/{type}", ("PUT",), "fhir:update", write.conditional_update, "conditional update"),
    Route("/fhir/{type}", ("PATCH",), "fhir:patch", patch.conditional_patch, "conditional patch"),
    Route("/fhir/{type}", ("DELETE",), "fhir:delete", write.conditional_delete, "conditional delete"),
    Route("/fhir/{type}/_history", ("GET", "HEAD"), "fhir:history", history.history_of_type, "history of a type"),
    Route("/fhir/{type}/{id}", ("GET", "HEAD"), "fhir:read", reader(OPERATIONS), "read"),
    Route("/fhir/{type}/{id}", ("PUT",), "fhir:update", write.update, "update, or create under a known id"),
    Route("/fhir/{type}/{id}", ("PATCH",), "fhir:patch", patch.patch, "patch: JSON Patch, XML Patch, FHIRPath Patch"),
    Route("/fhir/{type}/{id}", ("DELETE",), "fhir:delete", write.delete, "delete"),
    Route("/fhir/{type}/{id}/_history", ("GET", "HEAD"), "fhir:history", history.history_of_instance, "history of a resource"),
    Route("/fhir/{type}/{id}/_history/{version}", ("GET", "HEAD"), "fhir:vread", read.vread, "vread"),
    Route("/fhir/{type}/{id}/{member}", ("GET", "HEAD"), "token", search.search_compartment, "search of what belongs to a resource"),
    Route("/fhir/{type}/{id}/{member}/_search", ("POST",), "token", search.search_compartment_by_form, "the same, in the body"),
    *operation_routes(),
    # messages in, events out
    Route("/ingest/v2", ("POST",), "ingest/v2.c", ingest.ingest_v2, "Hand in HL7 v2 messages"),
    Route("/events", ("GET", "HEAD"), "events/feed.r", feed.events, "What changed: a page, or server-sent events"),
    # operations
    Route("/metrics", ("GET", "HEAD"), "admin/metrics.r", metrics.metrics, "Counters for Prometheus"),
    Route("/admin/v1/trace", ("GET", "HEAD"), "admin/trace.r", admin.trace, "Every hop of a message, resource or event"),
    Route(
        "/admin/v1/transactions", ("GET", "HEAD"), "admin/trace.r", admin.transactions, "The transaction log: hops by any of their fields"
    ),
    Route("/admin/v1/lineage/{type}/{id}", ("GET", "HEAD"), "admin/lineage.r", admin.lineage, "Where the elements of a resource came from"),
    Route("/admin/v1/lineage/{type}/{id}/{version}", ("GET", "HEAD"), "admin/lineage.r", admin.lineage, "The same of one version"),
    Route("/admin/v1/conservation", ("GET", "HEAD"), "admin/conservation.r", admin.conservation, "Where all accepted messages are"),
    Route("/admin/v1/search-index", ("GET", "HEAD"), "admin/search.r", admin.search_index, "How far each type is indexed for search"),
    Route("/admin/v1/inbox", ("GET", "HEAD"), "admin/inbox.r", admin.inbox_list, "Messages by the state that they ended in"),
    Route("/admin/v1/inbox/replay", ("POST",), "admin/inbox.u", admin.inbox_replay, "Process messages again, or preview that"),
    Route("/admin/v1/inbox/{inbox_id}", ("GET", "HEAD"), "admin/inbox.r", admin.inbox_one, "One message, without its bytes"),
    Route("/admin/v1/inbox/{inbox_id}/raw", ("GET", "HEAD"), "admin/raw.r", admin.inbox_raw, "The bytes of one message"),
    Route("/admin/v1/lanes", ("GET", "HEAD"), "admin/inbox.r", admin.lanes, "Lanes that stand still"),
    Route("/admin/v1/lanes/release", ("POST",), "admin/inbox.u", admin.lanes_release, "Let lanes go on"),
    Route("/admin/v1/dead", ("GET", "HEAD"), "admin/dead.r", admin.dead, "Deliveries that were given up"),
    Route("/admin/v1/dead/retry", ("POST",), "admin/dead.u", admin.dead_retry, "Try them again"),
    Route("/admin/v1/dead/discard", ("POST",), "admin/dead.u", admin.dead_discard, "Give them up for good"),
    Route("/admin/v1/packages", ("GET", "HEAD"), "admin/packages.r", packages.listed, "Implementation-guide packages that are loaded"),
    Route("/admin/v1/packages", ("POST",), "admin/packages.c", packages.added, "Load a package, or preview what it changes"),
    Route("/admin/v1/packages/{name}/{version}", ("GET", "HEAD"), "admin/packages.r", packages.shown, "One package and its definitions"),
    Route("/admin/v1/packages/{name}/{version}", ("DELETE",), "admin/packages.d", packages.removed, "Unload a package"),
    Route("/admin/v1/maps", ("GET", "HEAD"), "admin/maps.r", maps.in_force, "The release of maps in force, by interface"),
    Route("/admin/v1/maps/releases", ("GET", "HEAD"), "admin/maps.r", maps.listed, "Which releases came into force, by whom and why"),
    Route("/admin/v1/maps/releases", ("POST",), "admin/maps.u", maps.applied, "Put maps in force, or preview what they change"),
    Route("/admin/v1/maps/releases/{version}", ("GET", "HEAD"), "admin/maps.r", maps.shown, "The files of a release"),
    Route("/admin/v1/maps/rollback", ("POST",), "admin/maps.u", maps.rolled_back, "Put an earlier release in force again"),
    Route("/admin/v1/codes", ("GET", "HEAD"), "admin/codes.r", codes.listed, "Codes that nobody knows yet, and who waits for them"),
    Route("/admin/v1/codes/map", ("POST",), "admin/codes.u", codes.mapped, "Say what a code means, and take up what waited"),
    Route("/admin/v1/codes/ignore", ("POST",), "admin/codes.u", codes.ignored, "Say that a code needs no meaning"),
    Route("/admin/v1/codes/maps", ("GET", "HEAD"), "admin/codes.r", codes.exported, "The concept maps that conversions read"),
    Route("/admin/v1/codes/maps", ("POST",), "admin/codes.u", codes.imported, "Write concept maps, and take up what waited"),
    Route("/admin/v1/deliveries/replay", ("POST",), "admin/deliveries.u", admin.deliveries_replay, "Deliver a window of events again"),
)

#: Every route, with those that describe them.
ROUTES: tuple[Route, ...] = described(_SERVED, OPERATIONS)
