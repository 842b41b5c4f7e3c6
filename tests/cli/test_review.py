"""`preceptor review` and `preceptor accounts`."""

import io
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from preceptor.settings.project import Project
from preceptor.web.accounts import Accounts

from .conftest import Command

PROGRAM = "import sys; from preceptor.cli.main import run; sys.exit(run(sys.argv[1:]))"


@pytest.mark.parametrize("command", [["review", "--as", "ann"], ["serve", "--set", "serving.review=true"]])
def test_the_review_can_be_opened_alone_and_beside_the_gateway(taught: Path, command: list[str]) -> None:
    started = [sys.executable, "-c", PROGRAM, *command, "--project", str(taught), "--port", "0"]
    with subprocess.Popen(started, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        found = re.search(r"http://\S+?/(review)?(?= |\.$)", serving.stdout.readline().strip())
        assert found
        transport = httpx2.HTTPTransport(retries=8)
        with httpx2.Client(transport=transport, timeout=60, follow_redirects=True) as client:
            page = client.get(found[0])
            assert page.url.path.endswith("/queue")
            assert "Simulated" in page.text
            style = re.search(r'href="(\S+app\.css\S+)"', page.text)
            assert style
            assert client.get(httpx2.URL(found[0]).join(style[1])).status_code == 200
            if command[0] == "serve":
                assert client.get(f"{found[0].removesuffix('/review')}/healthz").json() == {"alive": True}
        serving.send_signal(signal.SIGINT)
        assert serving.wait(180) == 0


def test_it_opens_to_others_only_when_it_can_tell_who_they_are(taught: Path, preceptor: Command) -> None:
    here = ["--project", str(taught), "--port", "0"]
    code, _, err = preceptor("review", "--host", "0.0.0.0", *here)
    assert code == 1
    assert "preceptor accounts add" in err
    assert "only on this machine" in preceptor("review", "--host", "0.0.0.0", "--as", "ann", *here)[2]
    header = ["--set", "review.proxy_header=x-user"]
    assert "review.proxies" in preceptor("review", *header, *here)[2]
    assert "'nowhere'" in preceptor("review", *header, "--set", 'review.proxies=["nowhere"]', *here)[2]
    with Project.load(taught).database() as db:
        Accounts(db).add("ann", "admin", None)
    assert "review.hosts" in preceptor("review", "--host", "0.0.0.0", *here)[2]


def test_accounts_are_made_listed_changed_and_removed(
    project: Path, preceptor: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ["--project", str(project)]
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert "12 characters" in preceptor("accounts", "add", "ann", *here)[2]
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    code, out, _ = preceptor("accounts", "add", "ann", "--role", "approver", *here)
    assert (code, out) == (0, "ann may sign in as approver.\n")
    assert preceptor("accounts", "add", "bob", "--no-password", *here)[0] == 0
    assert preceptor("accounts", "role", "bob", "editor", *here)[0] == 0
    listed = preceptor("accounts", "list", *here)[1]
    assert re.search(r"ann +approver +password", listed)
    assert re.search(r"bob +editor +proxy", listed)
    assert preceptor("accounts", "remove", "bob", *here)[0] == 0
    assert "'bob'" in preceptor("accounts", "remove", "bob", *here)[2]
