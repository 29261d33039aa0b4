"""Everything that can be set when the program starts, read once by the command line and passed down.

Each setting is also an environment variable ``PENSTOCK_<NAME>``; an unknown ``PENSTOCK_…`` variable refuses to start.
What an operator changes on a Tuesday (subscriptions, endpoints) is rows, and what belongs to an interface is the site.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from penstock.errors import Problem

ROLES = ("ingress", "flow", "api", "delivery", "console")

#: Several words, in the environment with commas between them.
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(lambda given: given.split(",") if isinstance(given, str) else given)]


class Settings(BaseSettings):
    """One frozen value; see ``docs/settings.md`` (generated from here)."""

    model_config = SettingsConfigDict(env_prefix="PENSTOCK_", frozen=True, extra="forbid")

    # where things are
    data: Path = Field(Path("penstock-data"), description="Folder for everything Penstock keeps: the embedded database and keys.")
    site: Path | None = Field(None, description="Folder of the site's configuration; none means the built-in defaults.")
    database: SecretStr | None = Field(None, description="URL of a PostgreSQL 15 or newer; none means the embedded one.")
    http: str = Field("127.0.0.1:8080", description="HOST:PORT of the HTTP door; port 0 picks a free one.")
    mllp: str = Field("127.0.0.1:2575", description="HOST:PORT of the MLLP listener; port 0 picks a free one.")
    roles: Words = Field(("all",), description="Parts that run in this process: all, or some of ingress,flow,api,delivery,console.")
    base_url: str | None = Field(None, description="URL under which clients see the HTTP door, where it is not its own address.")
    log_level: str = Field("info", description="debug, info, warning or error.")

    # limits of the MLLP listener
    mllp_max_bytes: int = Field(16 * 2**20, description="Largest HL7 v2 frame that is accepted, in bytes.")
    mllp_max_connections: int = Field(1000, description="MLLP connections open at once.")
    mllp_idle_s: float = Field(3600.0, description="Seconds without a byte after which an MLLP connection is closed.")
    mllp_frame_s: float = Field(60.0, description="Seconds that one frame may take to arrive.")
    mllp_rate: float = Field(0.0, description="Messages a second that one MLLP connection may send; 0 means no limit.")
    mllp_tls_cert: Path | None = Field(None, description="PEM certificate chain of the MLLP listener; with it the listener speaks TLS.")
    mllp_tls_key: Path | None = Field(None, description="PEM private key of the MLLP listener.")
    mllp_tls_client_ca: Path | None = Field(None, description="PEM authorities whose client certificates are required (mutual TLS).")

    # limits of the HTTP door
    http_max_bytes: int = Field(64 * 2**20, description="Largest HTTP request body, in bytes.")
    http_max_url: int = Field(8192, description="Longest request target (path and query), in bytes.")
    delete_matches: int = Field(1, ge=1, le=1000, description="Resources that one conditional delete may delete; more are refused.")
    if_match_types: Words = Field((), description="Resource types that are updated, patched or deleted only with If-Match; * means all.")
    request_s: float = Field(30.0, description="Seconds that one HTTP request may take.")
    workers: int = Field(0, ge=0, le=64, description="Processes that answer HTTP; 0: one for each core, at most four.")

    # the flow
    flow_batch: int = Field(50, description="Messages stored in one transaction at most; a larger batch costs others latency.")
    flow_retry_s: float = Field(1.0, description="Seconds before the first retry of a message; doubles each time.")
    flow_attempts: int = Field(5, description="Attempts before a message that keeps failing is quarantined.")
    zone: str = Field("UTC", description="IANA time zone of HL7 v2 times without an offset, where the interface does not say.")

    # how long things are kept; 0 means for ever
    message_days: int = Field(0, description="Days that the raw bytes of messages are kept (their rows and identities stay); 0: for ever.")
    event_days: int = Field(0, description="Days that events are kept, once every subscriber has them; 0: for ever.")
    idempotency_hours: int = Field(24, ge=1, le=8760, description="Hours that the Idempotency-Key of a create is remembered.")
    unwritten_days: int = Field(30, ge=0, description="Days that write requests which wrote nothing are remembered; 0: for ever.")
    unwritten_most: int = Field(100_000, ge=1000, le=10**8, description="So many of them at most, for all days together: the newest.")

    # delivery
    delivery_timeout_s: float = Field(10.0, description="Seconds that a subscriber has to answer.")
    delivery_retry_s: float = Field(1.0, description="Seconds before the first retry; doubles each time, with jitter.")
    delivery_retry_cap_s: float = Field(3600.0, description="Longest time between two retries, in seconds.")
    delivery_horizon_s: float = Field(3 * 86400.0, description="Seconds after which an undelivered event becomes a dead letter.")
    delivery_allow: Words = Field(
        (), description="Hosts or CIDR networks that outgoing requests may reach although they are private or loopback addresses."
    )

    # the embedded database
    pg_shared_buffers_mb: int = Field(128, description="shared_buffers of the embedded PostgreSQL, in MB.")

    @field_validator("delivery_allow")
    @classmethod
    def _hosts(cls, allowed: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"[A-Za-z0-9.:/-]+", each) for each in allowed):
            raise ValueError("hosts or networks such as 10.1.0.0/16, with commas between them")
        return allowed

    @field_validator("roles")
    @classmethod
    def _known(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if not roles or not set(roles) <= {"all", *ROLES}:
            raise ValueError("roles are all, or some of " + ", ".join(ROLES))
        return roles

    def runs(self, role: str) -> bool:
        """Whether this process plays a role of :data:`ROLES`."""
        return "all" in self.roles or role in self.roles


def read_settings(**given: object) -> Settings:
    """Settings from the environment, with what the command line gave (None: not given) on top; an unknown name raises ``invalid``."""
    known = {f"PENSTOCK_{name.upper()}" for name in Settings.model_fields} | {"PENSTOCK_DATA"}
    strangers = [name for name in os.environ if name.startswith("PENSTOCK_") and name.upper() not in known]
    if strangers:
        raise Problem("invalid", f"unknown setting {sorted(strangers)[0]}")
    return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type] # pydantic checks them
