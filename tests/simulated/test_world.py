"""World files: what loads, what is refused and how, what the checker finds."""

from pathlib import Path

import pytest
import yaml

from preceptor.errors import NotFound, SettingsError
from preceptor.simulated.check import check, inspect
from preceptor.simulated.world import World, shipped_names

from .conftest import SMALL

TEXT = SMALL.read_text("utf-8")


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new, 1)


def test_shipped_worlds_pass_their_own_check(shipped: World) -> None:
    report = inspect(shipped)
    assert report.errors == ()
    assert not [text for text in report.warnings if "source" in text]
    counts = dict(report.counts)
    assert counts["moves"] >= 40
    assert counts["situations"] >= 50
    assert counts["situations only a poor agent meets"] >= 8


def test_two_worlds_are_shipped_and_others_are_not_found() -> None:
    assert {"airline", "broadband"} <= set(shipped_names())
    with pytest.raises(NotFound, match="airline"):
        World.shipped("moonbase")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format: preceptor-world/1", "format: preceptor-world/9", "format"),
        ("seed: 7", "seed: soon", "seed"),
        ("follow: 1.0", "follow: 1.5", "models.obedient.agent.follow"),
        ("required: [list-ingredients]", "required: [sing]", "'sing', which does not exist"),
        ("poor: {late-angry: 1.0}", "poor: {nowhere: 1.0}", "'nowhere', which is neither"),
        ("topic: allergy", "topic: weather", "topic 'weather'"),
        ("order {order}?", "order {parcel}?", "{parcel}, which placeholders does not define"),
        ("student: clumsy", "student: nobody", "model 'nobody'"),
        ('  sharp: {patience: 1, moods: ["Listen:"]}\n', "", "persona 'sharp' must be both"),
        ("    harmful: []\n", "    harmfull: []\n", "harmfull"),
        ("name: bakery", "name: [bakery", "not valid YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_file_and_field(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(changed(old, new), "utf-8")
    with pytest.raises(SettingsError) as caught:
        World.load(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no world file"):
        World.load(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="cannot be read"):
        World.load(tmp_path / "bytes.yaml")


def test_the_checker_counts_too_few_wordings(world: World) -> None:
    assert "move 'apologise': said has 2, fewer than 5" in inspect(world).errors


def test_the_checker_lists_every_broken_reference(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(changed("required: [list-ingredients]", "required: [sing, dance]"), "utf-8")
    errors = "\n".join(check(path).errors)
    assert "'sing'" in errors
    assert "'dance'" in errors


def test_the_checker_finds_situations_nobody_gets_into(tmp_path: Path) -> None:
    path = tmp_path / "lonely.yaml"
    text = changed("poor: {late-angry: 1.0}", "poor: {left: 1.0}")
    path.write_text(text, "utf-8")
    assert any("'late-angry' is never reached" in error for error in check(path).errors)


def test_the_checker_says_what_a_wording_is_taken_for(tmp_path: Path) -> None:
    path = tmp_path / "mixed.yaml"
    path.write_text(
        changed("told: [Promise a full refund.", "told: [Then list every ingredient of this cake."), "utf-8"
    )
    errors = [error for error in check(path).errors if "is nearly" in error]
    assert any("'offer-refund'" in error and "'list-ingredients'" in error for error in errors)


def test_the_checker_finds_wordings_that_ask_for_several_things(tmp_path: Path) -> None:
    path = tmp_path / "double.yaml"
    double = "told: [Spell out what the recipe contains and promise a full refund at once if they are cross"
    path.write_text(changed("told: [List every ingredient of the cake.", f"{double}."), "utf-8")
    assert not check(path).ok


def test_the_checker_finds_what_is_there_twice(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text(
        changed("My rolls should have been here an hour ago.", "I am losing patience with your bakery."), "utf-8"
    )
    assert any("there twice" in error for error in check(path).errors)


def test_small_talk_may_not_mean_anything(tmp_path: Path) -> None:
    path = tmp_path / "chatty.yaml"
    path.write_text(
        changed(
            "closers: [Enjoy your day.]", "closers: [You can expect the van between ten and eleven this very morning.]"
        ),
        "utf-8",
    )
    assert any("phrases" in error and "give-time" in error for error in check(path).errors)


def test_a_world_can_be_written_back(world: World) -> None:
    again = World.parse(yaml.safe_dump(yaml.safe_load(TEXT)), "again")
    assert again == world
