"""What is not ours is what its publisher released."""

import hashlib
import tomllib

from preceptor.web.statics import FOLDER


def test_each_vendored_file_is_noted_and_unchanged() -> None:
    folder = FOLDER / "vendor"
    noted = tomllib.loads((folder / "vendored.toml").read_text("utf-8"))["vendored"]
    assert {one["file"]: one["sha256"] for one in noted} == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.js")
    }
    for one in noted:
        assert one["version"] in one["file"]
        assert (folder / one["file"].replace(".min.js", ".LICENSE")).is_file()
