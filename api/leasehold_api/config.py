"""The API's settings: file < environment (``LEASEHOLD_API_*``) < flag."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

ENV_PREFIX = "LEASEHOLD_API_"
CONFIG_FILE_ENV = ENV_PREFIX + "CONFIG"
DEFAULT_CONFIG_FILE = Path("/etc/leasehold/api.toml")


class SettingsError(Exception):
    """Settings that can't be used; the text lists every problem."""


class Settings(BaseSettings):
    """Everything that an admin may set. docs/reference/api-settings.md is made from this."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    state_dir: Path = Field(
        default=Path("leasehold-state"),
        description="Where the embedded database, logs, bundles, large results and keys are. Back it up as one.",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="`postgresql://user@host/name`; without it an SQLite file in the state directory is used.",
    )
    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8420, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        default=None,
        description="The address that agents and people use, and the OAuth issuer. `https://` unless it is loopback.",
    )
    tls_cert_file: Path | None = Field(
        default=None,
        description="A PEM file with the certificate, then those between it and the authority: the service speaks TLS "
        "itself. Read again at SIGHUP. Without it a proxy in front has to.",
    )
    tls_key_file: Path | None = Field(
        default=None, description="The PEM file with the certificate's key, when it is not in `tls_cert_file`."
    )
    trusted_proxies: list[str] = Field(
        default=["127.0.0.1", "::1"],
        description="Addresses and networks of the proxies in front, whose `X-Forwarded-For` is believed: the callers' "
        "addresses in the audit trail and in rates come from it.",
    )
    key_encryption_key_file: Path | None = Field(
        default=None,
        description="32 bytes in base64url that seal all stored secrets; made in the state directory when not set. "
        "`leasehold-api keys rotate` puts the next keys beside it.",
    )
    secret_env_prefix: str | None = Field(
        default=None,
        min_length=1,
        description="Allows secret references `env:NAME` to environment variables of the service that begin with this. "
        "`{team}` in it stands for the team's name.",
    )
    secret_files_dir: Path | None = Field(
        default=None,
        description="Allows secret references `file:/path` to files in this directory. "
        "`{team}` in it stands for the team's name.",
    )
    vault_url: str | None = Field(
        default=None, description="Allows secret references `vault:…` to this Vault. `https://` unless it is loopback."
    )
    vault_token_file: Path | None = Field(
        default=None, description="The file with the token for Vault; read again each time."
    )
    vault_namespace: str | None = Field(default=None, min_length=1, description="The namespace, of Vault Enterprise.")
    vault_paths: list[str] = Field(
        default=[],
        description="What references to Vault must begin with, like `secret/{team}/`; none: "
        "whatever the token may read.",
    )
    aws_sm_region: str | None = Field(
        default=None,
        pattern="^[a-z0-9-]+$",
        description="Allows secret references `aws-sm:…` to AWS Secrets Manager in this region.",
    )
    aws_sm_names: list[str] = Field(
        default=[],
        description="What references to AWS Secrets Manager must begin with, like `plants/{team}/`; none: "
        "whatever the service's role may read.",
    )
    aws_sm_endpoint_url: str | None = Field(
        default=None,
        description="Another address of AWS Secrets Manager, of a VPC endpoint. `https://` unless it is loopback.",
    )
    local_sign_in: bool = Field(
        default=True, description="People may sign in with a name and a password that are kept here."
    )
    oidc_issuer: str | None = Field(
        default=None,
        description="The OIDC provider that people sign in at, exactly as it names itself. `https://` unless it is "
        "loopback. docs/howto/sign-in.md has an example.",
    )
    oidc_client_id: str | None = Field(default=None, min_length=1, description="How the provider knows this service.")
    oidc_client_secret_file: Path | None = Field(
        default=None,
        description="The file with the secret for the provider; read again each time. Without it this service is a "
        "public client: PKCE alone ties the code to it.",
    )
    oidc_scopes: str = Field(
        default="openid profile email",
        pattern=r"^openid( [!#-\[\]-~]+)*$",
        description="What the provider is asked for, separated by spaces, `openid` first.",
    )
    oidc_groups_claim: str = Field(default="groups", min_length=1, description="The claim with somebody's groups.")
    oidc_name_claim: str = Field(
        default="preferred_username",
        min_length=1,
        description="The claim with the name that others see; where it is missing `email` is, then `sub`.",
    )
    oidc_roles: list[str] = Field(
        default=[],
        description="What groups may do: `group=team:role`, or `group=*:platform-admin`. While it is empty everybody "
        "whom the provider lets in gets an account without any role; otherwise one of these groups is needed.",
    )
    otlp_endpoint: str | None = Field(
        default=None,
        description="Where the metrics of tasks go besides: an OpenTelemetry collector, like "
        "`http://127.0.0.1:4318`. They are sent as OTLP/HTTP JSON to `/v1/metrics` there.",
    )
    otlp_headers_file: Path | None = Field(
        default=None,
        description="The file with headers for the collector, `Name: value` on each line; read again each time.",
    )
    otlp_interval_s: float = Field(default=15.0, ge=1, le=3600, description="How often metrics go there.")
    retention_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="How long runs are kept after they ended, with their logs, results, metrics, files and kept state. "
        "A DAG can ask for less. Without it they are kept for ever.",
    )
    log_retention_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="How long logs are kept after their run ended. Without it as long as the run. The newest run of "
        "a DAG stays whole.",
    )
    xcom_retention_days: float | None = Field(
        default=None,
        gt=0,
        le=36500,
        description="The same for XComs: what tasks returned and passed on, with the files that it names.",
    )
    metric_retention_days: float | None = Field(
        default=None, gt=0, le=36500, description="The same for the metrics of tasks."
    )
    webhooks_private_addresses: bool = Field(
        default=False,
        description="Webhooks may go to private and local addresses too, and over `http://`: everybody who may deploy "
        "a DAG can then send requests to what this service reaches.",
    )
    poll_wait_s: float = Field(
        default=50.0, ge=0.1, le=50, description="How long an agent's request for work may wait."
    )
    renew_every_s: float = Field(default=20.0, ge=1, le=300, description="How often agents renew all their leases.")
    log_every_s: float = Field(default=1.0, ge=0.1, le=60, description="How long a running task's log may wait.")
    disconnected_after_s: float = Field(
        default=60.0, ge=5, description="After this long without a sign of life an agent is shown as disconnected."
    )
    agent_key_days: float = Field(
        default=30.0, gt=0, le=3650, description="The age in days at which agents make themselves a new key."
    )
    keepalive_s: int = Field(
        default=20,
        ge=1,
        le=3600,
        description="A connection on which nothing comes back for twice this long is given up.",
    )
    local_slots: int = Field(
        default=0,
        ge=0,
        le=1024,
        description="Slots of an agent that the service starts beside itself, at the trusted site `local`; 0: none. "
        "Needs the command edge-agent.",
    )
    updates_dir: Path | None = Field(
        default=None,
        description="The folder with a repository of agent versions (`public`, as packaging/release.py makes it); "
        "served to everybody at `/updates`, where agents look for newer versions.",
    )
    dags_start_paused: bool = Field(
        default=False,
        description="DAGs with a schedule begin paused when they are first deployed: `leasehold dags unpause DAG`.",
    )
    most_queued: int = Field(
        default=100_000, ge=1, description="Task instances of one team that may wait in the queue."
    )
    max_map_length: int = Field(
        default=10_000, ge=1, le=1_000_000, description="How many instances a mapped task may have in one run."
    )
    most_body_bytes: int = Field(default=4 * 1024 * 1024, ge=65536, description="The largest JSON body taken.")
    most_file_bytes: int = Field(default=5 * 1024**3, ge=65536, description="The largest file that a task may push.")
    upload_part_bytes: int = Field(
        default=8 * 1024**2,
        ge=65536,
        le=1024**3,
        description="How much of a file or large result agents send in one request; "
        "at most what a proxy in front of this service lets through.",
    )
    most_blob_bytes: int = Field(default=1024**3, ge=65536, description="The largest bundle or large result taken.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="What the service logs.")

    @field_validator("public_url", "vault_url", "aws_sm_endpoint_url")
    @classmethod
    def _is_safe(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be like https://leasehold.example.com")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise ValueError("http:// is for loopback only: tokens would travel in the clear; use https://")
        return value.rstrip("/")

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "http://none")
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be like http://127.0.0.1:4318")
        return value and value.rstrip("/")

    @model_validator(mode="after")
    def _sends_headers_safely(self) -> Settings:
        if self.otlp_headers_file is not None:
            if self.otlp_endpoint is None:
                raise ValueError("otlp_headers_file is for the otlp_endpoint: set both or none")
            self._is_safe(self.otlp_endpoint)
        return self

    @field_validator("oidc_issuer")
    @classmethod
    def _is_safe_to_the_letter(cls, value: str | None) -> str | None:
        # A slash at its end is part of an issuer's name.
        cls._is_safe(value)
        return value

    @model_validator(mode="after")
    def _has_a_way_to_sign_in(self) -> Settings:
        if (self.oidc_issuer is None) != (self.oidc_client_id is None):
            raise ValueError("oidc_issuer and oidc_client_id go together: set both or none")
        if self.oidc_issuer is None and not self.local_sign_in:
            raise ValueError("local_sign_in is off and there is no oidc_issuer: nobody could sign in")
        return self

    @model_validator(mode="after")
    def _has_vaults_token(self) -> Settings:
        if (self.vault_url is None) != (self.vault_token_file is None):
            raise ValueError("vault_url and vault_token_file go together: set both or none")
        return self

    @model_validator(mode="after")
    def _has_a_certificate_for_its_key(self) -> Settings:
        if self.tls_key_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_key_file is the key of tls_cert_file: set both, or none")
        if self.tls_cert_file is not None and self.public_url is not None and self.public_url.startswith("http://"):
            raise ValueError("tls_cert_file is set, and public_url begins with http://: it has to be https://")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class names it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class names it
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment, then the file."""
        file = Path(os.environ.get(CONFIG_FILE_ENV, DEFAULT_CONFIG_FILE))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file)

    def issuer(self) -> str:
        """Return the address that the service is known by: the OAuth issuer, and what proofs of possession name."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "http" if self.tls_cert_file is None else "https"
        return self.public_url or f"{scheme}://{host}:{self.port}"

    def database(self) -> str:
        """Return the database URL in force."""
        return self.database_url or f"sqlite:///{(self.state_dir / 'leasehold.db').resolve()}"


def load(flags: dict[str, Any]) -> Settings:
    """Return the settings, flags (those that are not none) first.

    Raises:
        SettingsError: naming every setting that can't be used, with its cure.
    """
    file = os.environ.get(CONFIG_FILE_ENV)
    if file is not None and not Path(file).is_file():
        raise SettingsError(f"{CONFIG_FILE_ENV} names {file}, which is not a file: correct the variable, or unset it")
    try:
        return Settings(**{name: value for name, value in flags.items() if value is not None})
    except (OSError, ValueError) as error:
        if not isinstance(error, ValidationError):
            raise _unreadable(Path(file) if file else DEFAULT_CONFIG_FILE, error) from None
        lines = [_line(problem) for problem in error.errors(include_url=False)]
        raise SettingsError("these settings can't be used:\n" + "\n".join(lines)) from None


def _unreadable(file: Path, error: Exception) -> SettingsError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else f"it is not TOML: {error}"
    return SettingsError(f"the configuration file {file} can't be used: {why}. Correct it, or set {CONFIG_FILE_ENV}")


def _line(problem: Any) -> str:
    if not problem["loc"]:  # about several settings at once: the input would be all of them
        return f"  {problem['msg']}"
    return f"  {'.'.join(map(str, problem['loc']))} = {_shown(problem)}: {problem['msg']}"


def _shown(problem: Any) -> str:
    """Return the value that was given, unless it may hold a password."""
    return "(hidden)" if "database_url" in problem["loc"] else repr(problem["input"])


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "::1"} or host.startswith("127.")
