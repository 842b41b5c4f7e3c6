"""Invented conversations with personal data in known places: twelve kinds, drawn by a seed, worded by files."""

from __future__ import annotations

import json
import random
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

FIRST = (
    "Amara",
    "Bjorn",
    "Chiara",
    "Dmitri",
    "Elena",
    "Farid",
    "Greta",
    "Hiroshi",
    "Ines",
    "Jamal",
    "Katja",
    "Liam",
    "Maeve",
    "Nikhil",
    "Oksana",
    "Pablo",
    "Quentin",
    "Rosa",
)
LAST = (
    "Abara",
    "Bauer",
    "Costa",
    "Duval",
    "Eriksen",
    "Fontaine",
    "Garcia",
    "Haddad",
    "Ivanov",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Moreau",
    "Novak",
    "Okafor",
)
STREETS = (
    "Maple",
    "Birch",
    "Willow",
    "Station",
    "Church",
    "Park",
    "River",
    "Highland",
    "Orchard",
    "Mill",
    "Kingsway",
    "Lakeview",
)
ENDS = ("Street", "Road", "Avenue", "Lane", "Drive", "St", "Rd", "Ave", "Court", "Crescent")
TOWNS = ("Springfield, IL 62704", "Portland, OR 97205", "Leeds LS1 4AP", "Denver", "Austin, TX 78701")
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
BANKS = {"DE": 18, "NL": None, "GB": None, "FR": 23, "ES": 20, "AT": 16}
"""Countries and how many digits their IBANs have after the check digits; None: letters first."""
Draw = Callable[[random.Random], str]


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(string.digits) for _ in range(count))


def _email(rng: random.Random) -> str:
    name = rng.choice(
        (f"{rng.choice(FIRST)}.{rng.choice(LAST)}", f"{rng.choice(LAST)}{digits(rng, 2)}", rng.choice(FIRST))
    )
    return f"{name.lower()}@{rng.choice(('mail.example', 'post.example.org', 'example.co.uk'))}"


def _phone(rng: random.Random) -> str:
    form = rng.choice(
        (
            "+1 (2##) 5##-####",
            "2##-5##-####",
            "(4##) 5## ####",
            "+44 7### ######",
            "+49 30 #######",
            "07### ######",
            "+33 6 ## ## ## ##",
        )
    )
    return _filled(rng, form)


def _filled(rng: random.Random, form: str) -> str:
    return "".join(
        digits(rng, 1) if letter == "#" else rng.choice(string.ascii_uppercase) if letter == "@" else letter
        for letter in form
    )


def _card(rng: random.Random) -> str:
    start = rng.choice(("4", "51", "37"))
    number = _with_check(start + digits(rng, 15 - len(start)))
    gap = rng.choice((" ", "-", ""))
    return gap.join(number[n : n + 4] for n in range(0, 16, 4))


def _iban(rng: random.Random) -> str:
    country = rng.choice(list(BANKS))
    count = BANKS[country]
    rest = (
        digits(rng, count) if count else _filled(rng, "@@@@" + ("##########" if country == "NL" else "##############"))
    )
    return _checked(rng, country, rest)


def _address(rng: random.Random) -> str:
    flat = rng.choice(("", "", f", Apt {rng.randint(1, 40)}", f", Flat {rng.randint(1, 9)}B"))
    return f"{rng.randint(1, 2400)} {rng.choice(STREETS)} {rng.choice(ENDS)}{flat}, {rng.choice(TOWNS)}"


def _order(rng: random.Random) -> str:
    return _filled(rng, rng.choice(("W#######", "ORD-######", "########", "@#@#@#", "@@-####-####", "#####")))


def _birth(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1940, 2004)
    name = MONTHS[month - 1]
    forms = (
        f"{day:02}/{month:02}/{year}",
        f"{year}-{month:02}-{day:02}",
        f"{day} {name} {year}",
        f"{name} {day}, {year}",
        f"{day}.{month}.{year}",
    )
    return rng.choice(forms)


def _ip(rng: random.Random) -> str:
    if rng.random() < 0.2:
        return "2001:db8:" + ":".join(f"{rng.randrange(1, 65536):x}" for _ in range(6))
    return ".".join(str(rng.randint(1, 254)) for _ in range(4))


def _document(rng: random.Random) -> str:
    return _filled(rng, rng.choice(("@########", "@@#######", "#########", "@##@##@##", "###-##-####")))


