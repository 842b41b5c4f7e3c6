"""Style, scripts and pictures, held in memory. Addresses carry a hash of the content, so browsers may keep it."""

import hashlib
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).parent / "static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@cache
def files() -> dict[str, bytes]:
    """By their path below the folder."""
    found = (path for path in sorted(FOLDER.rglob("*")) if path.suffix in KINDS)
    return {path.relative_to(FOLDER).as_posix(): path.read_bytes() for path in found}


@cache
def asset(name: str) -> str:
    """The address of a file, below wherever we are mounted."""
    return f"/static/{name}?v={hashlib.sha256(files()[name]).hexdigest()[:12]}"


def statics() -> Route:
    return Route("/static/{name:path}", _serve)


async def _serve(request: Request) -> Response:
    name = request.path_params["name"]
    body = files().get(name)
    if body is None:
        return PlainTextResponse("There is no such file.", 404)
    kind = KINDS[Path(name).suffix]
    keep = "public, max-age=31536000, immutable" if request.query_params.get("v") else "no-cache"
    return Response(body, media_type=kind, headers={"cache-control": keep})
