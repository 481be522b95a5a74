"""Mail from templates: each kind is a subject in `mail_texts/`, and a text and an HTML page in `mail_templates/` with the same content."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from resolvers.wording import Wording

TEMPLATES: Final = Path(__file__).parent / "mail_templates"


@dataclass(frozen=True, slots=True)
class Written:
    """What a mail says."""

    subject: str
    text: str
    html: str


def write_mail(kind: str, wording: Wording, subject: str, **values: object) -> Written:
    """The mail of a kind with these values, which its templates name. What is put into HTML is escaped.

    Raises jinja2.UndefinedError where a template wants a value that is not given.
    """
    shown = {"w": wording, "subject": subject, **values}
    text = _templates().get_template(f"{kind}.txt").render(shown)
    return Written(subject, text.strip() + "\n", _templates().get_template(f"{kind}.html").render(shown))


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
