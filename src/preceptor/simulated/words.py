"""From text to word stems: sentences, clauses, tokens, polarity. Knows no world.

Everything here is plain English rules, written for this room: the simulated models must not share machinery with the
retrieval they are used to measure.
"""

import re
from functools import lru_cache

import snowballstemmer

_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|\n+")
_BULLET = re.compile(r"^\s*(?:[-*•–>#]+|\(?\d{1,2}[.):]|\(?[a-z]\))\s+|^\s*(?:[-*•]+)")
_CLAUSE = re.compile(
    r"\s*[;:—–]\s*|\s+-\s+|,\s+|\s+(?=(?:and|but|or|nor|then|so|while|because|instead of|rather than)\s)", re.I
)
_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)*|\d[\d.,:/-]*")
_GAP = re.compile(r"\{[a-z][a-z0-9_]*\}")

_EMPTY = frozenset(
    """
    a an the this that these those it its is are was were be been being am do does did have has had having will
    would shall can could may might must should of to in on at for by with from as into about and or but so if
    then than there here i me my mine we us our ours you your yours he him his she her hers they them their theirs
    whom which what just very really quite too also please some each every both such only own s t d ll m re ve don
    most nor
    """.split()  # noqa: SIM905 - a hundred quoted words read worse
)
"""Words that carry no content by themselves. Not among them, because they do in this trade: contact *again*, check
*before*, *who* is calling, *not* working."""

_NOT = frozenset(["not", "never", "no", "none", "nobody", "nothing", "neither", "nor", "cannot", "without"])
_SHUN = frozenset(
    ["avoid", "refrain", "stop", "skip", "omit", "forget", "neglect", "fail", "resist", "steer", "withhold", "miss"]
)
_UNTIL = frozenset(["until", "till", "unless", "before", "without", "except"])
_PHRASES = re.compile(
    r"\b(?:leave out|leaves? (?:it|that|this) out|keep (?:away|clear|quiet)|hold back|instead of|rather than|stay away"
    r"|to yourself|out of (?:the question|it)|off limits|under no circumstances)\b"
)
_FIXED = {"can't": "can not", "cannot": "can not", "won't": "will not", "shan't": "shall not", "dont": "do not"}

_IMPERATIVE = frozenset(
    """
    accept accuse acknowledge add address admit admonish advise after aim allow always answer apologise apologize
    argue arrange ask assign assume assure attach avoid be before begin blame bring brush call calm cancel change
    charge check choose cite claim clarify clear close collect commit compare complete concede confirm consider
    consult contact count cover credit criticise criticize cut debate declare decline delay deliver demand
    demonstrate deny describe direct discuss dismiss dispute divide do double double-check downplay draw drop
    empathise empathize encourage end enquire ensure escalate establish estimate examine explain express extend
    file fill find finish first fix fob focus follow force forward gather get give go grant greet guarantee guide
    hand have help hide hold honor honour hurry identify if ignore imply include inform inquire insist interrupt
    introduce invent investigate invite issue itemise itemize judge keep label lay lead learn leave lecture let
    lie limit link list listen log look lower make mark match measure mention merge mislead mock monitor move name
    never note notify obtain offer once open order organise organize outline own pass patronise pause permit phone
    pick place play point postpone praise prefer prepare present pretend prevent prioritise prioritize proceed
    process promise propose prove provide push put quarrel question quote raise rate read reassure rebook recap
    recite recommend record refer refrain refuse reject relay remain remember remind remove repeat replace reply
    report request require reroute reschedule reserve resolve respect respond restate retain return reveal review
    route run rush say schedule scold search seat secure see send separate set settle shame share shift show shrug
    sign skip slow soften solve sound spare speak specify speculate spell split start state stay stick stop
    suggest sum summarise summarize supply support suspect sympathise sympathize take talk tell test thank
    threaten trace track transfer translate treat trust try turn understand unless update upgrade upsell urge use
    validate verify volunteer wait waive walk warn watch wave when whenever withdraw work write
    """.split()  # noqa: SIM905 - a hundred quoted words read worse
)
_MODAL = re.compile(
    r"\b(?:must|should|shall|always|never|do not|don't|may not|can only|may only|has to|have to|need to|needs to"
    r"|make sure|be sure|remember to|is required|are required|is not allowed|are not allowed|not permitted|ought to)\b"
)

