"""What every response tells browsers to refuse (https://owasp.org/www-project-secure-headers/), unless it says itself what it needs."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
"""For what is no page: should a browser show it as one, it may load and run nothing."""

_ALWAYS: Final = (
    (b"content-security-policy", _API_POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
_HTTPS_ONLY: Final = (b"strict-transport-security", b"max-age=31536000")
"""Browsers heed it where they came by https, and nowhere else (RFC 6797, section 8.1)."""


class SecurityHeaders:
    """Adds the headers to the responses of an application; `https_only` asks browsers to come by https for a year."""

    def __init__(self, app: ASGIApp, *, https_only: bool) -> None:
        self._app = app
        self._headers = (*_ALWAYS, _HTTPS_ONLY) if https_only else _ALWAYS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = list(message.get("headers", ()))
                named = {name.lower() for name, _ in present}
                message["headers"] = [*present, *(header for header in self._headers if header[0] not in named)]
            await send(message)

        await self._app(scope, receive, send_with_headers)
