"""`preceptor keys`, and the gateway that will not open to others without."""

import re
from pathlib import Path

from preceptor.settings.project import Project

from .conftest import Command


def test_a_key_is_made_listed_and_revoked(project: Path, preceptor: Command) -> None:
    limits = ["--money", "2.50", "--per", "day", "--per-minute", "30", "--model", "small"]
    code, out, err = preceptor("keys", "add", "web shop", *limits, "--project", project)
    assert code == 0
    secret = out.strip()
    assert secret.startswith("sk-pre-")
    (key,) = re.findall(r"key-\w+", err)
    _, listed, _ = preceptor("keys", "list", "--project", project)
    assert key in listed
    assert "0.00 of 2.50" in listed
    assert secret not in listed
    assert preceptor("keys", "revoke", "web shop", "--project", project)[0] == 0
    assert "revoked 2" in preceptor("keys", "list", "--project", project)[1]


def test_an_amount_that_is_none_is_refused(project: Path, preceptor: Command) -> None:
    for amount in ("much", "-1", "nan"):
        code, _, err = preceptor("keys", "add", "shop", "--money", amount, "--project", project)
        assert code == 1
        assert repr(amount) in err


def test_the_gateway_does_not_open_to_others_without_keys(project: Path, preceptor: Command) -> None:
    code, _, err = preceptor("serve", "--host", "0.0.0.0", "--port", "0", "--project", project)
    assert code == 1
    assert "--unsafe-open" in err
    assert "preceptor keys add" in err
    Project.load(project).database(create=True).close()
    assert preceptor("serve", "--host", "0.0.0.0", "--port", "0", "--project", project)[0] == 1
