"""From text to word stems: sentences, clauses, tokens, polarity. Knows no world.

Everything here is plain English rules, written for this room: the simulated models must not share machinery with the
retrieval they are used to measure.
"""

import re
from functools import lru_cache

import Stemmer

_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+")
_BULLET = re.compile(r"^\s*(?:[-*•–>#]+|\(?\d{1,2}[.):]|\(?[a-z]\))\s+|^\s*(?:[-*•]+)")
_CLAUSE = re.compile(
    r"\s*[;:—–]\s*|\s+-\s+|,\s+|\s+(?=(?:and|but|or|nor|then|so|while|because|instead of|rather than)\s)", re.I
)
_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)*|\d[\d.,:/-]*")
_GAP = re.compile(r"\{[a-z][a-z0-9_.]*\}")

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

_NOT = frozenset(["not", "never", "no", "none", "nobody", "nothing", "neither", "nor", "cannot"])
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
    accept accuse acknowledge add address admit admonish advertise advise after aim alert allow always answer
    apologise apologize appeal argue arrange ask assign assume assure attach avoid be bear before begin bet blame
    block board book break bridge brief bring browse brush build buy calculate call calm cancel carry cast catch
    change charge chase chat check choose cite claim clarify clear close collect come comfort commend commit
    compare compile complete concede condole confirm congratulate connect consider consult contact contest
    contrast convey count cover credit criticise criticize cross customise cut deal debate decide declare decline
    deduct deflect delay delete deliver demand demonstrate deny describe detail determine diagnose direct disclose
    discourage discuss dismiss dispute divide do dodge double double-check doubt downplay draw drive drop earn
    educate email empathise empathize emphasise emphasize enable encourage end enquire enrol enroll ensure enter
    equip escalate establish estimate evade examine exclude explain explore express extend fetch fight file fill
    finalise finalize find finish first fix flag flatter fly fob focus follow force forward free fulfil gather
    gauge get give go grant greet guarantee guide haggle halt hand hang have hear help hide hint hold honor honour
    hunt hurry identify if ignore imply impose improve include increase inform inquire insist inspect install
    instruct insult interrupt interview introduce invent investigate invite issue itemise itemize join judge jump
    keep know label laugh lay lead learn leave lecture lend let lie lighten limit link list listen lock log look
    lower maintain make manage mark match measure memorise memorize mention merge mirror mislead mock monitor move
    name never note notify obey observe obtain offer once open order organise organize outline override own pack
    park pass patch patronise pause pay permit persuade phone phrase pick pitch place play point postpone praise
    prefer prepare present press pretend prevent print prioritise prioritize proceed process promise prompt
    propose protect protest prove provide push put quarrel question quit quote raise rate read reason reassure
    rebook rebuff recall recap recheck recite reckon recognise recognize recommend reconnect reconsider record
    recover redirect reduce refer refrain refund refuse regard register rehearse reject relay release relieve rely
    remain remark remember remind remove repeat rephrase replace reply report reprimand request require reroute
    reschedule rescue reserve resolve respect respond restart restate retain retry return reveal review reward
    route rule run rush satisfy save say scan schedule scold screen search seat secure see seek sell send separate
    serve set settle shame share shift shorten shout show shrug shut sign simplify sit skim skip slow soften solve
    sort sound spare speak specify speculate spell split stall stand start state stay stick stop stress strip
    submit substitute suggest sum summarise summarize supply support surprise suspect swap swear switch sympathise
    sympathize take talk teach tease tell test thank think threaten throw tie touch trace track trade train
    transfer translate treat trigger trim trust try turn type understand undo unless unlock update upgrade upsell
    urge use validate vary verify view visit void volunteer vouch vow wait waive walk warn watch wave when
    whenever wish withdraw work wrap write yield
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
_REPORTED = re.compile(r"\b(?:that|what|why|how|whether|who|which|because)\b|(?<=\w )\b(?:instead of|rather than)\b")
_SEES_TO_IT = re.compile(r"\b(?:make sure|be sure|ensure|see to it|take care|remember|careful|important|note)\b")
_SUBJECTS = frozenset(
    """
    the a an this that these those it they we you i he she there our your my their who what which nobody no some
    """.split()  # noqa: SIM905 - as above
)
_PLURAL = re.compile(r"[^s]s$")
_ISE = re.compile(r"is(e[ds]?|ing|ations?)$")
_stemmer = Stemmer.Stemmer("english", 0)


def sentences(text: str) -> tuple[str, ...]:
    """The sentences and list items of a text, bullets taken off, blanks left out."""
    lines = (_BULLET.sub("", line) for line in text.splitlines())
    parts = (part.strip() for line in lines for part in _SENTENCE.split(line))
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
    """Whether an instruction forbids: an odd number of negations in what it asks, leaving out what it says *that*.

    *Do not forget to* counts two, and so does *do not … until …*: both ask for what follows. *Say that it will not
    help* counts none.
    """
    plainly = _asked(plain(text))
    count = len(_PHRASES.findall(plainly))
    for word in _WORD.findall(plainly):
        if word in _NOT or word in _SHUN or (count and word in _UNTIL):
            count += 1
    return count % 2 == 1


def _asked(text: str) -> str:
    """An instruction up to the clause it only reports: *mention* | *that nobody answered*, or to a contrast:
    *give a date* | *instead of saying soon*. What stands after *make sure* is asked for."""
    reported = _REPORTED.search(text)
    return text[: reported.start()] if reported and not _SEES_TO_IT.search(text[: reported.start()]) else text


def declines(text: str) -> bool:
    """Whether the speaker says that they cannot, will not or do not: *I can't promise a refund*."""
    return bool(_DECLINES.search(plain(text)))


def inherits(clause: str) -> bool:
    """Whether a clause goes on under the negation before it: *avoid blaming them **or** promising a refund*."""
    return bool(_INHERITS.match(plain(clause)))


def conditional(clause: str) -> bool:
    """Whether a clause only says when: *before you touch the account*, *if they are angry*."""
    return bool(_CONDITION.match(plain(clause)))


def instructs(sentence: str) -> bool:
    """Whether a sentence reads as an instruction: an imperative (after *if…*, *for…* too), or a must, never."""
    if len(_WORD.findall(plain(sentence))) < 2:
        return False
    return any(word in _IMPERATIVE for word in _openings(sentence)) or bool(_MODAL.search(plain(sentence)))


def may_instruct(sentence: str) -> bool:
    """Whether a sentence could be an imperative with a verb unknown here: it does not open with a subject."""
    return any(word and word not in _SUBJECTS and not _PLURAL.search(word) for word in _openings(sentence))


def _openings(sentence: str) -> tuple[str, ...]:
    parts = clauses(sentence)
    return tuple(map(_opening, parts if _ASIDE.match(plain(parts[0])) else parts[:1]))


def _opening(clause: str) -> str:
    """The first word that may be a verb: *then*, *please* and adverbs may stand before an imperative."""
    words = _WORD.findall(plain(clause))
    return next((word for word in words if word not in _BEFORE_VERB and not word.endswith("ly")), "")