_DECLINES = re.compile(r"\b(?:i|we)\b[^,.;:!?]{0,18}\b(?:not|never|cannot|unable)\b")
_INHERITS = re.compile(r"(?:or|nor)\b|and\s+\w+ing\b")
_CONDITION = re.compile(
    r"(?:and\s+|but\s+)?(?:if|when|whenever|before|after|once|while|because|since|as|unless|until|where)\b"
)

_BEFORE_VERB = frozenset(["please", "kindly", "then", "and", "but", "or", "so", "also", "always", "first", "next"])
_ASIDE = re.compile(rf"{_CONDITION.pattern}|(?:for|with|in|on|at|to|by|during)\b")
_ISE = re.compile(r"is(e[ds]?|ing|ations?)$")
_stemmer = snowballstemmer.stemmer("english")


def sentences(text: str) -> tuple[str, ...]:
    """The sentences and list items of a text, bullets taken off, blanks left out."""
    parts = (_BULLET.sub("", part).strip() for part in _SENTENCE.split(text))
    return tuple(part for part in parts if part)


def clauses(sentence: str) -> tuple[str, ...]:
    """What a sentence divides into at commas, dashes and conjunctions; the sentence itself when it does not."""
    parts = [part.strip() for part in _CLAUSE.split(sentence) if part and part.strip()]
    return tuple(parts) if len(parts) > 1 else (sentence,)


def plain(text: str) -> str:
    """Lower case, straight apostrophes, contractions of *not* spelled out, placeholders as gaps."""
    text = _GAP.sub(" ", text.lower().replace("’", "'"))
    for short, long in _FIXED.items():
        text = text.replace(short, long)
    return text.replace("n't", " not")


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """A word's stem, American and British spelling alike."""
    return str(_stemmer.stemWord(_ISE.sub(r"iz\1", word)))


def content(text: str) -> tuple[str, ...]:
    """The words that carry content, in order; numbers are left out, since any value may stand there."""
    found = (word.split("'")[0] for word in _WORD.findall(plain(text)) if not word[0].isdigit())
    return tuple(word for word in found if word not in _EMPTY and len(word) > 1)


def tokens(text: str) -> tuple[str, ...]:
    """Stems of the content words, in order."""
    return tuple(stem(word) for word in content(text))


def stems(text: str) -> frozenset[str]:
    """Stems of all words, those without content too."""
    return frozenset(stem(word) for word in _WORD.findall(plain(text)))


def negative(text: str) -> bool:
    """Whether the text, taken as a whole, forbids or denies: an odd number of negations.

    *Do not forget to* counts two, and so does *do not … until …*: both ask for what follows.
    """
    plainly = plain(text)
    count = len(_PHRASES.findall(plainly))
    for word in _WORD.findall(plainly):
        if word in _NOT or word in _SHUN or (count and word in _UNTIL):
            count += 1
    return count % 2 == 1


def declines(text: str) -> bool:
    """Whether the speaker says that they cannot, will not or do not: *I can't promise a refund*."""
    return bool(_DECLINES.search(plain(text)))


def inherits(clause: str) -> bool:
    """Whether a clause goes on under the negation before it: *avoid blaming them **or** promising a refund*."""
    return bool(_INHERITS.match(plain(clause)))


def conditional(clause: str) -> bool:
    """Whether a clause only says when: *before you touch the account*, *if they are angry*."""
    return bool(_CONDITION.match(plain(clause)))


def instructs(sentence: str, verbs: frozenset[str] = frozenset()) -> bool:
    """Whether a sentence reads as an instruction: an imperative (after *if…*, *for…* too), or a must, never.

    `verbs` are further words that open imperatives.
    """
    if len(_WORD.findall(plain(sentence))) < 2:
        return False
    parts = clauses(sentence)
    openings = map(_opening, parts if _ASIDE.match(plain(parts[0])) else parts[:1])
    return any(word in _IMPERATIVE or word in verbs for word in openings) or bool(_MODAL.search(plain(sentence)))


def _opening(clause: str) -> str:
    """The first word that may be a verb: *then*, *please* and adverbs may stand before an imperative."""
    words = _WORD.findall(plain(clause))
    return next((word for word in words if word not in _BEFORE_VERB and not word.endswith("ly")), "")
