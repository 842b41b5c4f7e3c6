"""Worlds with tools drawn from a seed: customers, words, records and rules that nobody wrote, so nobody tuned to.

``python benchmarks/invented_world.py SEED`` prints one. What a lookup shows decides in all families but one, which is
talk alone: an action that one value calls for and another rules out, or something to tell. Profiles are those of the
shipped world `parcels`. Simulated.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import yaml

from preceptor.simulated.world import World

NOUNS = """
    anchor apron atlas attic badge bakery balcony bamboo banner barrel basket beacon bicycle blanket blossom
    bottle bracelet bridge bronze bucket buckle burrow button cabin camera candle canoe canvas carpet castle
    cellar chapel chimney cinema clover cobble collar comet compass copper coral cottage cradle crayon crystal
    curtain cushion dagger dairy desert diamond diary dolphin donkey drawer easel elbow ember engine falcon
    feather fiddle flannel flute forest fossil fountain gallery garden garlic ginger glacier goblet granite
    guitar hammer hammock harbor harvest helmet hinge honey hornet igloo island ivory jacket jasmine jigsaw
    jungle kennel kettle kitten ladder lantern lattice lemon library linen lobster locket magnet mantle marble
    meadow melon mirror mitten monkey mosaic mustard napkin needle nickel oasis orchard organ otter oyster
    paddle palace panther parrot pebble pencil pepper piano pigeon pillow planet plaza pocket puppet pyramid
    quarry quilt rabbit raft ribbon rocket saddle sailor sandal satin saucer scarf shelter shovel silver skater
    sparrow spider statue stove summit tablet tailor temple thimble ticket tiger timber tulip tunnel turtle
    unicorn valley velvet violin volcano walnut wheel willow window wizard yogurt zebra
""".split()  # noqa: SIM905 - quoted one by one they read worse
VALUES = """
    amber azure brisk coarse crisp dense dim faint firm frail glossy gritty hollow keen lively mellow narrow
    oblong pale plump polished ragged rigid robust rustic scarlet sleek sober stark steep sturdy supple tepid
    tidy vivid woven
