"""Settings: read from the environment, checked, documented."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from datastore.settings import Settings, SettingsError, environment_of, load_settings

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"TILLSTREAM_{name.upper()}", raising=False)


def test_without_any_variable_everything_is_embedded_and_for_development() -> None:
    settings = load_settings()
    assert settings.env == "dev"
    assert settings.mongodb_uri is None
    assert settings.s3_endpoint is None
    assert settings.data_dir == Path(".tillstream")


def test_variables_set_the_fields_of_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLSTREAM_PORT", "9000")
    monkeypatch.setenv("TILLSTREAM_LOG_LEVEL", "debug")
    monkeypatch.setenv("TILLSTREAM_INTROSPECTION", "nobody")
    monkeypatch.setenv("TILLSTREAM_ALLOWED_ORIGINS", "https://shop.example, http://localhost:5173")
    settings = load_settings()
    assert settings.port == 9000
    assert settings.log_level == "DEBUG"
    assert settings.introspection == "nobody"
    assert settings.allowed_origins == ("https://shop.example", "http://localhost:5173")


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLSTREAM_MONGODB_URI", "")
    monkeypatch.setenv("TILLSTREAM_ALLOWED_ORIGINS", "")
    assert load_settings().mongodb_uri is None
    assert load_settings().allowed_origins == ()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ENV", "staging"),
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "9" * 40),
        ("MONGODB_URI", "postgres://localhost"),
        ("MONGODB_DATABASE", "a/b"),
        ("S3_ENDPOINT", "files.example"),
        ("S3_BUCKET", "No_Bucket"),
        ("ACCESS_TOKEN_SECONDS", "0"),
        ("REFRESH_TOKEN_DAYS", "1.5"),
        ("LOG_LEVEL", "LOUD"),
        ("CONNECTION_INIT_SECONDS", "nan"),
        ("CONNECTION_INIT_SECONDS", "inf"),
        ("MAX_BODY_BYTES", "0"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://shop.example/"),
        ("ALLOWED_ORIGINS", "https://shop.example:99999"),
        ("ALLOWED_ORIGINS", "https://me@shop.example"),
        ("ALLOWED_ORIGINS", "shop.example"),
        ("CLIENT_URL", "shop.example"),
        ("CLIENT_URL", "javascript:alert(1)"),
        ("CLIENT_URL", "https://me@shop.example/"),
        ("CLIENT_URL", "https://shop.example/#account"),
        ("CLIENT_URL", "https://shop.example/a b"),
        ("TRUSTED_PROXIES", "*"),
        ("TRUSTED_PROXIES", "nginx"),
        ("TRUSTED_PROXIES", "10.0.0.7/8"),
        ("SMTP_TLS", "maybe"),
        ("SMTP_PORT", "0"),
        ("MAIL_FROM", "nobody"),
        ("MAIL_FROM", "Shop <till@example.org>, Other <other@example.org>"),
        ("MAIL_FROM", "Shop\nBcc: x@example.org <till@example.org>"),
    ],
)
def test_a_senseless_value_is_refused_in_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(f"TILLSTREAM_{variable}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert f"TILLSTREAM_{variable}: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_wrong_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLSTREAM_PORT", "many")
    monkeypatch.setenv("TILLSTREAM_LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsError, match=r"TILLSTREAM_PORT.*TILLSTREAM_LOG_LEVEL"):
        load_settings()


def test_an_s3_endpoint_without_its_keys_is_refused_and_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILLSTREAM_S3_ENDPOINT", "https://files.example")
    monkeypatch.setenv("TILLSTREAM_S3_SECRET_KEY", "very-private")
    with pytest.raises(SettingsError, match="TILLSTREAM_S3_ACCESS_KEY") as caught:
        load_settings()
    assert "very-private" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SMTP_USER": "till"}, "SMTP_PASSWORD"),
        ({"SMTP_PASSWORD": "very-private"}, "SMTP_USER"),
        ({"ENV": "production", "SMTP_VERIFY": "false"}, "SMTP_VERIFY"),
        ({"ENV": "production", "SMTP_TLS": "none", "SMTP_USER": "till", "SMTP_PASSWORD": "very-private"}, "SMTP_TLS"),
        ({"ENV": "production", "MAIL_FROM": "Shop <till@localhost>"}, "MAIL_FROM"),
        ({"ENV": "production", "CLIENT_URL": "http://shop.example/"}, "CLIENT_URL"),
    ],
)
def test_mail_that_could_be_read_on_its_way_or_answered_by_nobody_is_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], named: str
) -> None:
    for name, value in {"SMTP_HOST": "mail.example", "MAIL_FROM": "till@shop.example", **changes}.items():
        monkeypatch.setenv(f"TILLSTREAM_{name}", value)
    with pytest.raises(SettingsError, match=f"TILLSTREAM_{named}") as caught:
        load_settings()
    assert "very-private" not in str(caught.value)


def test_settings_cannot_be_changed_and_do_not_show_their_secrets() -> None:
    settings = Settings(secret=SecretStr("very-private"))
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]  # that is the point
    assert "very-private" not in repr(settings)


def test_a_child_that_is_given_our_environment_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(port=9000, secret=SecretStr("very-private"), allowed_origins=("https://a.example", "https://b.example"))
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings


def _documented() -> dict[str, tuple[str, str]]:
    rows = re.findall(r"^\| `(TILLSTREAM_\w+)` \| (.*?) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {variable: (default, description) for variable, default, description in rows}


def _shown(default: object) -> str:
    return "" if default is None or default == () else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_page_of_settings_lists_each_with_its_default_and_description() -> None:
    expected = {f"TILLSTREAM_{name.upper()}": (_shown(each.default), each.description) for name, each in Settings.model_fields.items()}
    assert _documented() == expected


def test_every_setting_is_described_in_one_line() -> None:
    for name, each in Settings.model_fields.items():
        assert each.description, name
        assert each.description.endswith("."), name
        assert "\n" not in each.description, name
