"""`/dev/mail`: the mail that a machine without a mail server has kept, for whoever develops on it. Only in development; elsewhere 404.

The HTML of a message is shown by a page of its own in a sandboxed frame: it can run nothing, load nothing, and is of no origin.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from email.message import EmailMessage
from html import escape
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from datastore.settings import Settings
from gql.addresses import is_of_this_machine
from resolvers.kept_mail import KeptMail, KeptMessage

_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_MESSAGE_POLICY: Final = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3em 1em .3em 0;border-bottom:1px solid #ddd}"
    "iframe{width:100%;height:32em;border:1px solid #ddd}pre{white-space:pre-wrap;background:#f4f4f2;padding:1em}"
)

_Answer = Callable[[Request], Awaitable[Response]]
_Show = Callable[[KeptMessage, Request], Response]


def dev_mail_routes(settings: Settings, kept: KeptMail | None) -> list[BaseRoute]:
    """The routes, where mail is kept on a machine for development; none elsewhere."""
    if settings.env != "dev" or kept is None:
        return []

    async def listed(_request: Request) -> Response:
        return _list_page(await kept.newest())

    return [
        Route("/dev/mail", _kept_here(listed)),
        Route("/dev/mail/{name}", _kept_here(_of_message(kept, _message_page))),
        Route("/dev/mail/{name}/html", _kept_here(_of_message(kept, _html_part))),
        Route("/dev/mail/{name}/attachments/{position:int}", _kept_here(_of_message(kept, _attachment))),
    ]


def _kept_here(answer: _Answer) -> _Answer:
    """The same for who asks on the machine itself. Mail has codes in it that open accounts."""

    async def answered(request: Request) -> Response:
        return await answer(request) if is_of_this_machine(request.scope) else _absent()

    return answered


def _of_message(kept: KeptMail, show: _Show) -> Callable[[Request], Awaitable[Response]]:
    async def shown(request: Request) -> Response:
        found = await kept.find(request.path_params["name"])
        return _absent() if found is None else show(found, request)

    return shown


def _list_page(messages: Iterable[KeptMessage]) -> Response:
    rows = "".join(
        f"<tr><td>{_kept_at(each)}</td><td>{_header(each.message, 'To')}</td>"
        f'<td><a href="/dev/mail/{each.name}">{_header(each.message, "Subject")}</a></td></tr>'
        for each in messages
    )
    table = f"<table><tr><th>Time (UTC)</th><th>To</th><th>Subject</th></tr>{rows}</table>" if rows else "<p>No mail was sent yet.</p>"
    return _page("Mail", f"<h1>Mail</h1><p>Kept on this machine instead of being sent, the newest first.</p>{table}")


def _message_page(found: KeptMessage, _request: Request) -> Response:
    message = found.message
    headers = "".join(f"<tr><th>{_shown(name)}</th><td>{_shown(value)}</td></tr>" for name, value in message.items())
    links = "".join(
        f'<li><a href="/dev/mail/{found.name}/attachments/{position}">{_shown(part.get_filename() or "attachment")}</a></li>'
        for position, part in enumerate(message.iter_attachments())
    )
    return _page(
        _decoded(str(message["Subject"])),
        f'<p><a href="/dev/mail">All mail</a></p><h1>{_header(message, "Subject")}</h1><table>{headers}</table><ul>{links}</ul>'
        f'<h2>HTML</h2><iframe sandbox src="/dev/mail/{found.name}/html" title="HTML"></iframe>'
        f"<h2>Text</h2><pre>{_shown(_body(message, 'plain'))}</pre>",
    )


def _html_part(found: KeptMessage, _request: Request) -> Response:
    return HTMLResponse(_decoded(_body(found.message, "html")), headers=_guarded(_MESSAGE_POLICY))


def _attachment(found: KeptMessage, request: Request) -> Response:
    attachments = list(found.message.iter_attachments())
    position = request.path_params["position"]
    if position >= len(attachments):
        return _absent()
    # As a download of no type: whatever it is, it is not opened here.
    content = attachments[position].get_payload(decode=True)
    name = quote(attachments[position].get_filename() or "attachment", safe="")
    headers = {**_guarded("sandbox; default-src 'none'"), "Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(content if isinstance(content, bytes) else b"", media_type="application/octet-stream", headers=headers)


def _page(title: str, body: str) -> Response:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>",
        headers=_guarded(_PAGE_POLICY),
    )


def _guarded(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _absent() -> Response:
    return PlainTextResponse("There is no such message.\n", 404)


def _header(message: EmailMessage, name: str) -> str:
    return _shown(str(message[name] or ""))


def _shown(text: str) -> str:
    return escape(_decoded(text))


def _decoded(text: str) -> str:
    """A text of a message; what the parser could not decode is UTF-8 (RFC 6532), or replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _kept_at(found: KeptMessage) -> str:
    return f"{datetime.strptime(found.name[:14], '%Y%m%d%H%M%S').replace(tzinfo=UTC):%Y-%m-%d %H:%M:%S}"


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return "" if part is None else str(part.get_content())
