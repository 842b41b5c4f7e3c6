"""What preceptor is made of, and whether it can be vouched for: `sbom`, `licences`, `audit` and `wheel`.

Everything is read from the lock file and from the metadata of what is installed; only `audit` asks the network.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalContact
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from license_expression import ExpressionError, get_spdx_licensing
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
PAGE = ROOT / "docs" / "licences.md"
SBOM = ROOT / "dist" / "sbom.cdx.json"
EPOCH = "1735689600"
"""Time stamp of everything in a wheel (2025-01-01): a wheel depends on its sources, and not on the day it was built."""

ALLOWED = frozenset(
    "0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause CC0-1.0 ISC MIT MIT-0 MPL-2.0 PSF-2.0 Zlib".split()  # noqa: SIM905
)
"""Licences that leave the work of whoever uses preceptor theirs. MPL-2.0 binds changes to its own files only."""
_BY_CLASSIFIER = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_BY_TEXT = (("MIT License", "MIT"), ("ISC License", "ISC"))
"""Beginnings of what older packages have in their `License` field."""
_ELSEWHERE = {"colorama": "BSD-3-Clause", "httpx2-jsfetch": "BSD-3-Clause"}
"""Locked for other platforms, so not installed where this was looked up; read from their releases by a person."""
_PINNED = re.compile(r"^([\w.-]+)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_OUT_OF_REACH = re.compile(r"ConnectionError|ProxyError|Timeout|Could not connect|not redirecting properly")
_LICENSING = get_spdx_licensing()


@dataclass(frozen=True)
class Package:
    """One line of the lock file with what its metadata says."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """SHA-256 of each archive that may be installed."""
    licence: str
    """An SPDX expression, or the empty text where nobody says."""

    @property
    def allowed(self) -> bool:
        """Whether it may be used under licences of the list: of alternatives, one is enough."""
        return bool(self.licence) and _holds(_LICENSING.parse(self.licence, validate=True))


def _holds(expression: object) -> bool:
    """Whether an expression can be met with allowed licences."""
    args = getattr(expression, "args", ())
    if not args:
        return str(expression) in ALLOWED
    some = any if type(expression).__name__ == "OR" else all
    return some(_holds(arg) for arg in args)


def packages(lock: Path = LOCK) -> Iterator[Package]:
    """Everything a lock file installs, in its order."""
    for entry in re.split(r"\n(?=\S)", lock.read_text("utf-8")):
        if found := _PINNED.match(entry):
            name = found[1].lower()
            yield Package(name, found[2], tuple(_HASH.findall(entry)), _ELSEWHERE.get(name) or licence(name))


def licence(name: str) -> str:
    """The licence an installed package states, as an SPDX expression."""
    try:
        about = metadata(name)
    except PackageNotFoundError:
        return ""
    return _stated(about) or _classified(about)


def _stated(about: PackageMetadata) -> str:
    for field in ("License-Expression", "License"):
        text = str(about[field]).strip() if field in about else ""
        if text and _spdx(text):
            return str(_LICENSING.parse(text))
        for beginning, known in _BY_TEXT:
            if text.startswith(beginning):
                return known
    return ""


def _classified(about: PackageMetadata) -> str:
    classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or () if "License ::" in line]
    return " AND ".join(dict.fromkeys(_BY_CLASSIFIER[one] for one in classifiers if one in _BY_CLASSIFIER))


def _spdx(text: str) -> bool:
    if len(text) > 100:
        return False
    try:
        _LICENSING.parse(text, validate=True)
    except ExpressionError:
        return False
    return True


def page() -> str:
    """docs/licences.md."""
    lines = [
        "# Licences",
        "",
        "<!-- written by `make licences`; a test holds it against the lock file -->",
        "",
        "preceptor is under Apache-2.0. What `requirements.lock` installs beside it, by what each package states:",
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *(f"| {one.name} | {one.version} | {one.licence or 'not stated'} |" for one in packages()),
        "",
        f"Allowed, by a test: {', '.join(sorted(ALLOWED))}. Of alternatives (OR), one is enough.",
        "",
        "In the wheel itself: htmx and its SSE extension (0BSD; `src/preceptor/web/static/vendor/vendored.toml`).",
        "",
        "Not in the lock, because they are extras you ask for: `postgres` brings psycopg (LGPL-3.0-only, used as a",
        "library, not changed), `queue` the same with procrastinate, croniter (MIT) and asgiref (BSD-3-Clause),",
        "`otel` OpenTelemetry (Apache-2.0), `onnx` onnxruntime (MIT), `local` llama-cpp-python",
        "(MIT) and SmolLM2 (Apache-2.0).",
    ]
    return "\n".join(lines) + "\n"


def bill() -> str:
    """A CycloneDX 1.6 bill of materials, the same bytes for the same lock file."""
    lock = LOCK.read_bytes()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, hashlib.sha256(lock).hexdigest()))
    root = _component(Package(project["name"], project["version"], (), project["license"]), ComponentType.APPLICATION)
    root.authors = [OrganizationalContact(name=one["name"]) for one in project["authors"]]
    bom.metadata.component = root
    parts = {one.name + one.version: _component(one) for one in packages()}
    for part in parts.values():
        bom.components.add(part)
    bom.register_dependency(root, parts.values())
    # The moment it was made is in no other file either: two people can compare theirs.
    body = json.loads(JsonV1Dot6(bom).output_as_string())
    del body["metadata"]["timestamp"]
    return json.dumps(body, indent=1, sort_keys=True) + "\n"


def _component(one: Package, kind: ComponentType = ComponentType.LIBRARY) -> Component:
    simple = one.licence in ALLOWED
    licences = [DisjunctiveLicense(id=one.licence) if simple else LicenseExpression(one.licence)] if one.licence else []
    return Component(
        type=kind,
        name=one.name,
        version=one.version,
        bom_ref=f"{one.name}=={one.version}",
        purl=PackageURL("pypi", name=one.name, version=one.version),
        # A lock names each archive that may be installed; one of them will be.
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=one) for one in one.hashes],
        licenses=licences,
    )


def audit(environment: Mapping[str, str] | None = None) -> int:
    """Ask PyPI's advisories about what is locked; 1 when one applies, 0 else, also where it cannot be asked."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--require-hashes", "--disable-pip", "-f", "json"]
    done = subprocess.run(
        [*command, "--progress-spinner", "off", "--timeout", "15"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    try:
        asked = json.loads(done.stdout)["dependencies"]
    except (json.JSONDecodeError, KeyError):
        told = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), "pip-audit said nothing.")
        out_of_reach = _OUT_OF_REACH.search(done.stderr) is not None
        print(f"not run: {told[:160]}" if out_of_reach else f"pip-audit failed: {told[:160]}")
        return int(not out_of_reach)
    known = [one for one in asked if "vulns" in one]
    if not known:
        print("not run: the index that answered knows no advisories for any of the packages.")
        return 0
    for one in known:
        for fault in one["vulns"]:
            print(f"{one['name']} {one['version']}: {fault['id']}; mended in {', '.join(fault['fix_versions']) or '-'}")
    found = sum(len(one["vulns"]) for one in known)
    print(f"{len(known)} packages asked about, {len(asked) - len(known)} not known there, {found} advisories.")
    return int(found > 0)


def wheels() -> int:
    """Build the wheel twice, from scratch; 0 when both have the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_wheel(Path(folder) / name) for name in ("first", "second"))
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
        if hashes[0] == hashes[1]:
            kept = ROOT / "dist" / first.name
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(first.read_bytes())
    print(f"{hashes[0]}  dist/{first.name}" if hashes[0] == hashes[1] else f"built twice, differing: {hashes}")
    return int(hashes[0] != hashes[1])


def _wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH}, capture_output=True, check=True)
    return next(folder.glob("*.whl"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("sbom", "licences", "audit", "wheel"))
    match parser.parse_args().what:
        case "sbom":
            SBOM.parent.mkdir(exist_ok=True)
            SBOM.write_text(bill(), "utf-8")
            print(SBOM.relative_to(ROOT))
        case "licences":
            PAGE.write_text(page(), "utf-8")
            wrong = [one.name for one in packages() if not one.allowed]
            print(f"{PAGE.relative_to(ROOT)}; not allowed: {', '.join(wrong) or 'none'}")
            return int(bool(wrong))
        case "audit":
            return audit()
        case "wheel":
            return wheels()
    return 0


if __name__ == "__main__":
    sys.exit(main())
