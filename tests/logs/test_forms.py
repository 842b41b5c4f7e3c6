"""Each form of export, as its maker documents it, comes to the conversation it holds."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from preceptor.errors import SettingsError, UserError
from preceptor.logs import mapping, presidio
from preceptor.logs.readers import read
from preceptor.logs.talk import Talk

TALK = [("customer", "Where is it?"), ("agent", "On its way."), ("customer", "Thanks.")]


def only(path: Path, **more: Any) -> Talk:
    log = read(path, **more)
    [(_, talk)] = log.talks()
    assert log.skipped == []
    return talk


def said(talk: Talk) -> list[tuple[str, str]]:
    return [(turn.party, turn.text) for turn in talk.turns]


def write(path: Path, value: object) -> Path:
    path.write_bytes(value if isinstance(value, bytes) else orjson.dumps(value))
    return path


def lines(path: Path, *rows: object) -> Path:
    return write(path, b"\n".join(map(orjson.dumps, rows)))


CHAT = [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": "On its way."}]
SHAREGPT = {
    "id": 7,
    "conversations": [
        {"from": "system", "value": "Be kind."},
        {"from": "human", "value": "Where is it?"},
        {"from": "gpt", "value": "On its way."},
        {"from": "human", "value": "Thanks."},
    ],
}
TICKET = {
    "id": 35,
    "requester_id": 1,
    "requester": {"id": 1, "name": "Jane Doe"},
    "status": "solved",
    "satisfaction_rating": {"score": "good"},
    "comments": [
        {"author_id": 1, "body": "Where is it?", "public": True},
        {"author_id": 2, "body": "Look at this one.", "public": False},
        {"author_id": 2, "html_body": "<p>On its way.</p>", "public": True},
        {"author_id": 1, "plain_body": "Thanks.", "public": True},
    ],
}
CONVERSATION = {
    "type": "conversation",
    "id": "9",
    "source": {"body": "<p>Where is it?</p>", "author": {"type": "user", "name": "Jane Doe"}},
    "conversation_rating": {"rating": 5},
    "conversation_parts": {
        "type": "conversation_part.list",
        "conversation_parts": [
            {"part_type": "assignment", "body": None, "author": {"type": "bot"}},
            {"part_type": "note", "body": "<p>Hm.</p>", "author": {"type": "admin"}},
            {"part_type": "comment", "body": "<p>On its&nbsp;way.</p>", "author": {"type": "admin", "name": "Bo"}},
            {"part_type": "comment", "body": "<p>Thanks.</p>", "author": {"type": "user"}},
        ],
    },
}


@pytest.mark.parametrize("form", ["lines", "list", "one", "in an object", "on many lines"])
@pytest.mark.parametrize("row", [SHAREGPT, TICKET, CONVERSATION], ids=["sharegpt", "zendesk", "intercom"])
def test_a_row_is_a_conversation_however_rows_are_held(row: dict[str, Any], form: str, tmp_path: Path) -> None:
    held: bytes = {
        "lines": orjson.dumps(row) + b"\n",
        "list": orjson.dumps([row]),
        "one": orjson.dumps(row),
        "in an object": orjson.dumps({"count": 1, "data": [row], "next_page": None}),
        "on many lines": orjson.dumps({"tickets": [row]}, option=orjson.OPT_INDENT_2),
    }[form]
    talk = only(write(tmp_path / "a.json", held))
    assert [(who, text.replace("\xa0", " ")) for who, text in said(talk)] == TALK
    assert talk.id == str(row["id"])


def test_what_tickets_and_conversations_know_besides(tmp_path: Path) -> None:
    ticket = only(write(tmp_path / "a.json", [TICKET]))
    assert (ticket.ending, ticket.names) == ("resolved", ("Jane Doe",))
    assert ticket.tags == ("status:solved", "rating:good")
    conversation = only(write(tmp_path / "b.json", [CONVERSATION]))
    assert conversation.tags == ("rating:5",)
    assert set(conversation.names) == {"Jane Doe", "Bo"}


def test_sharegpt_calls_tools(tmp_path: Path) -> None:
    turns = [
        {"from": "human", "value": "Where?"},
        {"from": "function_call", "value": '{"name": "track", "arguments": {"order": 1}}'},
        {"from": "observation", "value": "{}"},
        {"from": "gpt", "value": "There."},
    ]
    talk = only(lines(tmp_path / "a.jsonl", {"conversations": turns}))
    assert talk.turns[1].tool_calls[0].name == "track"
    assert talk.turns[2].tool_call_id == talk.turns[1].tool_calls[0].id


def trace(n: int, sent: object, given: object, **more: object) -> dict[str, Any]:
    return {
        "id": f"t{n}",
        "sessionId": "s",
        "timestamp": f"2026-01-01T00:00:0{n}Z",
        "input": sent,
        "output": given,
        **more,
    }


WHOLE = [*CHAT, {"role": "user", "content": "Thanks."}]
BYE = {"role": "assistant", "content": "Bye."}


@pytest.mark.parametrize(
    "traces",
    [
        [trace(2, {"messages": WHOLE}, BYE), trace(1, {"messages": CHAT[:1]}, CHAT[1])],
        [trace(1, "Where is it?", "On its way."), trace(2, {"question": "Thanks."}, {"answer": "Bye."})],
        [
            trace(1, '{"messages": [{"role": "user", "content": "Where is it?"}]}', "On its way."),
            trace(2, "Thanks.", "Bye."),
        ],
    ],
    ids=["sent whole", "only the newest", "text of JSON"],
)
def test_langfuse_traces_of_a_session_are_one_conversation(traces: list[dict[str, Any]], tmp_path: Path) -> None:
    talk = only(lines(tmp_path / "a.jsonl", *traces))
    assert said(talk) == [*TALK, ("agent", "Bye.")]
    assert said(only(write(tmp_path / "a.json", {"id": "s", "traces": traces}))) == [*TALK, ("agent", "Bye.")]


def test_of_a_trace_the_outermost_step_counts(tmp_path: Path) -> None:
    inner = {"id": "o", "traceId": "t1", "type": "GENERATION", "input": "Rewrite: where", "output": "location"}
    whole = trace(1, "Where is it?", "On its way.", observations=[inner], scores=[{"name": "csat", "value": 4}])
    talk = only(write(tmp_path / "a.json", whole))
    assert said(talk) == TALK[:2]
    assert talk.tags == ("csat:4",)


def test_langsmith_runs_of_a_thread_are_one_conversation(tmp_path: Path) -> None:
    def message(kind: str, text: str) -> dict[str, Any]:
        return {"lc": 1, "type": "constructor", "id": ["langchain", "schema", kind], "kwargs": {"content": text}}

    def one(n: int, sent: list[Any], given: Any, **more: object) -> dict[str, Any]:
        at = f"2026010{n}T000000Z"
        known = {"id": f"r{n}", "trace_id": f"r{n}", "dotted_order": f"{at}r{n}", "run_type": "chain", "start_time": at}
        return known | {
            "inputs": {"messages": sent},
            "outputs": given,
            "extra": {"metadata": {"thread_id": "x"}},
            **more,
        }

    first = [message("HumanMessage", "Where is it?")]
    second = [*first, message("AIMessage", "On its way."), message("HumanMessage", "Thanks.")]
    generations = {"generations": [[{"text": "On its way.", "message": message("AIMessage", "On its way.")}]]}
    tool = one(3, [], {"output": "x"}) | {"run_type": "tool", "trace_id": "r1"}
    path = lines(tmp_path / "a.jsonl", one(1, first, generations), tool, one(2, [second], {"output": BYE}))
    talk = only(path)
    assert said(talk) == [*TALK, ("agent", "Bye.")]
    assert talk.id == "x"


def test_tables_by_their_headings_or_a_mapping(tmp_path: Path) -> None:
    usual = b"Conversation ID,role,text,created_at\na,user,Where is it?,1\na,user,Thanks.,3\na,agent,On its way.,2\n"
    assert said(only(write(tmp_path / "a.csv", usual))) == TALK
    other = (
        "nr;wer;was;stand\n1;Gast;Where is it?;\n2;Gast;Hm;\n1;Desk;On its way.;\n1;Bot 7;x;\n1;Gast;Thanks.;solved\n"
    )
    mapped = tmp_path / "map.toml"
    mapped.write_text(
        'conversation = "nr"\nspeaker = "wer"\ntext = "was"\noutcome = "stand"\n'
        'customer = ["Gast"]\nagent = ["Desk"]\nignore = ["Bot 7"]\n'
    )
    path = write(tmp_path / "b.csv", other.encode("utf-16"))
    talks = [talk for _, talk in read(path, None, mapping.load(mapped)).talks()]
    assert [said(talk) for talk in talks] == [TALK, [("customer", "Hm")]]
    assert (talks[0].ending, talks[0].tags) == ("resolved", ("outcome:solved",))
    with pytest.raises(SettingsError, match="--mapping"):
        list(read(path).talks())
    mapped.write_text('conversation = "nope"\nspeaker = "wer"\ntext = "was"\n')
    with pytest.raises(SettingsError, match="'nope'"):
        list(read(path, None, mapping.load(mapped)).talks())
    mapped.write_text('column = "x"\n')
    with pytest.raises(SettingsError, match="A mapping may say"):
        mapping.load(mapped)


class Analyzer:
    """Finds one name, as Presidio would say it."""

    def analyze(self, text: str, language: str, entities: list[str]) -> list[Any]:
        at = text.find("Zoë")
        return (
            [type("Found", (), {"start": at, "end": at + 3, "entity_type": "PERSON", "score": 0.85})] if at >= 0 else []
        )


def test_presidio_finds_what_has_no_form() -> None:
    [span] = presidio.finder(Analyzer())("ask Zoë about it")
    assert (span.start, span.end, span.kind) == (4, 7, "name")


def test_presidio_downloads_nothing() -> None:
    with pytest.raises(UserError, match=r"spaCy has no model 'nowhere'|Presidio is not installed"):
        presidio.finder(model="nowhere")
