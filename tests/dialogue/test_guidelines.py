"""Guidelines read as statements, and drafts made of them."""

from pathlib import Path

import orjson
import pytest

from preceptor.dialogue.drafting import PART, draft, draft_with, parts
from preceptor.dialogue.guidelines import LARGEST, MOST, read
from preceptor.errors import NotFound
from preceptor.llm.messages import Request
from preceptor.llm.scripted import ScriptedModel

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
POLICY = """# Garden Centre Policy

As a garden adviser, you help customers choose plants and return them.

## Returns
Customers may return plants that
died within a year.

- Ask for the receipt.
- Never say "that is your fault".
- Refunds are:
  - cash up to 20 euros
  - a voucher above that

Opening hours
-------------
1. We open at **nine**.
2. We close at `six`.

If nothing helps, transfer to a human and say 'A colleague will take over now.' to the customer.
"""


def written(tmp_path: Path, name: str, text: str | bytes) -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_markdown_has_paragraphs_items_and_headings(tmp_path: Path) -> None:
    found = read(written(tmp_path, "policy.md", POLICY))
    assert found.faults == ()
    assert [(one.text, one.headings[-1], one.place) for one in found.statements] == [
        ("As a garden adviser, you help customers choose plants and return them.", "Garden Centre Policy", "3"),
        ("Customers may return plants that died within a year.", "Returns", "6"),
        ("Ask for the receipt.", "Returns", "9"),
        ('Never say "that is your fault".', "Returns", "10"),
        ("Refunds are: cash up to 20 euros; a voucher above that.", "Returns", "11"),
        ("We open at nine.", "Opening hours", "17"),
        ("We close at six.", "Opening hours", "18"),
        (
            "If nothing helps, transfer to a human and say 'A colleague will take over now.' to the customer.",
            "Opening hours",
            "20",
        ),
    ]
    assert found.statements[2].source == "policy.md:9 (Garden Centre Policy > Returns)"


def test_a_list_belongs_to_the_line_with_a_colon_above_it(tmp_path: Path) -> None:
    text = "Each customer has:\n\n- a name\n- an address\n\nNo more is known.\n\n* Fees\n    * ten for letters\n* Waits"
    found = read(written(tmp_path, "a.txt", text)).statements
    assert [one.text for one in found] == [
        "Each customer has: a name; an address.",
        "No more is known.",
        "Fees: ten for letters.",
        "Waits",
    ]


def test_json_has_prose_with_lists_and_titles(tmp_path: Path) -> None:
    flow = {
        "Give Back": {"steps": [{"kind": "ask", "text": "Ask what is wrong with it:", "more": ["colour", "size"]}]},
        "Pay": {"steps": [{"kind": "tell", "text": "Say when the money comes.", "more": []}], "id": 7},
    }
    found = read(written(tmp_path, "flows.json", orjson.dumps(flow))).statements
    assert [(one.text, one.headings, one.place) for one in found] == [
        ("Ask what is wrong with it: colour; size.", ("Give Back",), "Give Back/steps/0/text"),
        ("Say when the money comes.", ("Pay",), "Pay/steps/0/text"),
    ]


def test_bad_files_are_told_in_a_sentence_and_the_others_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    written(folder, "good.md", "Be kind to customers.")
    written(folder, "sub/also.txt", "Be quick, too.")
    written(folder, "latin.txt", b"caf\xe9")
    written(folder, "broken.json", '{"a": ')
    written(folder, "deep.json", "[" * 5000 + "]" * 5000)
    written(folder, "deeper.json", "[" * 1000 + '"Deeper than Python goes."' + "]" * 1000)
    written(folder, "empty.md", "")
    written(folder, "table.json", orjson.dumps([f"This is row number {n}." for n in range(MOST + 1)]))
    written(folder, "huge.txt", b"x" * (LARGEST + 1))
    written(folder, "picture.png", b"\x89PNG")
    written(folder, ".hidden.md", "Not meant to be read.")
    found = read(folder)
    assert [one.text for one in found.statements] == ["Be kind to customers.", "Be quick, too."]
    assert {fault.split(":")[0] for fault in found.faults} == {
        *("latin.txt", "broken.json", "deep.json", "deeper.json", "empty.md", "table.json", "huge.txt"),
    }
    assert all(fault.endswith(".") for fault in found.faults)
    with pytest.raises(NotFound):
        read(tmp_path / "none")


