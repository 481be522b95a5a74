"""GraphiQL, the page for trying the API by hand, as static files built by `make explorer`.

The sources are beside this file (a Vite project); nothing of it comes from another origin at run time.
"""

import re
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

DIST: Final = Path(__file__).parent / "dist"

_POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "worker-src": "'self'",
    # Monaco writes its themes and positions as style elements and attributes.
    "style-src": "'self' 'unsafe-inline'",
    # GraphiQL's style sheet carries its fonts as data: addresses.
    "font-src": "'self' data:",
    # Monaco draws its squiggles as SVG data: addresses.
    "img-src": "'self' data:",
    # Covers the websocket too: 'self' matches ws: and wss: of the same host.
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
CONTENT_SECURITY_POLICY: Final = "; ".join(f"{directive} {sources}" for directive, sources in _POLICY.items())
"""What the page needs to work, and no more; sent with the page itself."""

# Spelled out because the system's table of types decides otherwise, and some systems have none.
_MEDIA_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".ttf": "font/ttf",
}
_ASSET_NAME: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_NOT_BUILT: Final = "The explorer is not built yet: run `make explorer` and reload. The API itself is at /graphql.\n"


def explorer_routes(dist: Path = DIST) -> list[BaseRoute]:
    """The routes of the page: `/`, and `/explorer/<name>` for its hashed files.

    Args:
        dist: The folder that `npm run build` fills; while it is empty, `/` says so with 503.
    """

    async def page(_request: Request) -> Response:
        index = dist / "index.html"
        if not index.is_file():
            return PlainTextResponse(_NOT_BUILT, status_code=503, headers={"Cache-Control": "no-store"})
        return FileResponse(
            index,
            media_type="text/html; charset=utf-8",
            headers={"Cache-Control": "no-cache", "Content-Security-Policy": CONTENT_SECURITY_POLICY, "X-Content-Type-Options": "nosniff"},
        )

    async def asset(request: Request) -> Response:
        return _asset(dist / "explorer", request.path_params["name"], accepts_gzip="gzip" in request.headers.get("accept-encoding", ""))

    return [
        Route("/", page, name="explorer"),
        Route("/explorer/{name}", asset, name="explorer-asset"),
    ]


def _asset(folder: Path, name: str, *, accepts_gzip: bool) -> Response:
    """One file that never changes under its name, compressed where the build has done so."""
    media_type = _MEDIA_TYPES.get(Path(name).suffix)
    path = folder / name
    if media_type is None or _ASSET_NAME.fullmatch(name) is None or not path.is_file():
        return PlainTextResponse("There is no such file.\n", status_code=404)
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding"}
    compressed = folder / f"{name}.gz"
    if accepts_gzip and compressed.is_file():
        return FileResponse(compressed, media_type=media_type, headers={**headers, "Content-Encoding": "gzip"})
    return FileResponse(path, media_type=media_type, headers=headers)
