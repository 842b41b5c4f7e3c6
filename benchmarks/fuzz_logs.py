"""Everything that reads logs, under Atheris, guided by coverage: no crash, no hang, no half import.

Readers of every form, mapping files, rated files, redaction, and importing into a database: what was told to be added
is there and comes back as it was read, what was not is told in the side file, importing again adds nothing, and
removing leaves nothing. `--minutes` for all together; see `fuzzing` for the rest.
"""

import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import orjson

import fuzzing
from fuzzing import Half, Target, promptly

with fuzzing.watched():
    from preceptor.dialogue.conversation import Context, Conversation, Turn
    from preceptor.errors import UserError
    from preceptor.library.private import spans
    from preceptor.library.redaction import Redaction
    from preceptor.logs import mapping, rated
    from preceptor.logs.importing import Redactor, bring
    from preceptor.logs.readers import FORMS, read
    from preceptor.logs.store import Store, stored
    from preceptor.storage.database import Database

NAMES = ("a.jsonl", "a.json", "a.csv", "a.tsv", "a")
CUT = b"\n%%\n"
"""Between two files of one input."""


def readers(data: bytes, folder: Path) -> None:
    """The first byte says what the file is called and as what it is read."""
    path, form = _file(data, folder)
    with suppress(UserError):
        for line, talk in read(path, form).talks():
            stored(Redactor().talk(talk), line)


