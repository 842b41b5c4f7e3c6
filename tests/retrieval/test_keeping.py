"""What was fitted is found again as it was, and what is not that is not taken for it."""

from dataclasses import replace
from pathlib import Path

import pytest

from preceptor.dialogue.conversation import Context, Turn
from preceptor.library.model import Guidance, Scenario
from preceptor.retrieval.embedding import Embedder, LexicalEmbedder, StaticEmbedder
from preceptor.retrieval.keeping import MOST, Fitted
from preceptor.retrieval.selector import fit

STATIC = StaticEmbedder()
SUBJECTS = {
    "refunds": "my refund",
    "luggage": "my lost suitcase",
    "pets": "flying with a dog",
    "seats": "a window seat",
}
FRAMES = ("I write about {}.", "Can you help me with {}?", "There is a problem with {}!")


def guidance(*subjects: str) -> Guidance:
    def talk(frame: str, subject: str) -> Context:
        first = Turn("customer", frame.format(SUBJECTS[subject]))
        return Context((first, Turn("agent", "How so?"), Turn("customer", f"It is {subject}.")))

    return Guidance(
        "desk", tuple(Scenario(s, f"About {s}.", tuple(talk(frame, s) for frame in FRAMES)) for s in subjects)
    )


GUIDANCE = guidance(*SUBJECTS)
ASKED = [(Turn("customer", text),) for text in ("Where is my refund?", "My dog!", "Good morning, nice weather.")]


@pytest.mark.parametrize("embedder", [STATIC, LexicalEmbedder()], ids=lambda one: one.id)
def test_what_was_kept_matches_as_what_was_fitted(tmp_path: Path, embedder: Embedder) -> None:
    fitted, matcher = Fitted(tmp_path / "kept"), fit(GUIDANCE, embedder)
    assert fitted.get(GUIDANCE, embedder) is None
    fitted.put(GUIDANCE, embedder, matcher)
    again = Fitted(tmp_path / "kept").get(GUIDANCE, embedder)
    assert again is not None
    assert again.match_all(ASKED) == matcher.match_all(ASKED)
    assert again.weights == matcher.weights


def test_another_librarys_or_embedders_is_none(tmp_path: Path) -> None:
    fitted = Fitted(tmp_path)
    fitted.put(GUIDANCE, STATIC, fit(GUIDANCE, STATIC))
    assert fitted.get(GUIDANCE, LexicalEmbedder()) is None
    assert fitted.get(guidance("refunds", "pets"), STATIC) is None
    assert fitted.get(replace(GUIDANCE, false_injections=0.2), STATIC) is None
    # Renamed by somebody.
    (kept,) = tmp_path.iterdir()
    fitted.put(guidance("refunds"), STATIC, fit(guidance("refunds"), STATIC))
    (other,) = set(tmp_path.iterdir()) - {kept}
    other.replace(kept)
    assert fitted.get(GUIDANCE, STATIC) is None


def test_what_is_damaged_is_none(tmp_path: Path) -> None:
    fitted = Fitted(tmp_path)
    fitted.put(GUIDANCE, STATIC, fit(GUIDANCE, STATIC))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], whole[:-9] + b"x" + whole[-8:], b"x" * 500):
        path.write_bytes(damaged)
        assert fitted.get(GUIDANCE, STATIC) is None
    path.write_bytes(whole)
    assert fitted.get(GUIDANCE, STATIC) is not None


def test_a_folder_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    fitted = Fitted(tmp_path / "file")
    fitted.put(GUIDANCE, STATIC, fit(GUIDANCE, STATIC))
    assert fitted.get(GUIDANCE, STATIC) is None


def test_few_are_kept(tmp_path: Path) -> None:
    fitted, matcher = Fitted(tmp_path), fit(GUIDANCE, STATIC)
    for number in range(MOST + 3):
        fitted.put(replace(GUIDANCE, foreign=0.1 + number / 100), STATIC, matcher)
    assert len(list(tmp_path.iterdir())) == MOST
    assert fitted.get(replace(GUIDANCE, foreign=0.1 + (MOST + 2) / 100), STATIC) is not None


def test_what_cannot_be_put_in_its_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    fitted, matcher = Fitted(tmp_path), fit(GUIDANCE, STATIC)
    fitted.put(GUIDANCE, STATIC, matcher)
    (path,) = tmp_path.iterdir()
    path.unlink()
    (path / "in the way").mkdir(parents=True)
    fitted.put(GUIDANCE, STATIC, matcher)
    assert list(tmp_path.iterdir()) == [path]
