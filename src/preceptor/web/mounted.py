"""The review beside another application, such as the gateway, below a path of its own."""

from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/review"


@dataclass(frozen=True)
class Mounted:
    """Requests below `path` go to the review; everything else, and the life cycle, to `app`."""

    app: ASGIApp
    review: ASGIApp
    path: str = PATH

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(f"{self.path}/"):
            await self.app(scope, receive, send)
        else:
            await self.review({**scope, "root_path": scope.get("root_path", "") + self.path}, receive, send)
