"""The leak check: a strategy may carry neither a customer's data, nor the teacher's reply, nor anybody's orders.

Copied text overfits to one conversation, and a customer's number in a prompt is read by every later customer's model.
An instruction that stands in a conversation word for word is not the teacher's: somebody there wants it followed.
"""

import re
from collections.abc import Iterator, Sequence

from preceptor.dialogue.conversation import Context
from preceptor.library.gist import gist, relation

RUN = 8
"""Words in a row that count as copied: shorter runs are the common coin of a trade ("is there anything else I can")."""

SENTENCE = 4
"""Words of a sentence that nobody says by chance as the teacher writes it; shorter ones are anybody's."""

STEMS = 3
"""Stems of content words from which sentences that are much alike are so by no chance."""

OWN = frozenset("i me my mine myself i'm i've i'd i'll".split())  # noqa: SIM905
"""Who speaks of themselves asks for something; who speaks for everybody does not."""
WE = frozenset("we our we're we've we'd we'll".split())  # noqa: SIM905
"""The same as the first word."""

Sentence = tuple[str, ...]
"""Its words, in lower case."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_ENDS = re.compile(r"[.!?:;\n\"“”]+")
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
NUMBER = re.compile(r"\d(?:[\s().-]?\d){2,}")
CODE = re.compile(r"\b(?=[a-z]*\d)(?=\d*[a-z])[a-z\d]{4,}\b", re.IGNORECASE)
_INTRODUCED = re.compile(
    r"(?:\b[Mm]y name is|\b[Ii] am|\b[Ii]['’]m|\b[Tt]his is|\b[Cc]all me|\bMr\.?|\bMrs\.?|\bMs\.?|\bDr\.?|\b[Nn]ame:|"
    r"\b(?:Hi|Hello|Dear|Thanks|Thank you|Sorry),?)\s+((?:[A-Z][^\W\d_]+[ -]?){1,3})"
)


def leaks(text: str, teacher_reply: str, contexts: Sequence[Context]) -> str | None:
    """Why a strategy's text must not be kept; None when nothing was found."""
    if copied := _copied(text, teacher_reply):
        return f"It copies the teacher's reply: {copied!r}."
    if found := _data(text, contexts):
        return f"It carries a customer's data: {found!r}."
    if said := _said(text, contexts):
        return f"It repeats what was said in a conversation: {said!r}."
    return None


def _copied(text: str, source: str) -> str | None:
    """The first run of at least `RUN` words that both have."""
    words, theirs = _words(text), _words(source)
    runs = {tuple(theirs[n : n + RUN]) for n in range(len(theirs) - RUN + 1)}
    for start in range(len(words) - RUN + 1):
        if tuple(words[start : start + RUN]) in runs:
            return " ".join(words[start : start + RUN])
    return None


def _said(text: str, contexts: Sequence[Context]) -> str | None:
    """The first sentence that also stands, whole, in what anybody said, or nearly so in what a customer did."""
    theirs = {words for c in contexts for turn in c.turns for words in sentences(turn.text)}
    asked = dict.fromkeys(words for c in contexts for said in c.customer_turns for words in impersonal(said))
    for mine in sentences(text):
        if mine in theirs or any(alike(mine, one) for one in asked):
            return " ".join(mine)
    return None


def sentences(text: str) -> Iterator[Sentence]:
    """Those that are long enough. What stands after a colon is one by itself."""
    yield from (tuple(words) for part in _ENDS.split(text) if len(words := _words(part)) >= SENTENCE)


def impersonal(text: str) -> Iterator[Sentence]:
    """The sentences in which the speaker does not speak of themselves."""
    for sentence in sentences(text):
        plain = [word.replace("’", "'") for word in sentence]
        if OWN.isdisjoint(plain) and plain[0] not in WE:
            yield sentence


def alike(one: Sentence, other: Sentence) -> bool:
    """Whether one instruction is the other, a word or two apart."""
    if one == other:
        return True
    first, second = gist(" ".join(one)), gist(" ".join(other))
    return min(len(first.words), len(second.words)) >= STEMS and relation(first, second) == "much like"


def _data(text: str, contexts: Sequence[Context]) -> str | None:
    if email := EMAIL.search(text):
        return email[0]
    said = " \n".join(turn.text for c in contexts for turn in c.turns if turn.party != "agent")
    known = set(figures(said))
    for figure in figures(text):
        if figure in known:
            return figure
    everything = " \n".join(turn.text for c in contexts for turn in c.turns)
    return next((name for name in names(everything) if re.search(rf"\b{re.escape(name)}\b", text)), None)


def figures(text: str) -> Iterator[str]:
    """Numbers of three digits or more without their separators, and codes of letters and digits."""
    for match in NUMBER.finditer(text):
        yield re.sub(r"\D", "", match[0])
    for match in CODE.finditer(text):
        yield match[0].casefold()


def names(text: str) -> Iterator[str]:
    """Names somebody introduced or greeted; a word that also occurs in lower case is taken for a word."""
    lower = set(_WORD.findall(text))
    for match in _INTRODUCED.finditer(text):
        for name in _WORD.findall(match[1]):
            if len(name) > 2 and name.casefold() not in lower:
                yield name


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]