def _link(rng: random.Random) -> str:
    token = "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(20))
    forms = (
        f"https://shop.example.com/reset?token={token}",
        f"https://example.org/s/{token}9a",
        f"http://id.example.net/login?session={token}&lang=en",
    )
    return rng.choice(forms)


def _login(rng: random.Random) -> str:
    word = rng.choice(("sunny", "Tiger", "blue", "Hopper", "velvet"))
    return rng.choice(
        (
            f"{word}{digits(rng, 3)}",
            f"{word}_{rng.choice(LAST).lower()}",
            f"{word.title()}#{digits(rng, 2)}!x",
            f"{word}.{digits(rng, 4)}",
        )
    )


def _name(rng: random.Random) -> str:
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


DRAWS: Mapping[str, Draw] = {
    "e-mail": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "address": _address,
    "order": _order,
    "birth date": _birth,
    "ip": _ip,
    "document": _document,
    "link": _link,
    "login": _login,
    "name": _name,
}
PATTERNED = tuple(kind for kind in DRAWS if kind not in ("name", "address"))
"""Kinds with a form or an announcement; names and addresses are words."""


@dataclass(frozen=True)
class Labelled:
    """A turn and what is planted in it."""

    text: str
    kind: str
    """``clean``: nothing is."""
    data: str
    party: str


def turns(wordings: Path, seed: int, count: int) -> Iterator[Labelled]:
    """Every other turn holds a datum; kinds in turn, so that each has its share. A file may bring values of its own,
    and divide kinds: "document/plate"."""
    rng = random.Random(seed)
    worded = json.loads(wordings.read_text("utf-8"))
    values: Mapping[str, Any] = worded.pop("values", {})
    worded.pop("about", None)
    kinds = [kind for kind in worded if kind != "clean"] if values else list(DRAWS)
    for n in range(count):
        kind = kinds[n // 2 % len(kinds)] if n % 2 == 0 else "clean"
        data = "" if kind == "clean" else _drawn(rng, kind, values) if values else DRAWS[kind](rng)
        text = rng.choice(worded[kind]).replace("{}", data)
        yield Labelled(text, kind.split("/")[0], data, "user" if kind != "clean" or rng.random() < 0.5 else "assistant")


FORMS = {"#": string.digits, "&": string.ascii_lowercase, "*": "0123456789abcdef"}


def _drawn(rng: random.Random, kind: str, values: Mapping[str, Any]) -> str:
    """By a form of the file's: # a digit, & a small letter, * a hexadecimal digit, {set} a word of a set of its own;
    where there is none of these, @ a capital."""
    form = rng.choice(values[kind])
    if kind == "card":
        start, length, groups, gap = form.split("|")
        return _numbered(rng, start, int(length), [int(size) for size in groups], gap)
    if kind == "iban":
        country, rest = form.split(":")
        return _checked(rng, country, _filled(rng, rest))
    letters = FORMS if "{" in form else FORMS | {"@": string.ascii_uppercase}

    def chosen(match: re.Match[str]) -> str:
        word = rng.choice(values["sets"][match[1].lower()])
        plain = re.sub(r"\W", "", word)
        return plain.lower() if match[2] == "l" else plain.upper() if match[2] == "u" else word

    drawn = "".join(rng.choice(letters[letter]) if letter in letters else letter for letter in form)
    return re.sub(r"\{(\w+)(?:\.(\w))?\}", chosen, drawn)


def _with_check(number: str) -> str:
    """Luhn's digit at its end."""
    total = sum(n * 2 - 9 * (n > 4) if place % 2 == 0 else n for place, n in enumerate(map(int, reversed(number))))
    return f"{number}{-total % 10}"


def _numbered(rng: random.Random, start: str, length: int, groups: Sequence[int], gap: str) -> str:
    number = _with_check(start + digits(rng, length - len(start) - 1))
    ends = list(accumulate(groups))
    return gap.join(number[end - size : end] for size, end in zip(groups, ends, strict=True))


def _checked(rng: random.Random, country: str, rest: str) -> str:
    check = 98 - int("".join(str(int(letter, 36)) for letter in f"{rest}{country}00")) % 97
    whole = f"{country}{check:02}{rest}"
    return " ".join(whole[n : n + 4] for n in range(0, len(whole), 4)) if rng.random() < 0.5 else whole
