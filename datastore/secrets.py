"""What signs cursors and access tokens: from the settings, or generated once and kept beside the data."""

import logging
import os
import re
import secrets as randomness
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from pydantic import SecretStr

from datastore.settings import Settings, SettingsError

LEAST_CHARACTERS = 32
LEAST_DIFFERENT = 8
"""A word typed over and over has fewer different characters; 32 random digits have so once in a thousand times."""

KEPT_KEYS = 3
"""That are kept when a new one is made, itself included: more than one is needed only while tokens of the one before are good."""

_RECIPES = {
    "secret": 'python -c "import secrets; print(secrets.token_urlsafe(48))"',
    "signing_key": "openssl genpkey -algorithm ed25519",
}
"""The commands that print a good one."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Secrets:
    """The keys of this deployment; all its processes must have the same ones."""

    secret: bytes = field(repr=False)
    signing_keys: bytes = field(repr=False)
    """Ed25519 private keys (PEM), one behind the other: the first signs, all verify."""


def resolve_secrets(settings: Settings) -> Secrets:
    """Take the secrets from the settings, and generate what is missing, which production refuses to do.

    Raises SettingsError, in one line that says the mend, when one is missing in production, or weak or malformed anywhere.
    """
    secret, its_name = _given_or_kept(settings, "secret", settings.secret, _new_secret)
    signing_key, key_name = _given_or_kept(settings, "signing_key", settings.signing_key, _new_signing_key)
    return Secrets(secret=_strong(secret, its_name), signing_keys=_ed25519(signing_key, key_name))


def kept_secret(path: Path, make: Callable[[], bytes]) -> bytes:
    """Read a secret from a file that only its owner may read; the first call makes it. Processes that race agree on one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f".{path.name}.{randomness.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
        try:
            os.link(draft, path)  # unlike a rename, this lets the first one win, and nobody sees half a secret
        except FileExistsError:
            _log.debug("%s was made by another process meanwhile", path)
        finally:
            draft.unlink()
    if path.stat().st_mode & 0o077:
        _log.warning("%s could be read by others; it no longer can", path)
        path.chmod(0o600)
    return path.read_bytes()


def _given_or_kept(settings: Settings, name: str, given: SecretStr | None, make: Callable[[], bytes]) -> tuple[str, str]:
    """Return a secret and what to call it in a message: its variable, or the file that it is kept in."""
    variable = f"TILLSTREAM_{name.upper()}"
    if given is not None:
        return given.get_secret_value(), variable
    if settings.env == "production":
        raise SettingsError(f"{variable} is not set, which production needs: set it to the output of `{_RECIPES[name]}`")
    path = settings.data_dir / "secrets" / name
    try:
        return kept_secret(path, make).decode("utf-8", "replace"), str(path)
    except OSError as error:
        raise SettingsError(f"{path} cannot be kept: {error.strerror}; mend that, or set {variable}") from None


def _strong(secret: str, name: str) -> bytes:
    if len(secret) < LEAST_CHARACTERS or len(set(secret)) < LEAST_DIFFERENT:
        raise SettingsError(f"{name} is weak, {LEAST_CHARACTERS} random characters are needed: `{_RECIPES['secret']}` prints a good one")
    return secret.encode("utf-8", "surrogateescape")  # as the environment gave it


def _ed25519(pem: str, name: str) -> bytes:
    r"""Check keys and bring them into one form. Environment files often hold each in one line, with ``\n`` for line ends."""
    text = pem.replace("\\n", "\n")
    try:
        blocks = pem_blocks(text)
        keys = [load_pem_private_key(block.encode(), password=None) for block in blocks]
    except (ValueError, TypeError, UnsupportedAlgorithm):
        keys = []
    ours = [key for key in keys if isinstance(key, Ed25519PrivateKey)]
    if not ours or len(ours) < text.count("-----BEGIN"):
        raise SettingsError(f"{name} is no Ed25519 private key in PEM without a password: `{_RECIPES['signing_key']}` prints one")
    return b"".join(map(_pem, ours))


def rotate_signing_key(settings: Settings) -> Path:
    """Make a new key that signs from the next start on; those of before still verify. Where they are kept.

    Raises SettingsError where the keys are given by a variable, which only its owner can change.
    """
    if settings.signing_key is not None:
        raise SettingsError(
            f"TILLSTREAM_SIGNING_KEY holds the keys: put the output of `{_RECIPES['signing_key']}` behind the present key and restart all "
            "processes; then put it first and restart them again; drop the old one when its tokens have ended"
        )
    before = resolve_secrets(settings).signing_keys.decode()
    path = settings.data_dir / "secrets" / "signing_key"
    draft = path.with_name(f".{path.name}.{randomness.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("".join([_new_signing_key().decode(), *pem_blocks(before)[: KEPT_KEYS - 1]]))
    draft.replace(path)
    return path


def pem_blocks(text: str) -> list[str]:
    """The private keys in a text, each by itself (RFC 7468: what stands around them says nothing)."""
    return [f"{block}\n" for block in re.findall(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", text, re.DOTALL)]


def _new_secret() -> bytes:
    return randomness.token_urlsafe(48).encode()


def _new_signing_key() -> bytes:
    return _pem(Ed25519PrivateKey.generate())


def _pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
