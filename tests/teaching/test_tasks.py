"""What the teacher answers, whatever characters are in it, can be kept."""

from preceptor.library.model import Strategy
from preceptor.library.store import Library
from preceptor.llm.messages import Message, Reply
from preceptor.storage.database import Database
from preceptor.teaching.tasks import PLACE_CONTEXT, WRITE_STRATEGIES


def test_a_character_that_no_database_holds_ends_no_run(db: Database) -> None:
    said = '{"missing": "", "strategies": [{"text": "Say \\u0000sorry.", "reason": "They \\u0000waited."}]}'
    (written,) = WRITE_STRATEGIES.read(Reply(Message("assistant", said))).strategies
    library = Library(db)
    library.put_strategy(Strategy("st-1", written.text, written.reason, None), "run-1")
    kept = library.strategy("st-1")
    assert (kept.text, kept.reason) == ("Say \ufffdsorry.", "They \ufffdwaited.")
    placed = PLACE_CONTEXT.read(Reply(Message("assistant", '{"scenario": 0, "description": "A \\u0000call."}')))
    assert placed.description == "A \ufffdcall."
