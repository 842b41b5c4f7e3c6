"""A world's models behind the one seam every model stands behind.

They read the messages of a request, its seed and its schema, and nothing else. Whatever their kind, they answer
anything: an agent asked for a verdict, or anyone asked in a form they do not know, fills the form with values of the
right type, as a model that does not understand would.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, assert_never

import orjson

from preceptor.llm.messages import Message, Reply, Request, Schema, Usage
from preceptor.simulated.agent import Agent
from preceptor.simulated.chance import Chance
from preceptor.simulated.customer import Customer
from preceptor.simulated.form import filled
from preceptor.simulated.judge import Judge
from preceptor.simulated.profiles import AgentProfile, CustomerProfile, JudgeProfile
from preceptor.simulated.prompt import form, task
from preceptor.simulated.reading import Reader
from preceptor.simulated.teacher import Teacher
from preceptor.simulated.world import World

_BYTES_A_TOKEN = 4
_TOKENS_A_MESSAGE = 4


class SimulatedModel:
    """One model of a world.

    `reader` may be shared by the models of one world, which saves building it for each (`models` does).
    """

    def __init__(self, world: World, model_id: str, reader: Reader | None = None) -> None:
        """Raises NotFound when the world has no such model."""
        self._world, self._id = world, model_id
        self._profile = world.profile(model_id)
        self._reader = reader or Reader(world)

    @property
    def name(self) -> str:
        return f"simulated:{self._world.name} {self._id}"

    async def ask(self, request: Request) -> Reply:
        return self.answer(request)

    def answer(self, request: Request) -> Reply:
        """The reply to a request: always the same for the same request."""
        chance = Chance.of(self._world.seed, self._id, request)
        schema = form(request)
        if schema:
            return _bounded(request, Message("assistant", self._structured(request, schema, chance)))
        return _bounded(request, self._plain(request, chance))

    def _plain(self, request: Request, chance: Chance) -> Message:
        match self._profile:
            case AgentProfile():
                return Agent(self._reader, self._profile).reply(request, chance)
            case CustomerProfile():
                return Message("assistant", Customer(self._reader, self._profile).turn(request, chance).message)
            case JudgeProfile():
                return Message("assistant", "I can compare two replies or rate a conversation.")
        assert_never(self._profile)

    def _structured(self, request: Request, schema: Schema, chance: Chance) -> str:
        judge = isinstance(self._profile, JudgeProfile)
        if isinstance(self._profile, JudgeProfile) and chance.happens(self._profile.unparsable, "unparsable"):
            return "Hard to say; each has its merits, and I would want to know more about the customer."
        known = self._known(request, task(schema), chance)
        text = "" if judge else self._world.phrases.platitudes[0]
        return orjson.dumps(filled(schema.body, text, chance) if known is None else known).decode()

    def _known(self, request: Request, name: str, chance: Chance) -> Mapping[str, Any] | None:
        """The answer to a task this kind of model knows."""
        match self._profile, name:
            case CustomerProfile() as customer, "customer_turn":
                turn = Customer(self._reader, customer).turn(request, chance)
                return {"message": turn.message, "ends": turn.ends}
            case JudgeProfile() as judge, "compare_replies":
                return Judge(self._reader, judge).compare(request, chance)
            case JudgeProfile() as judge, "rate_conversation":
                return Judge(self._reader, judge).rate(request, chance)
            case AgentProfile() as agent, "write_strategies":
                return Teacher(self._reader, agent).strategies(request, chance)
            case AgentProfile() as agent, "tell_apart":
                return Teacher(self._reader, agent).tell_apart(request, chance)
            case AgentProfile() as agent, "place_context":
                return Teacher(self._reader, agent).place(request, chance)
            case AgentProfile() as agent, "fitting_strategies":
                return Teacher(self._reader, agent).fit(request, chance)
            case AgentProfile() as agent, "match_strategies":
                return Teacher(self._reader, agent).match(request, chance)
        return None


def models(world: World) -> dict[str, SimulatedModel]:
    """All models of a world, by id, with one reader between them."""
    reader = Reader(world)
    return {model_id: SimulatedModel(world, model_id, reader) for model_id in world.models}


def tokens(text: str) -> int:
    """The usage rule: a token for every 4 bytes of UTF-8, rounded up."""
    return -(-len(text.encode()) // _BYTES_A_TOKEN)


def _bounded(request: Request, message: Message) -> Reply:
    """The reply, cut at `max_tokens`. A prompt costs its texts and 4 tokens for each message."""
    prompt = sum(_cost(said) + _TOKENS_A_MESSAGE for said in request.messages)
    limit = request.sampling.max_tokens
    reply = Reply(message, Usage(prompt, _cost(message)), "tool_calls" if message.tool_calls else "stop")
    if reply.usage.completion_tokens <= limit:
        return reply
    cut = message.content.encode()[: limit * _BYTES_A_TOKEN].decode(errors="ignore")
    return replace(reply, message=Message("assistant", cut), usage=Usage(prompt, tokens(cut)), finish="length")


def _cost(message: Message) -> int:
    return tokens(message.content) + sum(tokens(call.name + call.arguments) for call in message.tool_calls)
