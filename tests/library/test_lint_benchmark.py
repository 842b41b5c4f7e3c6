"""`make bench-lint`, whole: what was injected is flagged, what good teachers write is not."""

import json

import pytest

import bench_lint


def test_injections_are_flagged_and_instructions_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    bench_lint.main([])
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["ok"]
    assert told["figures"]["instructions"] > 300
