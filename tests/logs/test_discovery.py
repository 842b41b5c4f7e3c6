"""What customers come with, found in conversations whose subjects are known here and not told."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import pytest

from preceptor.dialogue.conversation import Conversation, Ending, Turn
from preceptor.logs.discovery import Discovery, discover, redacted
from preceptor.logs.grouping import Bounds, agreement, group, silhouette
from preceptor.logs.personas import Manners, mood
from preceptor.logs.wording import Wording
from preceptor.retrieval.embedding import LexicalEmbedder

_SAID = """
parcel: parcel courier tracking delivered doorstep shipment depot driver postcode neighbour
invoice: invoice billed statement charge overcharged amount payment debit fee tariff
password: password login locked reset screen username sign browser code app
garden: hedge roses lawn seeds watering pruning soil tulips mower compost
anything: hello please could somebody look into this today because it keeps happening
"""
WORDS = {name: said.split() for name, said in (line.split(":") for line in _SAID.split("\n") if line)}
FILLER = WORDS.pop("anything")
SHARES = {"parcel": 40, "invoice": 30, "password": 20, "garden": 10}


def talks(count: int, seed: int = 0, source: str = "s") -> Iterator[tuple[Conversation, str]]:
    """Conversations with what they are about, by `SHARES`."""
    draw = random.Random(seed)
    subjects = [subject for subject, share in SHARES.items() for _ in range(share)]
    for n in range(count):
        subject = subjects[n % len(subjects)]
        turns = []
        for _ in range(draw.randint(2, 4)):
            turns += [Turn("customer", _sentence(subject, draw)), Turn("agent", _sentence(subject, draw))]
        yield Conversation(tuple(turns), "open", f"{source}:{n}", source, (f"task:{subject}",)), subject


def _sentence(subject: str, draw: random.Random) -> str:
    return " ".join([*draw.sample(FILLER, 4), *draw.sample(WORDS[subject], 3)])


def found(count: int = 200, **options: object) -> tuple[Discovery, dict[str, int], dict[str, str]]:
    known = list(talks(count))
    placed: dict[str, int] = {}
    discovery = discover(
        lambda: (one for one, _ in known),
        LexicalEmbedder(),
        placed=lambda one, number: placed.update({one.customer: number}),
        **options,  # type: ignore[arg-type]
    )
    return discovery, placed, {one.customer: subject for one, subject in known}


def test_subjects_are_found_counted_named_and_shown() -> None:
    discovery, placed, truth = found()
    assert [subject.conversations for subject in discovery.subjects] == [80, 60, 40, 20]
    by_group = defaultdict(set)
    for customer, number in placed.items():
        by_group[number].add(truth[customer])
    for subject, name in zip(discovery.subjects, SHARES, strict=True):
        assert by_group[subject.number] == {name}
        assert {word for term in subject.terms for word in term.split()} <= set(WORDS[name])
        assert all(set(example.split()) & set(WORDS[name]) for example in subject.examples)
        assert set(subject.name.replace(",", "").split()) <= set(WORDS[name])
    assert (discovery.conversations, discovery.silent, discovery.unclear, discovery.sampled) == (200, 0, 0, 200)
    assert discovery.stable > 0.9
    assert [topic.weight for topic in discovery.topics()] == [40, 30, 20, 10]


def test_the_same_seed_finds_the_same() -> None:
    assert found(seed=3)[0] == found(seed=3)[0]


def test_order_of_the_logs_does_not_matter() -> None:
    known = [one for one, _ in talks(120)]
    one, other = (discover(lambda some=some: some, LexicalEmbedder()) for some in (known, known[::-1]))  # type: ignore[misc]
    assert [(s.terms, s.conversations) for s in one.subjects] == [(s.terms, s.conversations) for s in other.subjects]


def test_bounds_are_kept() -> None:
    assert len(found(bounds=Bounds(most=2))[0].subjects) == 2
    assert sum(subject.conversations for subject in found(bounds=Bounds(most=2))[0].subjects) == 200
    assert len(found(bounds=Bounds(fewest=6))[0].subjects) >= 6


def test_more_than_the_sample_are_placed() -> None:
    discovery, placed, truth = found(900, sample=300)
    assert discovery.sampled == 300
    assert sum(subject.conversations for subject in discovery.subjects) + discovery.unclear == 900
    pairs = Counter((placed[customer], subject) for customer, subject in truth.items())
    best = sum(max(count for (group, _), count in pairs.items() if group == number) for number in set(placed.values()))
    assert best / len(truth) > 0.97


def test_overlapping_sources_and_silent_conversations() -> None:
    some = [one for one, _ in talks(60)]
    again = [Conversation(one.turns, one.ending, one.customer.replace("s:", "t:"), "t") for one in some[:30]]
    silent = Conversation((Turn("agent", "Hello?"),), "open", "s:x", "s")
    discovery = discover(lambda: [*some, *again, silent], LexicalEmbedder())
    assert (discovery.conversations, discovery.silent) == (61, 1)


def test_nothing_and_next_to_nothing() -> None:
    assert discover(list, LexicalEmbedder()).subjects == ()
    (one,) = discover(lambda: [talk for talk, _ in talks(1)], LexicalEmbedder()).subjects
    assert one.conversations == 1
    same = [Conversation((Turn("customer", "hi"),), "open", f"s:{n}", "s") for n in range(30)]
    assert [subject.conversations for subject in discover(lambda: same, LexicalEmbedder()).subjects] == [30]


def test_what_is_shown_can_be_redacted() -> None:
    said = "My name is Priya Raman and my parcel with the courier tracking is lost"
    raw = [Conversation((Turn("customer", f"{said} {n}"),), "open", f"s:{n}", "s") for n in range(30)]
    shown = str(discover(lambda: raw, LexicalEmbedder(), clean=redacted))
    assert "parcel" in shown
    assert "Priya" not in shown
    assert "priya" not in shown


def test_labels_and_tools_are_not_looked_at() -> None:
    """Conversations alike in words stay together, whatever tools and tags say."""
    plain = [one for one, _ in talks(200)]
    labelled = [
        Conversation((*one.turns, Turn("tool", f"label{n % 5} " * 30)), one.ending, one.customer, "s", (f"t:{n % 5}",))
        for n, one in enumerate(plain)
    ]
    one, other = (discover(lambda some=some: some, LexicalEmbedder()) for some in (plain, labelled))  # type: ignore[misc]
    assert [subject.terms for subject in one.subjects] == [subject.terms for subject in other.subjects]


def test_groups_of_a_plain_likeness() -> None:
    alike = np.kron(np.eye(3), np.ones((20, 20))).astype(np.float32) * 0.8
    np.fill_diagonal(alike, 1)
    grouping = group(alike)
    assert grouping.count == 3
    assert agreement(grouping.groups, np.repeat(np.arange(3), 20)) == 1
    assert grouping.chosen.stable == 1
    assert silhouette(alike, grouping.groups) == pytest.approx(0.8)
    assert silhouette(alike, np.zeros(60, np.intp)) == 0


def test_what_has_no_groups_is_one() -> None:
    chance = np.random.default_rng(0)
    noise = chance.normal(size=(120, 40)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    assert group(noise @ noise.T).count == 1
    assert group(noise @ noise.T, Bounds(fewest=4)).count >= 4


def test_agreement_is_that_of_hubert_and_arabie() -> None:
    # Against the worked example in scikit-learn's documentation of adjusted_rand_score.
    assert agreement(np.array([0, 0, 1, 2]), np.array([0, 0, 1, 1])) == pytest.approx(0.57, abs=0.005)
    assert agreement(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])) == 1


def test_words_everybody_uses_name_nothing() -> None:
    said = [["please help with my account parcel"]] * 10 + [["please help with my account invoice"]] * 10
    wording = Wording.read(said, np.repeat([0, 1], 10), 2)
    assert (wording.terms(0), wording.terms(1)) == (("parcel",), ("invoice",))
    assert wording.tells(0, "The account parcel, please") > wording.tells(0, "please help")


def test_names_are_as_customers_put_it() -> None:
    """With the small words between, not across a pause, and the shorter form only where it says more."""
    said = [["Hello. I have lost my debit card, please help"]] * 9 + [["Hello. What is on my account, please"]] * 9
    wording = Wording.read(said, np.repeat([0, 1], 9), 2)
    assert wording.terms(0) == ("lost my debit card", "help")
    assert wording.terms(1) == ("account",)
    rarely = [["my card"]] * 9 + [["a gold card"]] + [["the bill"]] * 10
    assert Wording.read(rarely, np.repeat([0, 1], 10), 2).terms(0) == ("card",)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Where is my order?", "calm"),
        ("This is RIDICULOUS", "upset"),
        ("Hello?! Anybody there", "upset"),
        ("WHERE ARE YOU NOW, I NEED THIS DONE", "upset"),
        ("My IBAN and the SWIFT", "calm"),
        ("Please, it is urgent", "worried"),
    ],
)
def test_moods_go_by_words(said: str, expected: str) -> None:
    assert mood([said]) == expected


def test_personas_are_counted_and_rare_ones_join_others() -> None:
    def one(text: str, messages: int, ending: Ending = "open") -> Conversation:
        return Conversation((Turn("customer", text), Turn("agent", "Yes.")) * messages, ending)

    manners = Manners()
    for _ in range(60):
        manners.count(one("it is broken", 2, "resolved"))
    for _ in range(39):
        manners.count(one(" ".join(["word"] * 25), 4, "left"))
    manners.count(one("useless thing", 9))
    brief, wordy = manners.settled()
    assert (brief.id, brief.conversations, wordy.id, wordy.conversations) == ("brief", 61, "wordy", 39)
    assert (
        brief.description == "You write brief messages, about 3 words. You write about 2 messages before you are done."
    )
    assert wordy.description.endswith("About 100 in 100 like you give up.")
