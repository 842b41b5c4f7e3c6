"""The reader: own wordings, held-out wordings, other people's words, polarity, typos."""

from typing import Literal

import pytest

from preceptor.simulated.chance import Chance
from preceptor.simulated.check import fill
from preceptor.simulated.reading import Reader
from preceptor.simulated.wording import joined, misspell
from preceptor.simulated.words import instructs, negative, sentences
from preceptor.simulated.world import World

from .conftest import varied

Part = Literal["said", "told", "forbidden"]
FOLDS = 6


def without(world: World, part: Part, fold: int) -> tuple[World, list[tuple[str, str]]]:
    """The world with every sixth wording of its moves held out, and those."""
    held: list[tuple[str, str]] = []
    moves = []
    for move in world.moves:
        texts: tuple[str, ...] = getattr(move, part)
        out = [text for place, text in enumerate(texts) if place % FOLDS == fold]
        held += [(move.id, text) for text in out]
        moves.append(move.model_copy(update={part: tuple(text for text in texts if text not in out)}))
    return varied(world, moves=moves), held


@pytest.mark.parametrize("part", ["said", "told", "forbidden"])
def test_a_held_out_wording_is_recognised_from_the_others(shipped: World, part: Part) -> None:
    found = total = 0
    for fold in range(3):
        rest, held = without(shipped, part, fold)
        reader = Reader(rest)
        for move, text in held:
            asked = reader.instructions(text)
            found += move in {"said": reader.moves(text), "told": asked.told, "forbidden": asked.forbidden}[part]
        total += len(held)
    assert found / total >= 0.8


def test_typos_moods_and_chatter_do_not_hide_a_situation(shipped: World, shipped_reader: Reader) -> None:
    moods = sorted({mood for persona in shipped.personas.values() for mood in persona.moods})
    wrong = []
    for place, situation in enumerate(shipped.situations):
        for text in (*situation.customer, *situation.unseen):
            chance = Chance(place, text)
            message = joined(chance.pick(moods, "mood"), text, chance.pick(shipped.phrases.chatter, "chatter"))
            read = shipped_reader.situation(misspell(fill(shipped, message), 0.05, chance))
            if read != situation.id:
                wrong.append((situation.id, read, message))
    total = sum(len(one.customer) + len(one.unseen) for one in shipped.situations)
    assert len(wrong) <= 0.02 * total, wrong[:5]


def test_a_reply_of_several_moves_shows_all_of_them(shipped: World, shipped_reader: Reader) -> None:
    for place in range(100):
        chance = Chance("several", place)
        moves = chance.order([move.id for move in shipped.moves], "which")[:3]
        text = joined(*(chance.pick(shipped.move[move].said, move) for move in moves))
        assert shipped_reader.moves(fill(shipped, text)) == set(moves), text


@pytest.mark.parametrize(
    ("text", "told", "forbidden"),
    [
        ("Before touching the account, check who you're talking to.", {"verify-identity"}, set()),
        ("Do not open the account until you have verified who they are.", {"verify-identity"}, set()),
        ("Never ask for a password.", set(), {"ask-password"}),
        ("You should not ask anybody for their password.", set(), {"ask-password"}),
        ("Answer in French.", set(), set()),
    ],
)
def test_a_persons_own_words(shipped_reader: Reader, text: str, told: set[str], forbidden: set[str]) -> None:
    asked = shipped_reader.instructions(text)
    assert (set(asked.told), set(asked.forbidden)) == (told, forbidden)


def test_polarity_in_new_words(reader: Reader) -> None:
    for text in ("Never promise anybody a refund.", "Avoid promising a refund.", "A refund must not be promised."):
        assert reader.instructions(text).forbidden == {"offer-refund"}, text
    for text in ("Promise them a refund.", "Do not forget to promise a refund.", "Always promise a full refund."):
        assert reader.instructions(text).told == {"offer-refund"}, text
    both = reader.instructions("Apologise for the trouble, but never promise a refund.")
    assert both.told == {"apologise"}
    assert both.forbidden == {"offer-refund"}


def test_prohibitions_run_on_through_or(reader: Reader) -> None:
    asked = reader.instructions("Do not blame the customer or promise a full refund.")
    assert asked.told == frozenset()
    assert asked.forbidden == {"blame", "offer-refund"}


def test_declining_is_not_doing(reader: Reader) -> None:
    assert reader.moves("We will refund the whole order.") == {"offer-refund"}
    assert reader.moves("I am afraid we cannot refund the whole order.") == frozenset()


def test_cues_show_a_move_in_free_text(reader: Reader) -> None:
    assert "apologise" in reader.moves("apologies that it is so late today, friend")


def test_facts_are_no_instructions(reader: Reader) -> None:
    asked = reader.instructions(
        "The shop opens at six. The driver arrives by eleven. Refunds are decided by the owner."
    )
    assert asked.told == asked.forbidden == frozenset()
    assert asked.count == 0


def test_unknown_instructions_count_for_attention(reader: Reader) -> None:
    asked = reader.instructions("Guidance:\n- Use short sentences.\n- You must answer in French.\n2. Be kind.")
    assert asked.told == asked.forbidden == frozenset()
    assert asked.count == 3


def test_nothing_is_read_into_other_matters(reader: Reader) -> None:
    for text in ("The weather in Paris is fine.", "", "…", "42", "Hello, how can I help you today?"):
        assert reader.moves(text) == frozenset(), text
        assert reader.situation(text) is None, text


def test_topics_and_personas_are_found_in_any_prompt(reader: Reader) -> None:
    text = "Play somebody. Your bread has not been delivered. You are short-tempered. Go."
    assert reader.topic(text) == "late"
    assert reader.persona(text) == "sharp"
    assert reader.topic("You want to know what is in one of our cakes.") == "allergy"


def test_sentences_and_their_kinds() -> None:
    assert sentences("- One thing.\n2. Another! And a third?") == ("One thing.", "Another!", "And a third?")
    assert instructs("If they are angry, apologise first.")
    assert not instructs("They are angry.")
    assert negative("Never close without asking.") is False
    assert negative("Say that it will not help.") is False
    assert negative("Do not say that it will help.") is True


@pytest.mark.parametrize("name", ["broadband", "airline"])
def test_an_instruction_that_is_recited_is_not_followed(name: str) -> None:
    reader = Reader(World.shipped(name))
    moves = reader.world.moves
    recited = [move.id in reader.moves(text) for move in moves for text in move.told]
    done = [move.id in reader.moves(text) for move in moves for text in move.said]
    assert sum(recited) <= 0.02 * len(recited)
    assert all(done)
