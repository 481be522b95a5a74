"""All settings of a process, read once from ``TILLSTREAM_*`` variables. Nothing else reads the environment."""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "TILLSTREAM_"


class SettingsError(RuntimeError):
    """A setting is missing or makes no sense. The message is one line, names the variable and never shows its value."""


class Settings(BaseSettings):
    """Where this process listens, what it stores things in and how much it lets a caller do."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    env: Literal["dev", "test", "production"] = Field(
        default="dev", description="Kind of place this runs in; production refuses generated secrets."
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address that the server listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that the server listens on; 0 takes any free one.")
    data_dir: Path = Field(default=Path(".tillstream"), description="Folder of the embedded servers' data, logs and generated secrets.")
    mongodb_uri: str | None = Field(
        default=None, pattern=r"^mongodb(\+srv)?://", description="MongoDB replica set or sharded cluster; unset starts an embedded one."
    )
    mongodb_database: str = Field(default="tillstream", pattern=r"^[A-Za-z0-9_-]{1,63}$", description="Name of the database in MongoDB.")
    s3_endpoint: str | None = Field(default=None, pattern=r"^https?://", description="URL of the S3 store; unset starts an embedded one.")
    s3_access_key: SecretStr | None = Field(default=None, description="Access key of the S3 store; needed with an S3 endpoint.")
    s3_secret_key: SecretStr | None = Field(default=None, description="Secret key of the S3 store; needed with an S3 endpoint.")
    s3_bucket: str = Field(
        default="tillstream",
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        description="Bucket that holds the files: one of its own for each database.",
    )
    s3_region: str = Field(default="us-east-1", min_length=1, description="Region that S3 requests are signed for.")
    s3_public_endpoint: str | None = Field(
        default=None, pattern=r"^https?://[^/?#]+/?$", description="URL of the S3 store as clients reach it, where that differs."
    )
    storage_quota_bytes: int = Field(
        default=10 << 30, ge=0, le=10**12, description="Bytes of files that one account may have, those in its bin and under way included."
    )
    max_file_bytes: int = Field(default=5 << 30, ge=1, le=10**12, description="Largest file, in bytes.")
    upload_part_bytes: int = Field(
        default=64 << 20, ge=5 << 20, le=1 << 30, description="Bytes beyond which a file is uploaded in parts, of this size."
    )
    upload_seconds: int = Field(default=3600, ge=1, le=604_800, description="Seconds that the URLs of an upload are good for.")
    bin_days: int = Field(default=30, ge=1, le=3650, description="Days that a deleted file stays in the bin.")
    secret: SecretStr | None = Field(
        default=None, description="Signs cursors, at least 32 characters; generated and kept outside production."
    )
    signing_key: SecretStr | None = Field(
        default=None,
        description="Ed25519 private key (PEM) that signs access tokens, older ones behind it; generated and kept outside production.",
    )
    sign_up: Literal["open", "confirmed"] | None = Field(
        default=None,
        description="Whether who signs up confirms the address first, so that nobody learns who has an account; unset: in production.",
    )
    access_token_seconds: int = Field(default=900, ge=1, le=86_400, description="Seconds that an access token is valid.")
    refresh_token_days: int = Field(default=30, ge=1, le=3650, description="Days that an unused refresh token is valid.")
    client_url: str | None = Field(
        default=None, description="Page of your client that links in mails lead to, what to do and the code behind its #; unset: no links."
    )
    operator_token: SecretStr | None = Field(
        default=None, description="Token that operators show for metrics; without one the machine itself sees them, but not in production."
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Browser origins beside our own, separated by commas, that may call the API and open sockets."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Addresses or networks of proxies, separated by commas, whose word on the client's address is taken."
    )
    introspection: Literal["everybody", "signed-in", "nobody"] | None = Field(
        default=None, description="Who may ask for the schema; everybody, but in production only who is signed in."
    )
    trusted_documents: Path | None = Field(
        default=None, description="JSON file of the only GraphQL documents that are carried out; unset lets callers write their own."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = Field(
        default="INFO", description="Least severity that is logged."
    )
    max_body_bytes: int = Field(default=1024 * 1024, ge=1024, le=1 << 30, description="Largest request body and socket message, in bytes.")
    max_query_tokens: int = Field(default=5000, ge=100, le=1_000_000, description="Most lexical tokens in a GraphQL document.")
    max_query_cost: int = Field(default=50_000, ge=100, le=10_000_000, description="Most values that the result of one operation may have.")
    max_cost_per_minute: int = Field(
        default=1_000_000, ge=1000, le=10**15, description="Most values that one user may ask of one process in a minute."
    )
    max_anonymous_cost_per_minute: int = Field(
        default=50_000, ge=1000, le=10**15, description="The same for all who are not signed in at one address."
    )
    max_key_requests_per_minute: int = Field(
        default=600, ge=1, le=10**9, description="Most requests that one API key may make of one process in a minute."
    )
    address_limits: float = Field(
        default=1, ge=0, le=1e9, allow_inf_nan=False, description="Factor of all limits by address; 0 switches them off."
    )
    max_operations_per_socket: int = Field(default=100, ge=1, le=100_000, description="Most operations that one socket may have under way.")
    max_live_per_user: int = Field(
        default=1000,
        ge=1,
        le=1_000_000,
        description="Most operations that one user may watch in one process, and all who are not signed in at one address.",
    )
    max_live_per_process: int = Field(default=200_000, ge=1, le=10_000_000, description="Most operations that are watched in one process.")
    connection_init_seconds: float = Field(
        default=10, gt=0, le=600, allow_inf_nan=False, description="Seconds that a new socket has to introduce itself."
    )

    job_slots: int = Field(
        default=8, ge=0, le=1000, description="Jobs that this process carries out at a time; 0 leaves them to `tillstream worker`."
    )

    smtp_host: str | None = Field(
        default=None, min_length=1, description="Mail server; unset keeps mail for `/dev/mail`, but in production."
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    smtp_user: str | None = Field(default=None, min_length=1, description="User that signs in to the mail server, if it asks for one.")
    smtp_password: SecretStr | None = Field(default=None, description="That user's password.")
    smtp_tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls", description="How mail is encrypted on its way to the server: `starttls`, `implicit` (port 465) or `none`."
    )
    smtp_verify: bool = Field(default=True, description="Whether the mail server must show a good certificate; production insists.")
    mail_from: str = Field(
        default="Tillstream <tillstream@localhost>",
        pattern=r"^([^<>@\r\n]{0,100}<[^<>@\s]+@[A-Za-z0-9.-]+>|[^<>@\s]+@[A-Za-z0-9.-]+)$",
        description="Whom mail comes from: an address, or a name and an address as in `Shop <till@example.org>`.",
    )

    webhook_allow_private: bool = Field(
        default=False, description="Whether webhooks may go to our own network, to any port and unencrypted; never in production."
    )
    stripe_secret_key: SecretStr | None = Field(default=None, description="Secret key of the Stripe account; unset takes no payments.")
    stripe_webhook_secret: SecretStr | None = Field(
        default=None, description="What Stripe signs the events with that it sends to `/webhooks/stripe`."
    )
    stripe_publishable_key: str | None = Field(
        default=None, pattern=r"^pk_", description="Publishable key of the same account, which front ends are told."
    )
    stripe_api_base: str = Field(
        default="https://api.stripe.com", pattern=r"^https?://", description="Where Stripe's API is; another for localstripe."
    )

    @property
    def confirms_sign_ups(self) -> bool:
        """Whether who signs up must confirm their address first."""
        return (self.sign_up or ("confirmed" if self.env == "production" else "open")) == "confirmed"

    @field_validator("allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _from_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _only_bare_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _is_origin(origin):
                raise ValueError('each must be a scheme, a host and maybe a port, as in "https://shop.example", without a path')
        return origins

    @field_validator("client_url")
    @classmethod
    def _a_page(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        plain = url is None or ("#" not in url and url.isascii() and url.isprintable() and " " not in url)
        if not plain or (url is not None and not _is_origin(f"{parts.scheme}://{parts.netloc}")):
            raise ValueError('must be the address of a page, as in "https://shop.example/account", without a #')
        return url

    @field_validator("trusted_proxies")
    @classmethod
    def _only_networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy)
            except ValueError:
                raise ValueError('each must be an address or a network, as in "10.0.0.7, 172.16.0.0/12"') from None
        return proxies

    @field_validator("log_level", mode="before")
    @classmethod
    def _level_in_any_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _keys_with_the_endpoint(self) -> Self:
        if self.s3_endpoint is not None and (self.s3_access_key is None or self.s3_secret_key is None):
            raise ValueError(f"{PREFIX}S3_ENDPOINT needs {PREFIX}S3_ACCESS_KEY and {PREFIX}S3_SECRET_KEY beside it")
        return self

    @model_validator(mode="after")
    def _codes_sent_by_https(self) -> Self:
        if self.env == "production" and self.client_url is not None and not self.client_url.startswith("https://"):
            raise ValueError(f"{PREFIX}CLIENT_URL must begin with https:// in production: codes that open accounts are sent there")
        return self

    @model_validator(mode="after")
    def _webhooks_kept_outside(self) -> Self:
        if self.env == "production" and self.webhook_allow_private:
            raise ValueError(
                f"{PREFIX}WEBHOOK_ALLOW_PRIVATE must stay off in production: whoever signs up could have servers of yours called"
            )
        return self

    @model_validator(mode="after")
    def _payments_that_are_heard_of(self) -> Self:
        if self.env == "production" and self.stripe_secret_key is not None:
            if self.stripe_webhook_secret is None:
                raise ValueError(f"{PREFIX}STRIPE_SECRET_KEY needs {PREFIX}STRIPE_WEBHOOK_SECRET beside it, or no sale is ever paid")
            if not self.stripe_api_base.startswith("https://"):
                raise ValueError(f"{PREFIX}STRIPE_API_BASE must begin with https:// in production")
        return self

    @model_validator(mode="after")
    def _mail_kept_from_others(self) -> Self:
        if (self.smtp_user is None) != (self.smtp_password is None):
            raise ValueError(f"{PREFIX}SMTP_USER and {PREFIX}SMTP_PASSWORD belong together")
        if self.env == "production" and self.smtp_host is not None:
            if not self.smtp_verify:
                raise ValueError(f"{PREFIX}SMTP_VERIFY must stay on in production")
            if self.smtp_tls == "none" and self.smtp_password is not None:
                raise ValueError(f"{PREFIX}SMTP_TLS must not be none in production where a password is sent")
            if self.mail_from.rstrip(">").endswith("@localhost"):
                raise ValueError(f"{PREFIX}MAIL_FROM must be an address of yours where {PREFIX}SMTP_HOST is set")
        return self


def load_settings() -> Settings:
    """Read the environment. Raises SettingsError, in one line that names each variable to mend."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(_one_line(error)) from None  # the cause would show values, which may be secrets


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment of a child process that is to have these settings, secrets and all."""
    environment = dict(os.environ)
    for name, value in settings:
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(plain, tuple):
            plain = ",".join(plain)
        if plain is not None:
            environment[PREFIX + name.upper()] = str(plain)
    return environment


def _one_line(error: ValidationError) -> str:
    complaints = []
    for problem in error.errors(include_input=False, include_url=False):
        variable = PREFIX + str(problem["loc"][0]).upper() + ": " if problem["loc"] else ""
        complaints.append(variable + problem["msg"].removeprefix("Value error, "))
    return "Mend these settings: " + "; ".join(complaints)


def _is_origin(text: str) -> bool:
    """Tell whether a text is an origin as browsers serialise it (RFC 6454, section 6.2)."""
    try:
        parts = urlsplit(text)
        usable_port = parts.port != 0
    except ValueError:
        return False
    plain = f"{parts.scheme}://{parts.netloc}" == text and text == text.lower() and "@" not in parts.netloc
    return plain and usable_port and parts.scheme in {"http", "https"} and bool(parts.hostname)
