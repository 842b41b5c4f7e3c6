"""Errands: a run whose parts are done from their descriptions comes to the same end."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from preceptor import Domain, Teaching, World, teach
from preceptor.dialogue.conversation import Context, Turn
from preceptor.errors import Conflict, Defect, NotFound
from preceptor.simulated.model import models
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew
from preceptor.teaching.errands import Desk, describe, outcome_of
from preceptor.teaching.events import Event, Progress
from preceptor.teaching.heldout import serve
from preceptor.teaching.pairs import hold_against

pytestmark = pytest.mark.anyio
T = TypeVar("T")
WORLD = Path(__file__).parents[1] / "simulated" / "small.yaml"
SETTINGS = Teaching(iterations=2, customers=12, held_out=2, min_contexts=2, looks=(4, 8), alpha=0.3, patience=3)


def a_crew() -> Crew:
    """Of models of its own, as a process of its own has them."""
    world = World.load(WORLD)
    cast = {role: models(world)[model] for role, model in world.roles.items()}
    domain = Domain.parse(world.domain, world.name)
    return Crew.gather(
        domain,
        teacher=cast["teacher"],
        student=cast["student"],
        customer=cast["customer"],
        judge=cast["judge"],
        settings=SETTINGS,
    )


@dataclass
class Shelf:
    papers: dict[str, bytes] = field(default_factory=dict)

    async def fetch(self, name: str) -> bytes:
        if name not in self.papers:
            raise NotFound(name)
        return self.papers[name]


@dataclass
class Post:
    """Hands somewhere else: nothing but bytes gets there and back."""

    shelf: Shelf = field(default_factory=Shelf)
    done: Counter[str] = field(default_factory=Counter)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.desk = Desk(a_crew(), self.shelf)

    async def do(
        self, crew: Crew, errand: Callable[..., Awaitable[T]], arguments: Sequence[Any], options: Mapping[str, Any]
    ) -> T:
        told, papers = describe(crew, errand, arguments, options)
        self.shelf.papers |= papers
        self.done[told.name] += 1
        found: T = outcome_of(errand, await self.desk.do(told.body))
        return found


async def taught(hands: Post | None) -> tuple[Any, list[Event]]:
    told: list[Event] = []
    crew = a_crew()
    result = await teach(
        crew.domain,
        teacher=crew.teacher_model,
        student=crew.student,
        customer=crew.voice,
        judge=crew.judge.model,
        settings=SETTINGS,
        tell=lambda event: None if isinstance(event, Progress) else told.append(event),
        hands=hands,
    )
    return result, told


async def test_it_does_not_matter_who_does_the_errands() -> None:
    post = Post()
    (here, events), (there, other_events) = await taught(None), await taught(post)
    assert here.accepted
    assert (there, other_events) == (here, events)
    assert {"converse", "serve", "write", "accept", "ask_where", "hold_against", "score", "same", "fits"} <= set(
        post.done
    )
    assert post.shelf.papers, "in the second iteration the student had been taught"


def test_equal_errands_go_by_one_key_and_others_by_others() -> None:
    crew, context = a_crew(), Context((Turn("customer", "Hello?"),))
    one, _ = describe(crew, hold_against, (context, (), (), "no harm"), {})
    same, _ = describe(crew, hold_against, (context,), {"old": [], "new": [], "purpose": "no harm"})
    other, _ = describe(crew, hold_against, (context, (), (), "general 1"), {})
    moved, _ = describe(
        replace(crew, student=replace(crew.student, placement="in_last")),
        hold_against,
        (context, (), (), "no harm"),
        {},
    )
    assert one.key == same.key
    assert len({one.key, other.key, moved.key}) == 3
    assert one.short


async def test_what_is_no_errand_or_cannot_be_written_is_our_mistake() -> None:
    crew = a_crew()

    async def elsewhere(crew: Crew) -> None:
        """No errand."""

    class Guess:
        def find(self, context: Context) -> Any:
            """Never asked."""

    customer = object()
    with pytest.raises(Defect, match="no errand"):
        describe(crew, elsewhere, (), {})
    with pytest.raises(Defect, match="Guess"):
        describe(crew, serve, (replace(crew.student, finder=Guess()), customer), {})
    with pytest.raises(Defect, match="cannot be sent"):
        describe(crew, serve, (crew.teacher, customer), {})


@pytest.mark.parametrize(
    "body", [b"{}", b"no", json.dumps({"name": "gone", "placement": "prefix", "arguments": {}}).encode()]
)
async def test_what_another_version_wrote_is_told_in_a_sentence(body: bytes) -> None:
    with pytest.raises(Conflict, match="another version"):
        await Desk(a_crew(), Shelf()).do(body)
    with pytest.raises(Conflict, match="another version"):
        outcome_of(serve, b'{"who": "knows"}')
    assert isinstance(a_crew().student, Student)
