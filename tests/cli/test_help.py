"""Help is read by those who do not know the command yet."""

import pytest

from .conftest import Command

GROUPS = ("", "logs", "tools", "library", "audit", "runs", "cases", "accounts", "keys", "world", "judge", "experiment")


@pytest.mark.parametrize("group", GROUPS)
def test_lists_of_commands_tell_each_in_full(group: str, preceptor: Command) -> None:
    code, out, _ = preceptor(*group.split(), "--help")
    assert code == 0
    listed = out.partition("Commands:")[2]
    assert listed
    assert "..." not in listed
