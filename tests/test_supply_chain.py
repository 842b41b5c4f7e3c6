"""What is installed is listed, may be used, and is the same for whoever builds it."""

import json
import os

import pytest

import supply_chain


def test_only_licences_of_the_list_are_installed() -> None:
    assert [one.name for one in supply_chain.packages() if not one.allowed] == []


def test_a_licence_that_binds_is_not_allowed() -> None:
    for licence in ("GPL-3.0-only", "MIT AND AGPL-3.0-or-later", ""):
        assert not supply_chain.Package("one", "1", (), licence).allowed
    assert supply_chain.Package("one", "1", (), "GPL-3.0-only OR (MIT AND ISC)").allowed


def test_the_page_of_licences_is_that_of_the_lock_file() -> None:
    assert supply_chain.PAGE.read_text("utf-8") == supply_chain.page(), "run `make licences`"


def test_the_bill_of_materials_names_each_package_once_with_its_hashes() -> None:
    told = json.loads(supply_chain.bill())
    assert told["bomFormat"] == "CycloneDX"
    parts = {part["bom-ref"]: part for part in told["components"]}
    locked = {f"{one.name}=={one.version}": one for one in supply_chain.packages()}
    assert parts.keys() == locked.keys()
    assert len(parts) > 40
    for name, part in parts.items():
        assert {entry["content"] for entry in part["hashes"]} == set(locked[name].hashes)
    assert supply_chain.bill() == supply_chain.bill()


def test_an_audit_that_reaches_nobody_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    nobody = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    assert supply_chain.audit(os.environ | nobody) == 0
    assert capsys.readouterr().out.startswith("not run: ")


def test_a_wheel_built_twice_has_the_same_bytes() -> None:
    assert supply_chain.wheels() == 0
