"""Where the slot stands is chosen by what the student makes of it."""

import pytest

from preceptor.dialogue.agents import ModelAgent
from preceptor.dialogue.conversation import Context, Turn
from preceptor.dialogue.customers import Voice
from preceptor.dialogue.domain import Domain
from preceptor.judging.judge import Judge
from preceptor.library.model import Placement, Strategy
from preceptor.llm.messages import Request
from preceptor.llm.scripted import ScriptedModel
from preceptor.retrieval.embedding import StaticEmbedder
from preceptor.student.student import Student
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import Event, PlacementChosen
from preceptor.teaching.placement import Try, first_placement, last_placement
from preceptor.teaching.settings import Teaching

DOMAIN = Domain.parse(
    {
        "name": "Shop",
        "role": "You answer.",
        "goal": "Help.",
        "topics": [{"id": "t", "description": "A parcel."}],
        "personas": [{"id": "p", "description": "Calm."}],
    },
    "test",
)
TOLD = (Strategy("st", "Ask for the order number.", "", "sc"),)
TRIES: list[Try] = [(Context((Turn("customer", f"Where is parcel {n}?"),)), TOLD) for n in range(6)]


def heeding(where: Placement) -> ScriptedModel:
    """A student that follows its guidance only where it stands in one place."""

    def reply(request: Request) -> str:
        first, last = request.messages[0].content, request.messages[-1]
        stands: dict[Placement, bool] = {
            "system_end": "Guidance" in first,
            "before_last": len(request.messages) == 3 and "Guidance" in request.messages[1].content,
            "in_last": last.role == "user" and "Guidance" in last.content,
            "prefix": last.role == "assistant",
        }
        return "What is your order number?" if stands[where] else "Hello."

    return ScriptedModel("student", reply)


def preferring_questions(request: Request) -> str:
    shown = request.messages[-1].content
    first, second = (shown.partition(f"<{name}>")[2].partition(f"</{name}>")[0] for name in ("first", "second"))
    better = "tie" if ("?" in first) == ("?" in second) else "first" if "?" in first else "second"
    return f'{{"better": "{better}", "reason": ""}}'


def crew(student: ScriptedModel, heard: list[Event]) -> Crew:
    silent = ScriptedModel("silent", lambda request: "Hm.")
    return Crew(
        DOMAIN,
        ModelAgent(silent, DOMAIN),
        Student(student, DOMAIN),
        Voice(silent, DOMAIN),
        Judge(ScriptedModel("judge", preferring_questions), DOMAIN),
        StaticEmbedder(),
        Teaching(),
        heard.append,
    )


@pytest.mark.anyio
@pytest.mark.parametrize("where", ["system_end", "before_last", "in_last", "prefix"])
async def test_the_placement_the_student_heeds_is_chosen_first_and_last(where: Placement) -> None:
    heard: list[Event] = []
    people = crew(heeding(where), heard)
    assert await first_placement(people, TRIES) == where
    assert await last_placement(people, TRIES, "system_end") == where


@pytest.mark.anyio
async def test_the_placement_in_use_stays_when_none_beats_it() -> None:
    heard: list[Event] = []
    assert await last_placement(crew(heeding("in_last"), heard), TRIES, "in_last") == "in_last"
    chosen = heard[-1]
    assert isinstance(chosen, PlacementChosen)
    assert chosen.scores == {"in_last": 0.0, "system_end": -1.0, "before_last": -1.0, "prefix": -1.0}
