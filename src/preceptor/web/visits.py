"""One request as a page's function sees it: who is here, what was asked and sent, and the ways to answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from preceptor.web import seal
from preceptor.web.admission import Admission
from preceptor.web.attempts import Attempts
from preceptor.web.forms import Form
from preceptor.web.house import House
from preceptor.web.people import Person, Role
from preceptor.web.seal import Said, Tone

if TYPE_CHECKING:
    from jinja2 import Environment

Query = Mapping[str, str | int | Sequence[str] | None]


@dataclass(frozen=True)
class Visit:
    """A request, and who made it."""

    request: Request
    house: House
    person: Person | None
    """Nobody only on pages that are open to everybody."""
    form: Form
    """Empty unless something was sent."""
    cookie: str
    """The browser's cookie, as it is or as it is about to be."""
    templates: "Environment"
    admission: Admission
    attempts: Attempts

    @property
    def name(self) -> str:
        """Who decides, for the trail."""
        assert self.person is not None, "pages for people are not shown to nobody"
        return self.person.name

    def may(self, role: Role) -> bool:
        return self.person is not None and self.person.may(role)

    @property
    def part(self) -> bool:
        """htmx asks for a part of a page."""
        return self.request.headers.get("hx-request") == "true"

    def asked(self, name: str, default: str = "") -> str:
        """A value of the URL's query."""
        return self.request.query_params.get(name, default)

    def given(self, name: str) -> str:
        """A part of the path, as `bit` was given it."""
        return unquote(self.request.path_params[name])

    @property
    def query(self) -> str:
        """The URL's query as it came, to be carried on."""
        return str(self.request.url.query)

    def within(self, path: str) -> bool:
        """Whether this is that page, or one below it."""
        here = self.request.scope["path"].removeprefix(self.request.scope.get("root_path", ""))
        return bool(here == path or here.startswith(f"{path}/"))

    @property
    def seal(self) -> str:
        return seal.seal_of(self.cookie)

    def at(self, path: str, query: Query | str = "", /, **more: str | int | None) -> str:
        """The address of one of our pages, wherever we are mounted. Empty values are left out; lists are repeated.

        `path` is a path of the table, whose values (such as ids) are already quoted by `bit`.
        """
        if not isinstance(query, str) or more:
            pairs = {**({} if isinstance(query, str) else query), **more}
            query = urlencode({k: v for k, v in pairs.items() if v not in (None, "", ())}, doseq=True)
        root = self.request.scope.get("root_path", "")
        return f"{root}{path}{'?' + query if query else ''}"

    def page(self, template: str, /, status: int = 200, **values: Any) -> Response:
        """A page, or a part of one, from a template."""
        said = seal.hear(self.request, self.cookie)
        known = {"visit": self, "at": self.at, "house": self.house, "person": self.person, "said": said}
        response = HTMLResponse(self.templates.get_template(template).render(known | values), status)
        if said:
            seal.forget(response, self.request)
        return response

    def draw(self, template: str, /, **values: Any) -> str:
        """A part of a page as text, for streams."""
        known = {"visit": self, "at": self.at, "house": self.house, "person": self.person}
        return self.templates.get_template(template).render(known | values)

    def to(self, address: str, say: str = "", tone: Tone = "good", link: str = "") -> Response:
        """Go on to another page, with a message there that may lead to `link`. Addresses come from `at`."""
        response = RedirectResponse(address, 303)
        if say:
            seal.say(response, Said(say, tone, link), self.cookie, self.request)
        return response


def bit(text: str) -> str:
    """A value as a part of a path; what `Visit.given` gives back.

    Quoted twice: servers unquote a path before it is taken apart, and an id from an imported file may hold a slash.
    """
    return quote(quote(text, safe=""), safe="")
