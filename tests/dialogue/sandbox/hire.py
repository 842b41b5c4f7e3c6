"""Tool functions over a hire shop's tables, for the tests of sandboxes."""

import sys
from typing import Annotated, Any

from pydantic import AfterValidator

from preceptor import Tables, ToolFailed, Visit


def look_up(db: Tables, number: str) -> Any:
    """A hire.

    Args:
        number: Of the hire.
    """
    if number not in db["hires"]:
        raise ToolFailed("no such hire")
    return db["hires"][number]


def extend(db: Tables, number: str, days: int) -> Any:
    """Let a customer keep something longer."""
    hire = db["hires"].edit(number)
    hire["days"] += days
    if hire["days"] > 14:
        raise ToolFailed("not longer than 14 days")
    db["customers"].edit(hire["customer"])["owes"] += 5.0 * days
    return hire


def end(db: Tables, number: str) -> str:
    db["hires"].remove(number)
    return "ended"


def hire(db: Tables, customer: str, thing: str) -> str:
    number = f"h{len(db['hires']) + 1}"
    db["hires"].add(number, {"customer": customer, "thing": thing, "days": 1})
    return number


def scribble(db: Tables) -> None:
    db["hires"]["h1"]["days"] = 99


def blot(db: Tables, how: Annotated[str, AfterValidator({"told": "told", "exit": "exit"}.__getitem__)]) -> Any:
    """Changes something and then fails in an odd way."""
    db["hires"].remove("h1")
    if how == "exit":
        sys.exit(3)
    nest: list[Any] = []
    nest.append(nest)
    return nest


def lucky(db: Tables, visit: Visit) -> int:
    return visit.seed % 7


def _helper(db: Tables) -> None: ...
