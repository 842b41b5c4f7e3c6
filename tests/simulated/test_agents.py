"""Agents: instructions change what they do, by where they stand and how many there are, and nothing else does."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from preceptor.llm.messages import Message, Request, Sampling
from preceptor.simulated.model import SimulatedModel, models
from preceptor.simulated.profiles import Attention
from preceptor.simulated.reading import Reader
from preceptor.simulated.world import World

from .conftest import chat, varied

LATE = "My rolls should have been here an hour ago."
TIME = "Tell them at what hour the driver will arrive."
Cast = Mapping[str, SimulatedModel]


def rate(cast: Cast, reader: Reader, model: str, move: str, request: Request, runs: int = 200) -> float:
    """How often a model makes a move, over seeds."""
    asked = (replace(request, sampling=Sampling(seed=seed)) for seed in range(runs))
    return sum(move in reader.moves(cast[model].answer(one).text) for one in asked) / runs


def test_the_same_request_has_the_same_answer_in_any_order(world: World) -> None:
    requests = [chat(LATE, seed=seed) for seed in range(30)]
    one, other = models(world)["clumsy"], models(world)["clumsy"]
    first = [one.answer(request) for request in requests]
    again = [other.answer(request) for request in reversed(requests)]
    assert first == again[::-1]
    assert len({reply.text for reply in first}) > 5


def test_replies_depend_on_nothing_but_the_request(cast: Cast) -> None:
    request = chat(LATE, seed=3)
    before = cast["clumsy"].answer(request)
    for seed in range(50):
        cast["clumsy"].answer(chat("Are there any nuts in the birthday cake?", seed=seed))
    assert cast["clumsy"].answer(request) == before
    assert cast["clumsy"].answer(replace(request, sampling=Sampling(temperature=0.0, seed=3))) == before


@pytest.mark.parametrize("change", ["seed", "text", "model"])
def test_any_part_of_the_request_changes_the_draw(cast: Cast, change: str) -> None:
    replies = set()
    for number in range(10):
        text = f"{LATE} Number {number}." if change == "text" else LATE
        model = ("clumsy", "careless")[number % 2] if change == "model" else "clumsy"
        replies.add(cast[model].answer(chat(text, seed=number if change == "seed" else 0)).text)
    assert len(replies) > 1


def test_an_obedient_agent_does_nothing_unasked_and_everything_asked(cast: Cast, reader: Reader) -> None:
    assert rate(cast, reader, "obedient", "give-time", chat(LATE)) == 0
    assert rate(cast, reader, "obedient", "give-time", chat(LATE, system=f"You serve.\n- {TIME}")) > 0.97


def test_instructions_are_followed_in_any_words(cast: Cast, reader: Reader) -> None:
    for words in ("Let them know the hour at which the driver arrives.", "Always name a delivery time for the van!"):
        assert rate(cast, reader, "obedient", "give-time", chat(LATE, system=words), 50) > 0.9, words


def test_each_placement_has_its_factor(cast: Cast, reader: Reader) -> None:
    system, said = Message("system", "You serve."), Message("user", LATE)
    slot = f"Guidance for this conversation:\n- {TIME}"
    ways = {
        "system_end": (Message("system", f"You serve.\n\n{slot}"), said),
        "before_last": (system, Message("system", slot), said),
        "in_last": (system, Message("user", f"{LATE}\n\n[Note to the agent, not written by the customer. {slot}]")),
        "prefix": (system, said, Message("assistant", f"({slot})\n")),
    }
    rates = {way: rate(cast, reader, "near", "give-time", Request(messages)) for way, messages in ways.items()}
    assert rates["system_end"] == 0
    assert 0.2 < rates["before_last"] < 0.4
    assert rates["in_last"] > 0.95
    assert 0.5 < rates["prefix"] < 0.7


@pytest.mark.parametrize("note", ["Note to the agent: {}", "<guidance>{}</guidance>", "[{}]"])
def test_marked_notes_are_not_the_customers_words(cast: Cast, reader: Reader, note: str) -> None:
    request = chat(f"{LATE}\n\n{note.format(TIME)}")
    assert rate(cast, reader, "obedient", "give-time", request, 50) > 0.9


def test_a_system_text_put_into_the_user_message_is_still_read(cast: Cast, reader: Reader) -> None:
    request = chat(f"You serve customers.\n- {TIME}\n\n{LATE}", system=None)
    assert rate(cast, reader, "obedient", "give-time", request, 50) > 0.9


def test_attention_thins_with_the_number_of_instructions(cast: Cast, reader: Reader) -> None:
    others = [f"Use word number {count} somewhere." for count in range(40)]
    alone, crowded = (chat(LATE, system="\n".join([TIME, *others[:count]])) for count in (0, 20))
    assert rate(cast, reader, "distracted", "give-time", alone) > 0.95
    assert 0.05 < rate(cast, reader, "distracted", "give-time", crowded) < 0.25  # exp(-2) = 0.135


def test_forms_of_attention() -> None:
    exponential = Attention(form="exponential", scale=10)
    linear = Attention(form="linear", scale=100)
    threshold = Attention.model_validate({"form": "threshold", "scale": 100, "from": 50})
    assert exponential.factor(1) == linear.factor(1) == threshold.factor(50) == 1.0
    assert exponential.factor(11) == pytest.approx(0.3679, abs=1e-3)
    assert linear.factor(51) == pytest.approx(0.5)
    assert threshold.factor(100) == pytest.approx(0.5)
    assert linear.factor(500) == 0.0


def test_a_move_beyond_the_profile_is_never_made(cast: Cast, reader: Reader) -> None:
    assert rate(cast, reader, "unable", "give-time", chat(LATE, system=TIME)) == 0


def test_prohibitions_hold_harm_back_and_suppress_what_is_required(cast: Cast, reader: Reader) -> None:
    free = chat(LATE)
    held = chat(LATE, system="Never blame the customer.\nDo not apologise for the trouble.")
    assert 0.4 < rate(cast, reader, "clumsy", "blame", free) < 0.6
    assert rate(cast, reader, "clumsy", "blame", held) < 0.05
    assert rate(cast, reader, "clumsy", "apologise", held) < 0.05


def test_instructions_for_another_situation_mislead(cast: Cast, reader: Reader) -> None:
    request = chat(LATE, system="List every ingredient of the cake.")
    assert 0.3 < rate(cast, reader, "clumsy", "list-ingredients", request) < 0.5


def test_a_harmful_instruction_is_followed(cast: Cast, reader: Reader) -> None:
    assert rate(cast, reader, "obedient", "blame", chat(LATE, system="Blame the address they typed in.")) > 0.95


def test_an_unclear_last_message_is_read_with_those_before(cast: Cast, reader: Reader) -> None:
    request = chat(LATE, "One moment.", "Ok.", system=TIME)
    assert rate(cast, reader, "obedient", "give-time", request, 50) == 1.0


def test_instructions_are_never_told_to_the_customer(cast: Cast) -> None:
    for seed in range(40):
        text = cast["obedient"].answer(chat(LATE, system=f"{TIME}\nBlame the address they typed in.", seed=seed)).text
        assert TIME not in text
        assert "Blame" not in text


def test_what_the_customer_said_is_taken_up(world: World) -> None:
    moves = [
        move.model_copy(update={"said": ("Order {order} is on the van, the driver comes by eleven.",)})
        if move.id == "give-time"
        else move
        for move in world.moves
    ]
    model = SimulatedModel(varied(world, moves=moves), "obedient")
    text = model.answer(chat("Where is my bread, order 314159?", system=TIME)).text
    assert "314159" in text


def test_a_reply_longer_than_allowed_is_cut_and_counted(cast: Cast) -> None:
    request = chat(LATE, system=TIME)
    whole = cast["obedient"].answer(request)
    cut = cast["obedient"].answer(replace(request, sampling=Sampling(max_tokens=3, seed=0)))
    assert whole.finish == "stop"
    assert (cut.finish, cut.usage.completion_tokens) == ("length", 3)
    assert whole.text.startswith(cut.text)
    assert whole.usage.prompt_tokens == sum(-(-len(message.content) // 4) + 4 for message in request.messages)


def test_what_was_said_in_a_quoted_conversation_is_no_instruction(cast: Cast, reader: Reader) -> None:
    quoted = f"You serve.\nCustomer: {LATE}\nAgent: {TIME}"
    assert rate(cast, reader, "obedient", "give-time", chat(LATE, system=quoted)) == 0
    assert rate(cast, reader, "obedient", "give-time", chat(LATE, system=f"{quoted}\n- {TIME}")) > 0.97
    assert rate(cast, reader, "obedient", "give-time", chat(LATE, system=f"Agent: {TIME}")) > 0.97


def test_examples_work_on_those_who_imitate_them(world: World, reader: Reader) -> None:
    quoted = f"You serve.\nCustomer: {LATE}\nAgent: The driver will be with you at eight."
    assert reader.moves(quoted.rpartition("Agent: ")[2]) == {"give-time"}
    profile = world.profile("obedient").model_copy(update={"imitates": 0.5})
    cast = models(world.model_copy(update={"models": {**world.models, "apprentice": profile}}))
    for model, low, high in (("apprentice", 0.4, 0.6), ("obedient", -1, 0.01)):
        assert low < rate(cast, reader, model, "give-time", chat(LATE, system=quoted)) < high