""".split()  # noqa: SIM905 - quoted one by one they read worse
ASKS = (
    "I have a question about the {a} {key} and its {b}.",
    "Number {key} gives me trouble with the {a} of my {c}.",
    "Please do something about {b} and {a} for {key}.",
    "What about the {c} under {key}, where the {a} is concerned?",
    "My {a} is {key} and it needs another {b}.",
    "For {key} I would like the {b} changed, as well as the {a}.",
    "The {a} in {key} worries me because of the {c}.",
    "Concerning {key}, can the {c} be seen to, or at least the {a}?",
    "There is no {b} with {key}, though the {a} was promised.",
)
AGAIN = (
    "Nobody has answered me about the {a} and the {d}.",
    "You still owe me a word on the {d} of that {a}.",
    "So what becomes of my {a}, and of the {d}?",
    "I asked about the {d} before, and the {a} too.",
    "The {a} remains a riddle, not to speak of the {d}.",
    "Once more then, the {d} with the {a}, please.",
    "Did you forget the {a} and its {d}?",
    "Is it too much to ask about one {d} and one {a}?",
    "I am waiting for the {d}, and for news of the {a}.",
)
SAID = (
    "Here the {a} goes with the {b}{tells}.",
    "You will find that the {b} depends on the {a}{tells}.",
    "As for the {a}, it has a {b} of its own{tells}.",
    "Our {b} takes care of the {a}{tells}.",
    "In such a case the {a} comes before the {b}{tells}.",
)
TOLD = (
    "Explain how the {a} goes with the {b}.",
    "Mention the {a} and the {b}.",
    "Tell the customer about {a} and {b}.",
    "Speak of the {b}, and of the {a} with it.",
    "Bring up the {a}, then the {b}.",
)
FORBIDDEN = ("Do not mention the {a} or the {b}.", "Never speak of {a} and {b}.")
LOOK = (
    "Look up the {a} in the {b} records first.",
    "Check the {b} records for the {a} before you answer.",
    "Open the {a} in the {b} register.",
    "Consult the {b} register about the {a} at once.",
    "Find the {a} among the {b} records before anything else.",
)
ACT = (
    "Switch the {a} over to the {b}.",
    "Assign the {b} to the {a} in the system.",
    "Set the {a} to the {b} yourself.",
    "Carry out the {a} change with the {b} tool.",
    "Book the {b} onto the {a}.",
)
NOT = ("Do not touch the {a} with the {b}.", "Never switch the {a} to a {b}.")
DESCRIBED = (
    "The customer comes with a matter of {a} and {b}.",
    "Somebody asks about {a}, {b} and the like.",
    "It is about the {a} and its {b}.",
)


class Maker:
    """Draws one world. Every part has words of its own, so that its reader can tell them apart."""

    def __init__(self, seed: int) -> None:
        self.seed, self.draw = seed, random.Random(f"invented world {seed}")
        self.nouns = self.draw.sample(NOUNS, len(NOUNS))
        self.model = yaml.safe_load(_shipped().read_text("utf-8"))
        self.world: dict[str, Any] = {
            "format": "preceptor-world/1",
            "name": f"invented-{seed}",
            "about": "Drawn from a seed; means nothing.",
            "seed": 1000 + seed,
            "domain": {
                "name": "Desk",
                "role": "You answer customers, and act with the tools.",
                "goal": "Happy customers.",
                "policy": "",
                "topics": [],
                "personas": self.model["domain"]["personas"],
                "tools": [],
            },
            "moves": [],
            "situations": [],
            "personas": {
                name: {**one, "moods": [mood for mood in one["moods"] if "Skylark" not in mood] or [""]}
                for name, one in self.model["personas"].items()
            },
            "placeholders": {},
            "records": {},
            "tools": {},
            "phrases": self.model["phrases"],
            "quality": self.model["quality"],
        }

    def make(self, families: int = 6) -> dict[str, Any]:
        """`families` with tools, each with its own table, and one of talk alone."""
        slips = [self._words("slip", n) for n in range(2)]
        sorry = self._words("sorry", 0)
        for n in range(families):
            self._family(n, slips, sorry)
        self._talk(slips, sorry)
        ids = {move["id"] for move in self.world["moves"]}
        models = self.model["models"]
        for profile in models.values():
            if "knack" in profile:
                profile["knack"] = {key: value for key, value in profile["knack"].items() if key in ids | {"default"}}
                profile["cannot"] = []
        return {**self.world, "models": models, "roles": self.model["roles"]}

    def _noun(self) -> str:
        return self.nouns.pop()

    def _words(self, kind: str, n: int, *, informs: bool = False, column: str = "") -> str:
        """A move in words."""
        a, b = self._noun(), self._noun()
        tells = f", namely {{{column}}}" if column else ""
        move = {
            "id": f"{kind}-{n}",
            "name": f"speak of {a} and {b}",
            "said": [text.format(a=a, b=b, tells=tells) for text in SAID],
            "told": [text.format(a=a, b=b) for text in TOLD],
            "forbidden": [text.format(a=a, b=b) for text in FORBIDDEN],
            "informs": informs,
        }
        self.world["moves"].append(move)
        return str(move["id"])

    def _action(self, kind: str, n: int, tool: str, key: str, told: tuple[str, ...]) -> str:
        a, b = self._noun(), self._noun()
        self.world["moves"].append(
            {
                "id": f"{kind}-{n}",
                "name": f"{kind} the {a}",
                "calls": {"tool": tool, "with": {key: f"{{{key}}}"}},
                "told": [text.format(a=a, b=b) for text in told],
                "forbidden": [text.format(a=a, b=b) for text in NOT],
            }
        )
        return f"{kind}-{n}"

    def _family(self, n: int, slips: list[str], sorry: str) -> None:
        draw, world = self.draw, self.world
        key, table, subject = f"key{n}", f"table{n}", [self._noun() for _ in range(4)]
        world["placeholders"][key] = {"digits": 5 + n}
        values = draw.sample(VALUES, 12)
        columns = {f"column{c}": dict.fromkeys(values[3 * c : 3 * c + draw.choice((2, 3))], 1) for c in range(4)}
        decisive = draw.choice(sorted(columns))
        told = draw.choice(sorted(set(columns) - {decisive}))
        world["records"][table] = {"key": key, "columns": {**columns, "mark": {"blank": 1}}}
        for name, does in ((f"show_{table}", "Shows"), (f"change_{table}", "Changes")):
            schema = {"type": "object", "properties": {key: {"type": "string"}}, "required": [key]}
            world["domain"]["tools"].append({"name": name, "description": f"{does} a row.", "parameters": schema})
        world["tools"][f"show_{table}"] = {"table": table, "by": key}
        world["tools"][f"change_{table}"] = {"table": table, "by": key, "sets": {"mark": "done"}}
        look = self._action("look", n, f"show_{table}", key, LOOK)
        act = self._action("act", n, f"change_{table}", key, ACT)
        after = [f"ask-{n}", f"again-{n}"]
        self._asked(n, subject, [look], [act, draw.choice(slips)], sorry, key)
        branches = sorted(columns[decisive])
        for branch, value in enumerate(branches):
            tell = self._words(f"tell{branch}", n, informs=not branch, column=f"{table}.{told}" if branch == 1 else "")
            acts = branch == 0 or (branch == 2 and draw.random() < 0.5)
            world["situations"].append(
                {
                    "id": f"found{branch}-{n}",
                    "family": f"family{n}",
                    "topic": f"topic{n}",
                    "result": {"tool": f"show_{table}", "after": after, "when": {decisive: value}},
                    "described": self._described(),
                    "required": [act, tell] if acts else [tell],
                    "harmful": [draw.choice(slips)] if acts else [act, draw.choice(slips)],
                    "good": {"resolved": 1},
                    "poor": {f"again-{n}": 2, "left": 1},
                }
            )

    def _asked(self, n: int, subject: list[str], required: list[str], harmful: list[str], sorry: str, key: str) -> None:
        a, b, c, d = subject
        said = {"a": a, "b": b, "c": c, "d": d, "key": f"{{{key}}}"}
        self.world["domain"]["topics"].append(
            {"id": f"topic{n}", "description": f"You come about a {a}, a {b} and a {c}.", "weight": 1.0}
        )
        for id_, wordings, more in (("ask", ASKS, []), ("again", AGAIN, [sorry])):
            texts = [text.format(**said) for text in wordings]
            self.world["situations"].append(
                {
                    "id": f"{id_}-{n}",
                    "family": f"family{n}",
                    "topic": f"topic{n}",
                    "opens": 1.0 if id_ == "ask" else 0,
                    "customer": texts[:6],
                    "unseen": texts[6:],
                    "described": self._described(),
                    "required": [*required, *more],
                    "harmful": harmful,
                    "good": {"resolved": 1},
                    "poor": {f"again-{n}": 3, "left": 1},
                }
            )

    def _talk(self, slips: list[str], sorry: str) -> None:
        """A family without a lookup, whose customers give a number all the same."""
        n = len(self.world["records"])
        self.world["placeholders"]["other"] = {"digits": 4}
        tell = [self._words("talk", 0, informs=True), self._words("talk", 1)]
        self._asked(n, [self._noun() for _ in range(4)], tell, [slips[0]], sorry, "other")

    def _described(self) -> list[str]:
        a, b = self._noun(), self._noun()
        return [text.format(a=a, b=b) for text in DESCRIBED]


def _shipped() -> Path:
    import preceptor.simulated

    return Path(preceptor.simulated.__path__[0]) / "worlds" / "parcels.yaml"


def invented(seed: int, families: int = 6) -> World:
    """The world of a seed.

    Raises:
        SettingsError: never, unless the format has changed.
    """
    return World.parse(text_of(seed, families), f"invented world {seed}")


def text_of(seed: int, families: int = 6) -> str:
    return yaml.safe_dump(Maker(seed).make(families), sort_keys=False, allow_unicode=True)


if __name__ == "__main__":
    sys.stdout.write(text_of(int(sys.argv[1])))
