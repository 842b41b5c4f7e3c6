"""Customers: who they are is in the prompt, where they stand in the conversation, and both forms of asking work."""

from collections import Counter
from collections.abc import Mapping

import pytest

from preceptor.llm.messages import Message, Request, Sampling
from preceptor.simulated.model import SimulatedModel
from preceptor.simulated.reading import Reader

from .conftest import answered, task

Cast = Mapping[str, SimulatedModel]
CALM = "You write to a bakery. Your bread has not been delivered. You are patient and polite."
SHARP = "You write to a bakery. Your bread has not been delivered. You are short-tempered."
GOOD = "I am sorry about the trouble this caused. The driver will be at your door by eleven."
POOR = "We bake with love."


def turn(cast: Cast, *lines: str, who: str = CALM, seed: int = 0, model: str = "customer") -> dict[str, str]:
    conversation = "\n".join(lines) or "(nothing yet)"
    return answered(cast[model], task("customer_turn", who, seed, conversation=conversation))


def test_a_customer_opens_with_its_topic(cast: Cast, reader: Reader) -> None:
    for seed in range(20):
        said = turn(cast, seed=seed)
        assert reader.situation(said["message"]) == "late-first"
        assert said["ends"] == "no"
    allergic = CALM.replace("Your bread has not been delivered.", "You need to know what is in a cake.")
    assert reader.situation(turn(cast, who=allergic)["message"]) == "allergy-nuts"


def test_the_same_customer_opens_the_same_way(cast: Cast) -> None:
    assert turn(cast, seed=5) == turn(cast, seed=5)
    assert len({turn(cast, seed=seed)["message"] for seed in range(12)}) > 3


def test_seen_and_unseen_wordings_do_not_mix(cast: Cast) -> None:
    seen = {turn(cast, who=SHARP, seed=seed)["message"].removeprefix("Listen: ")[:12] for seed in range(30)}
    unseen = {
        turn(cast, who=SHARP, seed=seed, model="customer-unseen")["message"].removeprefix("Listen: ")[:12]
        for seed in range(30)
    }
    assert len(seen) == 3
    assert len(unseen) == 2
    assert not seen & unseen


def test_a_good_reply_leads_on_to_good_and_a_poor_one_to_poor(cast: Cast, reader: Reader) -> None:
    asked = "Customer: My rolls should have been here an hour ago."
    good = turn(cast, asked, f"Agent: {GOOD}")
    assert good == {"message": "Lovely, thank you so much.", "ends": "resolved"}
    poor = turn(cast, asked, f"Agent: {POOR}")
    assert poor["ends"] == "no"
    assert reader.situation(poor["message"]) == "late-angry"


def test_patience_runs_out(cast: Cast) -> None:
    asked = "Customer: My rolls should have been here an hour ago."
    angry = "Customer: I am losing patience with your bakery."
    assert turn(cast, asked, f"Agent: {POOR}", who=SHARP)["ends"] == "left"
    assert turn(cast, asked, f"Agent: {POOR}", angry, f"Agent: {POOR}")["ends"] == "no"
    assert turn(cast, asked, f"Agent: {POOR}", angry, f"Agent: {POOR}", angry, f"Agent: {POOR}")["ends"] == "left"


def test_a_good_reply_restores_patience(cast: Cast) -> None:
    angry = "Customer: I am losing patience with your bakery."
    kind = "Agent: I am sorry about the trouble this caused. We will refund the whole order today."
    after = turn(cast, angry, f"Agent: {POOR}", angry, kind)
    assert after["ends"] == "resolved"


def test_transitions_follow_the_weights(cast: Cast) -> None:
    who = CALM.replace("Your bread has not been delivered.", "You need to know what is in a cake.")
    lines = ("Customer: Are there any nuts in the birthday cake?", f"Agent: {POOR}")
    assert Counter(turn(cast, *lines, who=who, seed=seed)["ends"] for seed in range(20)) == {"left": 20}


def test_numbers_stay_the_same_for_the_whole_conversation(cast: Cast) -> None:
    first = next(said for seed in range(50) if "order" in (said := turn(cast, seed=seed))["message"])
    number = "".join(filter(str.isdigit, first["message"]))
    assert len(number) == 6
    later = {
        "".join(
            filter(str.isdigit, turn(cast, f"Customer: {first['message']}", f"Agent: {POOR}", seed=seed)["message"])
        )
        for seed in range(10)
    }
    assert later <= {"", number}


def test_a_customer_in_a_plain_chat_writes_and_moves_on(cast: Cast, reader: Reader) -> None:
    opening = Request((Message("system", CALM), Message("user", "Hello, how can I help you today?")), Sampling(seed=1))
    first = cast["customer"].answer(opening).text
    assert reader.situation(first) == "late-first"
    chat = (*opening.messages, Message("assistant", first), Message("user", GOOD))
    assert cast["customer"].answer(Request(chat, Sampling(seed=1))).text == "Lovely, thank you so much."


@pytest.mark.parametrize(
    "reply", ["I apologise deeply. The driver comes by eleven today.", "Sorry! asdf qwer", "", "😀"]
)
def test_any_free_text_is_coped_with(cast: Cast, reply: str) -> None:
    said = turn(cast, "Customer: My rolls should have been here an hour ago.", f"Agent: {reply}")
    assert said["message"]
    assert said["ends"] in ("no", "resolved", "left")
