from datetime import UTC, datetime

from datastore.sealing import Sealer
from resolvers.account_mails import Arguments, Code, invitation_mail, password_reset_mail, values_of, verification_mail

SEALER = Sealer(b"a secret of at least 32 characters", b"job")
CODE = Code("482913", datetime(2026, 11, 24, 12, tzinfo=UTC), "https://shop.example/?code=482913")


def made() -> dict[str, Arguments]:
    return {
        "verification": verification_mail(SEALER, to="jo@example.org", locale="de", name="Jo", code=CODE),
        "password_reset": password_reset_mail(SEALER, to="jo@example.org", locale="de", name="Jo", code=CODE),
        "invitation": invitation_mail(SEALER, to="jo@example.org", locale="de", inviter="Ada", business="Engines", role="STAFF", code=CODE),
    }


def test_no_code_can_be_read_in_what_a_job_carries() -> None:
    for arguments in made().values():
        assert set(arguments) == {"to", "sealed"}
        assert "482913" not in str(arguments)


def test_what_was_sealed_comes_out_again() -> None:
    for kind, arguments in made().items():
        opened_kind, locale, values = values_of(SEALER.open(arguments["sealed"]))
        assert (opened_kind, locale) == (kind, "de")
        assert (values["code"], values["expires_at"], values["link"]) == (CODE.code, CODE.expires_at, CODE.link)


def test_an_invitation_says_who_invites_to_what_as_what() -> None:
    _, _, values = values_of(SEALER.open(made()["invitation"]["sealed"]))
    assert (values["inviter"], values["business"], values["role"], values["name"]) == ("Ada", "Engines", "STAFF", "")
