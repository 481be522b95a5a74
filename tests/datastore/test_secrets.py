"""Secrets: generated once and kept private, and never generated in production."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from pydantic import SecretStr

from datastore.secrets import KEPT_KEYS, kept_secret, pem_blocks, resolve_secrets, rotate_signing_key
from datastore.settings import Settings, SettingsError

STRONG = "kq3Vb8-Zr1_xW7nTf5LyHd0pGs2CmJ9u"


def _pem(password: bytes | None = None) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_missing_secrets_are_generated_once_and_kept(tmp_path: Path) -> None:
    settings = Settings(env="dev", data_dir=tmp_path, secret=None, signing_key=None)
    first = resolve_secrets(settings)
    assert len(first.secret) >= 32
    assert isinstance(load_pem_private_key(first.signing_keys, None), Ed25519PrivateKey)
    assert resolve_secrets(settings) == first


def test_kept_secrets_can_be_read_by_their_owner_only(tmp_path: Path) -> None:
    resolve_secrets(Settings(env="test", data_dir=tmp_path, secret=None, signing_key=None))
    folder = tmp_path / "secrets"
    assert _mode(folder) == 0o700
    assert {path.name: _mode(path) for path in folder.iterdir()} == {"secret": 0o600, "signing_key": 0o600}


def test_a_kept_secret_that_others_could_read_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    made = kept_secret(path, lambda: b"x")
    path.chmod(0o644)
    assert kept_secret(path, lambda: b"y") == made
    assert _mode(path) == 0o600


def test_those_who_race_to_make_a_secret_agree_on_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda number: kept_secret(path, lambda: str(number).encode()), range(64)))
    assert len(made) == 1
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


@pytest.mark.parametrize("missing", ["secret", "signing_key"])
def test_production_refuses_to_start_without_a_secret(tmp_path: Path, missing: str) -> None:
    given = {"secret": SecretStr(STRONG), "signing_key": SecretStr(_pem())} | {missing: None}
    settings = Settings(env="production", data_dir=tmp_path).model_copy(update=given)
    with pytest.raises(SettingsError, match=f"TILLSTREAM_{missing.upper()} is not set"):
        resolve_secrets(settings)
    assert not (tmp_path / "secrets" / missing).exists()


@pytest.mark.parametrize("env", ["dev", "production"])
@pytest.mark.parametrize("weak", ["short", STRONG[:31], "a" * 64, "password" * 8, "changeme" * 8])
def test_a_weak_secret_is_refused_everywhere_without_showing_it(tmp_path: Path, env: str, weak: str) -> None:
    settings = Settings.model_validate({"env": env, "data_dir": tmp_path, "secret": weak, "signing_key": _pem()})
    with pytest.raises(SettingsError, match="TILLSTREAM_SECRET is weak") as caught:
        resolve_secrets(settings)
    assert weak not in str(caught.value)


def _elliptic_key() -> str:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "key",
    ["", "no key", _elliptic_key(), _pem(b"a password"), _pem()[:60], "\udcff"],
    ids=["empty", "no key", "another curve", "with a password", "cut off", "no text"],
)
def test_a_signing_key_that_is_no_open_ed25519_key_is_refused(tmp_path: Path, key: str) -> None:
    settings = Settings(env="dev", data_dir=tmp_path, secret=SecretStr(STRONG)).model_copy(update={"signing_key": SecretStr(key)})
    with pytest.raises(SettingsError, match="TILLSTREAM_SIGNING_KEY is no Ed25519"):
        resolve_secrets(settings)


def test_a_signing_key_may_be_written_in_one_line(tmp_path: Path) -> None:
    pem = _pem()
    settings = Settings(env="production", data_dir=tmp_path, secret=SecretStr(STRONG), signing_key=SecretStr(pem.replace("\n", "\\n")))
    assert resolve_secrets(settings).signing_keys.decode() == pem


def test_a_kept_secret_that_was_damaged_is_refused_by_the_name_of_its_file(tmp_path: Path) -> None:
    settings = Settings(env="dev", data_dir=tmp_path, secret=None, signing_key=None)
    resolve_secrets(settings)
    (tmp_path / "secrets" / "signing_key").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="secrets/signing_key is no Ed25519"):
        resolve_secrets(settings)
    (tmp_path / "secrets" / "secret").write_bytes(b"")
    with pytest.raises(SettingsError, match="secrets/secret is weak"):
        resolve_secrets(settings)


def test_a_data_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(SettingsError, match="cannot be kept: "):
        resolve_secrets(Settings(env="dev", data_dir=tmp_path / "file", secret=None))


def test_secrets_do_not_show_themselves(tmp_path: Path) -> None:
    found = resolve_secrets(Settings(env="dev", data_dir=tmp_path, secret=SecretStr(STRONG)))
    assert repr(found) == "Secrets()"


def test_a_new_key_stands_before_the_last_ones(tmp_path: Path) -> None:
    settings = Settings(env="dev", data_dir=tmp_path, secret=None, signing_key=None)
    first = resolve_secrets(settings).signing_keys
    path = rotate_signing_key(settings)
    assert _mode(path) == 0o600
    assert resolve_secrets(settings).signing_keys.endswith(first)
    for _ in range(4):
        rotate_signing_key(settings)
    assert len(pem_blocks(path.read_text())) == KEPT_KEYS
    assert [each.name for each in path.parent.iterdir() if each.name != "secret"] == ["signing_key"]


def test_keys_that_a_variable_holds_are_its_owners_to_change(tmp_path: Path) -> None:
    settings = Settings(env="production", data_dir=tmp_path, secret=SecretStr(STRONG), signing_key=SecretStr(_pem()))
    with pytest.raises(SettingsError, match="TILLSTREAM_SIGNING_KEY holds the keys"):
        rotate_signing_key(settings)


def test_one_bad_key_among_good_ones_is_refused(tmp_path: Path) -> None:
    for bad in (_elliptic_key(), _pem()[:60]):
        settings = Settings(env="dev", data_dir=tmp_path, secret=SecretStr(STRONG), signing_key=SecretStr(_pem() + bad))
        with pytest.raises(SettingsError, match="TILLSTREAM_SIGNING_KEY is no Ed25519"):
            resolve_secrets(settings)
