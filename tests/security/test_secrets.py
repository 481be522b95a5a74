"""Secrets: OWASP Secrets Management and Logging Cheat Sheets; ASVS 4.0.3, 2.10.4, 7.1.1 and 14.1.1; ASVS 5.0, 13.3.1 and 16.2.5."""

import logging
from pathlib import Path

import pytest
from pydantic import SecretStr

from datastore.secrets import resolve_secrets
from datastore.settings import Settings, SettingsError
from gql.app import open_services
from tests.gql.api import PASSWORD, Api, Person
from tests.resolvers.key_ring import make_key
from tests.security.conftest import Site

SIGN_IN = "mutation ($input: SignInInput!) { signIn(input: $input) { refreshToken } }"
REFRESH = "mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken refreshToken } }"


async def test_nothing_secret_is_logged_even_where_everything_is(
    site: Site, api: Api, ada: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """Passwords, tokens and keys are sent in all the places that take them, right and wrong, while every logger says all it has to say."""
    key = (await make_key(api, ada))["key"]
    with caplog.at_level(logging.DEBUG):
        for password in (PASSWORD, "a-wrong-password-of-hers"):
            await site.post(SIGN_IN, {"input": {"email": ada.email, "password": password}})
        refreshed = (await site.post(REFRESH, {"token": ada.refresh_token})).json()["data"]["refreshSession"]
        await site.post(REFRESH, {"token": f"{ada.refresh_token}x"})
        for token in (ada.access_token, f"{ada.access_token}x", key):
            await site.post("{ viewer { email } }", Authorization=f"Bearer {token}")
        for token in (key, f"{key}x", ada.access_token):
            await site.client.get("/api/v1/products", headers={"Authorization": f"Bearer {token}"})
    secrets = [PASSWORD, "a-wrong-password-of-hers", ada.access_token, ada.refresh_token, key, *refreshed.values()]
    settings = site.services.settings
    secrets += [value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)]
    # S3's access key is no secret; it is a name that stands in every signed link.
    assert settings.s3_access_key is not None
    logged = caplog.text.replace(settings.s3_access_key.get_secret_value(), "")
    assert [secret for secret in secrets if secret and secret in logged] == []


@pytest.mark.parametrize("weak", ["", "short", "changeme" * 8, "a" * 64])
async def test_serving_in_production_stops_at_a_weak_secret_before_anything_is_opened(tmp_path: Path, weak: str) -> None:
    dev = resolve_secrets(Settings(env="dev", data_dir=tmp_path / "dev"))
    given = {"secret": SecretStr(weak), "signing_key": SecretStr(dev.signing_keys.decode())}
    settings = Settings(env="production", data_dir=tmp_path / "production", mongodb_uri="mongodb://127.0.0.1:1").model_copy(update=given)
    with pytest.raises(SettingsError, match="TILLSTREAM_SECRET") as refused:
        async with open_services(settings):
            pass
    assert not weak or weak not in str(refused.value)
    assert not (tmp_path / "production").exists()


def test_secrets_show_themselves_in_no_text_of_the_objects_that_hold_them(production: Settings, tmp_path: Path) -> None:
    secret = "ChQ8-0bRzXk7-9sPq2-LmVt4"
    settings = production.model_copy(
        update={name: SecretStr(secret) for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    )
    assert secret not in f"{settings!r} {settings} {settings.model_dump_json()}"
    resolved = resolve_secrets(Settings(env="dev", data_dir=tmp_path))
    assert resolved.secret.decode() not in repr(resolved)
