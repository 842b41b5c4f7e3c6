"""A program for tests: an evaluation of scripted models that book with a tool. ``booking.py FOLDER [RUN]``.

Prints, for each conversation, who served it and what the tool gave.
"""

import sys
from pathlib import Path

import anyio

from preceptor.llm.messages import Message, Reply, Request, ToolCall
from preceptor.llm.model import Model
from preceptor.llm.scripted import ScriptedModel
from preceptor.llm.stopping import Stop
from preceptor.settings.evaluation import EvaluationRun
from preceptor.settings.models import Providers
from preceptor.settings.project import Project
from preceptor.settings.schema import Endpoint, Simulated


def agent(request: Request) -> Reply:
    last = request.messages[-1]
    if last.role == "tool":
        return Reply(Message("assistant", f"I was told: {last.content}"))
    call = ToolCall("c1", "book", f'{{"day": "{last.content.split()[-1]}"}}')
    return Reply(Message("assistant", "", (call,)), finish="tool_calls")


def customer(request: Request) -> str:
    ends = "resolved" if "Agent: " in request.messages[-1].content else "no"
    return f'{{"message": "I come on day {request.sampling.seed}", "ends": "{ends}"}}'


RATING = '{"satisfaction": 4, "goal_reached": true, "policy_kept": true, "reason": "Fine."}'


class Scripted(Providers):
    def model(self, section: Endpoint | Simulated) -> Model:
        script = {"customer": customer, "judge": lambda _: RATING}.get(section.model, agent)
        return ScriptedModel(section.model, script)


async def main(folder: Path, resumed: str | None) -> None:
    project = Project.load(folder)
    with project.database(create=True) as db:
        task = EvaluationRun.resume(project, db, resumed) if resumed else EvaluationRun.begin(project, db)
        async with project.team(db, task.run.id, Stop(), Scripted(folder)) as team:
            report = await task.evaluate(team, lambda event: None)
    for arm in report.arms:
        for served in arm.served:
            if given := [turn.text for turn in served.conversation.turns if turn.party == "tool"]:
                print(arm.name, *given)


anyio.run(main, Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