def mapped(data: bytes, folder: Path) -> None:
    """A mapping file, and a table read with it."""
    kind, content = data[:1] or b"\0", data[1:]
    said, _, table = content.partition(CUT)
    columns = folder / ("m.toml" if kind[0] & 1 else "m.yaml")
    columns.write_bytes(said)
    path = folder / ("t.csv", "t.jsonl", "t.tsv")[kind[0] // 2 % 3]
    path.write_bytes(table)
    with suppress(UserError):
        for line, talk in read(path, None, mapping.load(columns)).talks():
            stored(Redactor().talk(talk), line)


def ratings(data: bytes, folder: Path) -> None:
    path = folder / "rated.jsonl"
    path.write_bytes(data)
    with suppress(UserError):
        rated.read(path)


def redaction(data: bytes, folder: Path) -> None:
    """Lines are turns, one from each party in its turn; and every finder with the text many times over."""
    text = data.decode("utf-8", "replace")
    parties = ("customer", "agent", "tool")
    turns = tuple(Turn(parties[n % 3], line) for n, line in enumerate(text.split("\n")))  # type: ignore[arg-type]
    for figured in (False, True):
        found = Redaction.of([Context(turns)], figured=figured)
        for turn in turns:
            found.json(turn.text)
            found.text(turn.text)
    promptly(spans, text[:200])


@cache
def _database(folder: Path) -> Database:
    return Database.open(folder / "fuzzed.db")


def imported(data: bytes, folder: Path) -> None:
    """Into a database, twice, and out again."""
    path, form = _file(data, folder)
    rejects = folder / "rejected.jsonl"
    store, name = Store(_database(folder)), "fuzzed"
    try:
        first = bring(read(path, form), store, name, redactor=Redactor(), rejects=rejects, elsewhere=True)
    except UserError:
        if name in {source.name for source in store.sources()}:
            store.remove(name)
        return
    told = len(rejects.read_bytes().splitlines()) if rejects.exists() else 0
    if told != first.rejected:
        raise Half(f"{first.rejected} rows rejected, {told} told")
    there = _entries(store, name)
    if len(there) != first.added or sum(len(one.turns) for one in there) != first.source.turns:
        raise Half(f"{first.added} conversations added, {len(there)} there")
    expected = {_said(Redactor().talk(talk).turns) for _, talk in read(path, form).talks() if _storable(talk.turns)}
    if {_said(one.turns) for one in there} != expected:
        raise Half("what is there is not what was read")
    again = bring(read(path, form), store, name, redactor=Redactor(), rejects=rejects, elsewhere=True)
    if again.added or again.source.conversations != first.source.conversations:
        raise Half(f"importing again added {again.added}")
    if there:
        store.remove(name)
    if any(_entries(store, name)):
        raise Half("removing left something")


def _entries(store: Store, name: str) -> list[Conversation]:
    return list(store.conversations(name)) if name in {source.name for source in store.sources()} else []


def _storable(turns: tuple[Turn, ...]) -> bool:
    try:
        orjson.dumps([[turn.text, *(call.arguments for call in turn.tool_calls)] for turn in turns])
    except TypeError:
        return False
    return True


def _said(turns: tuple[Turn, ...]) -> str:
    return "\0".join(f"{turn.party}\0{turn.text}\0{turn.tool_calls}\0{turn.tool_call_id}" for turn in turns)


def _file(data: bytes, folder: Path) -> tuple[Path, str | None]:
    kind, content = data[:1] or b"\0", data[1:]
    path = folder / NAMES[kind[0] % len(NAMES)]
    path.write_bytes(content)
    return path, (None, *FORMS)[kind[0] // len(NAMES) % (len(FORMS) + 1)]


# What to begin with: a small file of each form.

_TALK = [{"role": "user", "content": "Hi, I am Ada Moore."}, {"role": "assistant", "content": "Your order #A-12345?"}]
_CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"email": "ada@example.com"}'}}
_CALLED = [
    *({"role": "assistant", "content": None, "tool_calls": [_CALL]},),
    *({"role": "tool", "tool_call_id": "c1", "content": '{"phone": "+44 20 7946 0958"}'},),
]
_ROWS: tuple[object, ...] = (
    {"messages": [*_TALK, *_CALLED], "id": "x", "outcome": "done", "reward": 1.0, "tags": ["a"]},
    {"conversations": [{"from": "human", "value": "Hello"}, {"from": "gpt", "value": "Yes?"}], "id": "s"},
    {"conversations": [{"from": "human", "value": "x"}, {"from": "function_call", "value": '{"name": "f"}'}]},
    {"traceId": "t", "id": "o", "type": "GENERATION", "input": _TALK[:1], "output": _TALK[1], "sessionId": "q"},
    {"id": "t", "observations": [{"id": "o", "type": "GENERATION", "input": _TALK[:1], "output": "Yes."}]},
    {"id": "r", "run_type": "llm", "dotted_order": "1.2", "trace_id": "t", "inputs": {"messages": _TALK[:1]}}
    | {"outputs": {"content": "Yes."}, "extra": {"metadata": {"thread_id": "q"}}},
    {"id": 3, "requester_id": 7, "status": "solved", "satisfaction_rating": {"score": "good"}}
    | {"comments": [{"author_id": 7, "body": "It is broken.", "public": True}, {"author_id": 8, "body": "Oh."}]},
    {"id": "5", "source": {"author": {"type": "user", "name": "Ada"}, "body": "<p>Hi</p>"}}
    | {
        "conversation_parts": {
            "conversation_parts": [{"author": {"type": "admin"}, "body": "Yes", "part_type": "comment"}]
        }
    },
    {"turns": [{"sender": "customer", "utterances": ["Hi"]}, {"sender": "helpdesk", "utterances": ["Yes?"]}], "id": 1},
    {"traj": [*_TALK, *_CALLED], "task_id": 4, "reward": 0.0, "trial": 1},
    {
        "DialogueID": 1,
        "Events": [{"Agent": "User", "Action": "utter", "Text": "Hi"}, {"Agent": "Wizard", "Text": "Yes"}],
    },
    {"conversation_id": "c", "role": "user", "text": "Hi", "created_at": "2026-01-02T03:04:05Z"},
)
_CSV = b'conversation_id,role,text,created_at\nc,user,"Hi, I am Ada",2026-01-02\nc,agent,Yes?,2026-01-03\n'
_FILES = (
    *((0, orjson.dumps(row)) for row in _ROWS),
    *((1, orjson.dumps([row])) for row in _ROWS),
    *((1, orjson.dumps({name: _ROWS[1:3]})) for name in ("data", "tickets", "runs")),
    *((2, _CSV), (3, _CSV.replace(b",", b"\t")), (4, _CSV), (2, _CSV.decode().encode("utf-16")), (2, b"PK\x03\x04")),
)
SEEDS = [bytes([kind + len(NAMES) * form]) + content for kind, content in _FILES for form in range(len(FORMS) + 1)]
_TOML = (
    b'conversation = "k"\nspeaker = "who"\ntext = "said"\ntime = "at"\ncustomer = ["C"]\nagent = ["A"]\nnames = ["n"]\n'
)
_YAML = b"conversation: k\nspeaker: who\ntext: said\nresolved: [yes]\noutcome: o\nrating: 2026-01-02\ndelimiter: ';'\n"
_TABLE = b"k,who,said,at,n\n1,C,Hello,1,Ada\n1,A,Hi,2,\n"
_RATED: tuple[object, ...] = (
    {"messages": _TALK, "ratings": {"satisfaction": [4, 5], "goal_reached": True}, "scale": [0, 10]},
    {"turns": _ROWS[8]["turns"], "quality": {"S": [1, 2], "A": [0, 1]}},  # type: ignore[index]
    {"turns": [], "annotations": [{"quality": {"S": 1, "A": 2}}]},
    {"Events": [], "user_questionnaire": [{"Question": "Done?", "Answer": True}]},
)
_SAID = (
    b"I am Ada Moore, ada@example.com, +44 20 7946 0958.\nYour card 4111 1111 1111 1111?\n"
    b'{"iban": "DE89370400440532013000"}',
    b"My password is hunter2!x and I was born on 3 May 1980.\nWhat is your address?\nHauptstr. 12, 10115 Berlin",
    b"http://example.com/?token=abc 10.1.2.3 2001:db8::1\nBooking reference?\nAB12CD\npassport number X1234567",
)
TARGETS = (
    Target("readers", readers, SEEDS),
    Target(
        "mapping", mapped, [b"\1" + _TOML + CUT + _TABLE, b"\0" + _YAML + CUT + _TABLE, b"\2" + _YAML + CUT + b"{}"]
    ),
    Target("rated", ratings, [orjson.dumps(row) for row in _RATED] + [orjson.dumps([row]) for row in _RATED]),
    Target("redaction", redaction, _SAID),
    Target("import", imported, SEEDS),
)

if __name__ == "__main__":
    sys.exit(fuzzing.main(__doc__, TARGETS, "fuzz-logs"))