def test_a_draft_by_headings_and_lists(tmp_path: Path) -> None:
    made = draft(read(written(tmp_path, "policy.md", POLICY)).statements, "desk")
    assert (made.name, made.role) == ("Garden Centre", "You are a garden adviser.")
    assert made.goal == "You help customers choose plants and return them."
    assert made.policy.startswith("- As a garden adviser, you help")
    assert "\nReturns:\n- Customers may return plants" in made.policy
    assert [(topic.id, source) for topic, source in made.topics][:1] == [
        ("returns", "policy.md:6 (Garden Centre Policy > Returns)")
    ]
    [(rule, source)] = made.rules
    assert (rule.never_say, source) == ("that is your fault", "policy.md:10 (Garden Centre Policy > Returns)")
    assert made.escalation is not None
    assert made.escalation[0].agent_says == r"A colleague will take over now\."


@pytest.mark.anyio
async def test_a_model_drafts_part_by_part_and_what_has_no_source_stays_out(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        asked = request.messages[1].content
        if "second part" in asked:
            return "I would rather not."
        assert "1. Ask &lt;/guidelines&gt; for the receipt." in asked
        return orjson.dumps(
            {
                "statements": [
                    {"text": "Ask for the\nreceipt first.", "from": [1]},
                    {"text": "Give everybody a discount.", "from": [99]},
                ],
                "topics": [{"name": "Returning plants", "description": "You bring a plant back.", "from": [2]}],
                "rules": [
                    {"description": "No blame.", "never_say": "your (own) fault", "from": [1, 2]},
                    {"description": "Neither.", "from": [1]},
                ],
                "role": "You are a gardener.",
            }
        ).decode()

    written(tmp_path, "a.md", "Ask </guidelines> for the receipt.\n\nTake back plants that died.")
    written(tmp_path, "b.md", "## Hours\nThis is the second part, for customers.")
    model = ScriptedModel("teacher", answer)
    made = await draft_with(model, read(tmp_path).statements, "desk")
    assert [(line.text, line.sources) for line in made.lines] == [
        ("Ask for the receipt first.", ("a.md:1",)),
        ("This is the second part, for customers.", ("b.md:2 (Hours)",)),
    ]
    assert made.topics[0][0].description == "You bring a plant back."
    assert made.topics[0][1] == "a.md:3"
    assert [rule.never_say for rule, _ in made.rules] == [r"your \(own\) fault"]
    assert made.role == "You are a gardener."
    assert [note.split(":")[0] for note in made.notes] == ["a.md", "b.md"]
    assert "2 of the teacher's had no source or no form" in made.notes[0]
    assert "drafted without the teacher" in made.notes[1]


@pytest.mark.anyio
async def test_what_a_model_leaves_blank_is_asked_for_again(tmp_path: Path) -> None:
    def part(name: str) -> str:
        topic = {"name": name, "description": name, "from": [1]}
        return orjson.dumps({"statements": [{"text": "Ask.", "from": [1]}], "topics": [topic]}).decode()

    written(tmp_path, "a.md", "Ask for the receipt.")
    model = ScriptedModel("teacher", [part(" "), part("Returning plants")])
    made = await draft_with(model, read(tmp_path).statements, "desk")
    assert [topic.id for topic, _ in made.topics] == ["returning-plants"]


def test_parts_are_bounded_and_of_one_file(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        written(tmp_path, name, "\n\n".join(f"Rule {n}: {'x' * 500} ends." for n in range(40)))
    statements = read(tmp_path).statements
    pieces = list(parts(statements))
    assert [one for piece in pieces for one in piece] == list(statements)
    assert all(sum(len(one.text) for one in piece) <= PART for piece in pieces)
    assert all(len({one.file for one in piece}) == 1 for piece in pieces)


@pytest.mark.parametrize(
    ("path", "least", "topics"),
    [
        ("tau2/airline/policy.md", 40, {"book-flight", "cancel-flight", "refunds-and-compensation"}),
        ("tau2/retail/policy.md", 40, {"return-delivered-order", "exchange-delivered-order"}),
        ("tau2/telecom/main_policy.md", 30, {"overdue-bill-payment", "data-roaming"}),
        ("abcd/guidelines.json", 350, {"initiate-refund", "recover-password", "promo-code-invalid"}),
    ],
)
def test_public_guidelines_are_drafted(path: str, least: int, topics: set[str]) -> None:
    if not (DATA / path).exists():
        pytest.skip(f"needs {path}, which is not beside the project")
    found = read(DATA / path)
    made = draft(found.statements, "desk")
    assert found.faults == ()
    assert len(made.lines) >= least
    assert topics <= {topic.id for topic, _ in made.topics}
    # Nothing of the words is lost.
    said = set((DATA / path).read_text("utf-8").replace("\\n", " ").split())
    kept = set(made.policy.split())
    assert len({word for word in kept & said if word.isalpha()}) > 0.9 * len({w for w in kept if w.isalpha()})
