"""Every kind of mail, in every language, as text and as HTML."""

from html.parser import HTMLParser
from typing import Any

import pytest
from jinja2 import UndefinedError

from resolvers.mail_rendering import TEMPLATES, Written, write_mail
from resolvers.receipt_sheet import sheet_of
from resolvers.wording import Wording, languages
from tests.resolvers.paperwork import NOON, receipt_of, settings_row

HOSTILE = '<script>alert("x")</script>{{ 7 * 7 }}'


def values_of(kind: str, wording: Wording, text: str) -> dict[str, Any]:
    """What a kind of mail is made of, every text of which is this one."""
    code = {"code": text, "link": f"https://shop.example/?code={text}", "expires_at": NOON}
    figure = {"label": text, "value": "1", "before": "2"}
    kinds: dict[str, dict[str, Any]] = {
        "verification": code,
        "password_reset": code,
        "account_exists": {},
        "email_change": code,
        "email_change_note": {"new_email": text},
        "password_changed": {},
        "account_deleted": {},
        "invitation": {**code, "inviter": text, "role": "STAFF"},
        "receipt": {"receipt": sheet_of(receipt_of(footer=text), wording, wording.money)},
        "statement": {"first": "1", "last": "2", "sums": [(text, "3")]},
        "daily_summary": {"day": text, "quiet": True, "figures": [figure]},
        "low_stock": {"products": [{"name": text, "stock": "1", "threshold": "2"}]},
        "webhook_disabled": {"url": text, "reason": text},
    }
    return {"name": text, "business": text, **kinds[kind]}


KINDS = sorted({path.stem for path in TEMPLATES.iterdir()} - {"layout", "greeting"})


def write(kind: str, language: str, text: str = "Ada") -> Written:
    wording = Wording.of(settings_row(language))
    return write_mail(kind, wording, "subject", **values_of(kind, wording, text))


class Tags(HTMLParser):
    """The tags of a page, and whether each that was opened was closed in turn."""

    EMPTY = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes it."""
        del attrs
        self.seen.add(tag)
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Closes what was opened last."""
        assert self.open.pop() == tag


def test_every_template_is_there_as_text_and_as_html() -> None:
    for kind in KINDS:
        assert {path.suffix for path in TEMPLATES.glob(f"{kind}.*")} == {".txt", ".html"}


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_is_well_formed_and_loads_nothing(kind: str, language: str) -> None:
    written = write(kind, language)
    tags = Tags()
    tags.feed(written.html)
    assert tags.open == []
    assert tags.seen & {"img", "script", "link", "iframe", "form"} == set()
    assert f'lang="{language}"' in written.html
    assert "\n\n\n" not in written.text
    assert written.text.endswith(".\n")


@pytest.mark.parametrize("kind", KINDS)
def test_what_people_write_is_text_in_every_mail(kind: str) -> None:
    written = write(kind, "en", HOSTILE)
    assert "<script" not in written.html
    assert "&lt;script&gt;" in written.html
    assert HOSTILE in written.text
    assert "49" not in written.text + written.html.replace("&#34;", "")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if len(values_of(kind, Wording.plain("en"), "x")) > len({"name", "business"})])
def test_a_value_that_is_missing_is_a_fault_and_no_gap(kind: str) -> None:
    wording = Wording.plain("en")
    values = values_of(kind, wording, "x")
    values.pop(min(values.keys() - {"name", "business"}))
    with pytest.raises(UndefinedError):
        write_mail(kind, wording, "subject", **values)


@pytest.mark.parametrize(
    ("kind", "language", "expected"),
    [
        ("verification", "en", "somebody, hopefully you, signed up with this address"),
        ("verification", "de", "jemand, hoffentlich Sie, hat sich mit dieser Adresse angemeldet"),
        ("password_reset", "en", "asked to set a new password"),
        ("password_reset", "de", "möchte für diese Adresse ein neues Passwort festlegen"),
        ("invitation", "en", "Ada invites you to work in Ada as a member of staff"),
        ("invitation", "de", "Ada lädt Sie ein, bei Ada als Mitarbeiter mitzuarbeiten"),
        ("receipt", "en", "thank you for your purchase"),
        ("receipt", "de", "vielen Dank für Ihren Einkauf"),
        ("statement", "en", "here is the statement of Ada from 1 to 2"),
        ("statement", "de", "anbei der Kontoauszug von Ada vom 1 bis 2"),
        ("daily_summary", "en", "Nothing was sold or spent."),
        ("daily_summary", "de", "Es wurde nichts verkauft und nichts ausgegeben."),
        ("low_stock", "en", "Ada: In stock 1, Threshold 2"),
        ("low_stock", "de", "Ada: Bestand 1, Meldegrenze 2"),
        ("webhook_disabled", "en", "the webhook of Ada to Ada was switched off: Ada"),
        ("webhook_disabled", "de", "der Webhook von Ada an Ada wurde abgeschaltet: Ada"),
    ],
)
def test_each_mail_says_what_it_is_for_in_its_language(kind: str, language: str, expected: str) -> None:
    written = write(kind, language)
    assert expected in written.text
    if kind != "low_stock":
        assert expected in written.html


@pytest.mark.parametrize("kind", ["verification", "password_reset", "invitation"])
def test_a_code_stands_alone_with_its_end_and_its_link(kind: str) -> None:
    written = write(kind, "en", "482913")
    assert "\n    482913\n" in written.text
    assert "https://shop.example/?code=482913" in written.text
    assert 'href="https://shop.example/?code=482913"' in written.html
    assert "until 24 Nov 2026 12:30 (Europe/Berlin)" in written.text.replace("Nov 24, 2026", "24 Nov 2026")


def test_a_code_without_a_link_offers_none() -> None:
    wording = Wording.plain("en")
    values = {**values_of("verification", wording, "482913"), "link": None}
    assert "<a " not in write_mail("verification", wording, "subject", **values).html


def test_who_has_no_name_is_greeted_all_the_same() -> None:
    assert write("receipt", "en", "").text.startswith("Hello,\n")
    assert write("receipt", "de", "Ada").text.startswith("Guten Tag Ada,\n")


def test_a_receipt_in_the_mail_has_its_lines_sums_and_footer() -> None:
    wording = Wording.of(settings_row("de"))
    sheet = sheet_of(receipt_of("de", footer="Danke!\nBis bald."), wording, wording.money)
    written = write_mail("receipt", wording, "s", name="", business="Café", receipt=sheet)
    text = written.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "Beleg Nr. 1017 · 24.11.2026 12:30" in text
    assert "2 × Tea “Assam”: 25,00 € (Nachlass -2,50 €)\n2 × Honey Жук" in text
    assert "\nZwischensumme: 50,00 €\nNachlass: -5,00 €\nSumme: 45,00 €\nDarin 7 % Steuer: 1,47 €\nDarin 19 % Steuer: 3,60 €\n" in text
    assert "Danke!\nBis bald." in text
    assert "Danke!\nBis bald." in written.html
