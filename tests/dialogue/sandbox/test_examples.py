"""The examples over tau2-bench's data, where that is there; and over a few rows of our own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from preceptor.dialogue.conversation import Conversation, Turn
from preceptor.dialogue.customers import Customer
from preceptor.dialogue.domain import Persona, Topic
from preceptor.dialogue.tools.python import own_functions
from preceptor.dialogue.tools.sandbox.sandbox import Sandbox
from preceptor.dialogue.tools.sandbox.tables import JsonStore
from preceptor.dialogue.tools.sandbox.tasks import Action
from preceptor.llm.messages import ToolCall

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT.parent / "shared" / "data" / "tau2"
PERSONA = Persona(id="calm", description="You are calm.")


def example(name: str, tables: Mapping[str, Any]) -> Sandbox:
    return Sandbox.of(JsonStore(tables), tuple(own_functions("tools.py", ROOT / "examples" / name).values()))


async def ask(sandbox: Sandbox, *actions: Action) -> list[Any]:
    """What calls give, one after the other, in one conversation."""
    customer = Customer(Topic(id="any", description="Anything."), PERSONA, 0)
    async with sandbox.environment().open(customer) as session:
        given = [await session.call(ToolCall("1", one.tool, json.dumps(one.arguments))) for one in actions]
    return [json.loads(one) if one[:1] in "[{" else one for one in given]


@pytest.mark.parametrize(("name", "count", "null"), [("airline", 30, 16), ("retail", 74, 5)])
async def test_gold_actions_pass_every_task_and_doing_nothing_what_asks_for_nothing(
    name: str, count: int, null: int
) -> None:
    if not (DATA / name).is_dir():
        pytest.skip("tau2-bench's data is not beside the repository")
    tools = ROOT / "examples" / name / "tools.py"
    sandbox = Sandbox.load(DATA / name / "db.json", tools, DATA / name / "tasks_train.json")
    passed = nothing = 0
    tools_of = sandbox.environment()
    for customer in sandbox.customers(PERSONA):
        task = sandbox.tasks[customer.topic.id]
        async with tools_of.open(customer) as session:
            outcome = session.outcome(Conversation((Turn("agent", "I am sorry."),)))
            nothing += outcome is not None and outcome.passed
            for action in task.actions or ():
                await session.call(ToolCall("1", action.tool, json.dumps(action.arguments)))
            outcome = session.outcome(Conversation((Turn("agent", "; ".join(task.information)),)))
            passed += outcome is not None and outcome.passed
    assert (len(sandbox.tasks), passed, nothing) == (count, count, null)


def seats(number: int) -> dict[str, int]:
    return {"basic_economy": number, "economy": number, "business": number}


PRICES = {"basic_economy": 50, "economy": 100, "business": 300}
OPEN = {"status": "available", "available_seats": seats(2), "prices": PRICES}


def flight(number: str, origin: str, destination: str, leaves: str, lands: str, **dates: Any) -> dict[str, Any]:
    return {
        "flight_number": number,
        "origin": origin,
        "destination": destination,
        "scheduled_departure_time_est": leaves,
        "scheduled_arrival_time_est": lands,
        "dates": {day.replace("d", "2024-05-"): how for day, how in dates.items()},
    }


AIR: dict[str, Any] = {
    "flights": {
        "F1": flight("F1", "AAA", "BBB", "22:00:00", "01:00:00+1", d20=OPEN, d21={"status": "delayed"}),
        "F2": flight("F2", "BBB", "CCC", "02:00:00", "04:00:00", d20=OPEN, d21=OPEN | {"available_seats": seats(1)}),
        "F3": flight("F3", "AAA", "BBB", "08:00:00", "09:00:00", d20=OPEN | {"prices": {**PRICES, "economy": 80}}),
    },
    "users": {
        "ann": {
            "user_id": "ann",
            "payment_methods": {
                "card": {"source": "credit_card", "id": "card"},
                "gift": {"source": "gift_card", "amount": 150, "id": "gift"},
                "paper": {"source": "certificate", "amount": 90, "id": "paper"},
            },
            "reservations": ["R1"],
        }
    },
    "reservations": {
        "R1": {
            "reservation_id": "R1",
            "user_id": "ann",
            "cabin": "economy",
            "flights": [{"flight_number": "F1", "date": "2024-05-20", "price": 70}],
            "passengers": [{"first_name": "Ann", "last_name": "A", "dob": "1990-01-01"}],
            "payment_history": [{"payment_id": "gift", "amount": 70}],
            "total_baggages": 1,
            "nonfree_baggages": 1,
        }
    },
}
PASSENGER = {"first_name": "Ann", "last_name": "A", "dob": "1990-01-01"}


def move(cabin: str, payment: str, *numbers: str) -> Action:
    legs = [{"flight_number": number, "date": "2024-05-20"} for number in numbers]
    return Action(
        "update_reservation_flights", {"reservation_id": "R1", "cabin": cabin, "flights": legs, "payment_id": payment}
    )


def booking(*payments: tuple[str, float], count: int = 1) -> Action:
    return Action(
        "book_reservation",
        {
            "user_id": "ann",
            "origin": "AAA",
            "destination": "BBB",
            "flight_type": "one_way",
            "cabin": "economy",
            "flights": [{"flight_number": "F3", "date": "2024-05-20"}],
            "passengers": [PASSENGER] * count,
            "payment_methods": [{"payment_id": name, "amount": amount} for name, amount in payments],
            "total_baggages": 2,
            "nonfree_baggages": 1,
            "insurance": "yes",
        },
    )


async def test_airline_searches_know_the_day_after() -> None:
    search = {"origin": "AAA", "destination": "CCC", "date": "2024-05-20"}
    one, other, status = await ask(
        example("airline", AIR),
        Action("search_onestop_flight", search),
        Action("search_direct_flight", {**search, "destination": "BBB", "date": "2024-05-21"}),
        Action("get_flight_status", {"flight_number": "F1", "date": "2024-05-21"}),
    )
    assert [[leg["flight_number"] for leg in pair] for pair in one] == [["F1", "F2"]]
    assert (one[0][1]["date"], one[0][1]["available_seats"]["economy"]) == ("2024-05-21", 1)
    assert other == []
    assert status == {"status": "delayed"}


async def test_airline_bookings_are_paid_in_full_by_what_the_user_has() -> None:
    air = example("airline", AIR)
    # 80 for the flight, 30 for the insurance, 50 for a bag.
    made, user = await ask(air, booking(("paper", 90), ("gift", 70)), Action("get_user_details", {"user_id": "ann"}))
    assert made["flights"] == [
        {"flight_number": "F3", "date": "2024-05-20", "price": 80, "origin": "AAA", "destination": "BBB"}
    ]
    assert user["reservations"] == ["R1", made["reservation_id"]]
    assert user["payment_methods"].keys() == {"card", "gift"}
    assert user["payment_methods"]["gift"]["amount"] == 80
    for refused, said in [
        (booking(("card", 100)), "total price is 160"),
        (booking(("gift", 160)), "not enough balance"),
        (booking(("other", 160)), "not found"),
        (booking(("card", 270), count=3), "seats"),
    ]:
        (answer,) = await ask(air, refused)
        assert said in answer["error"]


async def test_airline_changes_charge_the_difference_and_keep_the_price_of_what_stays() -> None:
    air = example("airline", AIR)
    (stays,) = await ask(air, move("economy", "gift", "F1"))
    assert (stays["flights"][0]["price"], len(stays["payment_history"])) == (70, 1)
    up, user = await ask(air, move("business", "card", "F1"), Action("get_user_details", {"user_id": "ann"}))
    assert (up["cabin"], up["payment_history"][-1]) == ("business", {"payment_id": "card", "amount": 230})
    down, user = await ask(air, move("basic_economy", "gift", "F1"), Action("get_user_details", {"user_id": "ann"}))
    assert down["payment_history"][-1]["amount"] == -20
    assert user["payment_methods"]["gift"]["amount"] == 170
    for refused, said in [(move("business", "gift", "F1"), "balance"), (move("economy", "paper", "F3"), "certificate")]:
        (answer,) = await ask(air, refused)
        assert said in answer["error"]


async def test_airline_cancelling_bags_passengers_and_certificates() -> None:
    bags = {"reservation_id": "R1", "total_baggages": 4, "nonfree_baggages": 3, "payment_id": "gift"}
    packed, gone, again, sent, next_one, renamed = await ask(
        example("airline", AIR),
        Action("update_reservation_baggages", bags),
        Action("cancel_reservation", {"reservation_id": "R1"}),
        Action("cancel_reservation", {"reservation_id": "R1"}),
        Action("send_certificate", {"user_id": "ann", "amount": 100}),
        Action("send_certificate", {"user_id": "ann", "amount": 100}),
        Action("update_reservation_passengers", {"reservation_id": "R1", "passengers": [PASSENGER, PASSENGER]}),
    )
    assert packed["payment_history"][-1]["amount"] == 100
    assert [payment["amount"] for payment in gone["payment_history"]] == [70, 100, -70, -100]
    assert gone["status"] == "cancelled"
    assert "already" in again["error"]
    assert sent != next_one
    assert "number of passengers" in renamed["error"]


def item(number: str, price: float, product: str = "P1", **more: Any) -> dict[str, Any]:
    return {"item_id": number, "product_id": product, "price": price, "options": {"n": number}, **more}


def order(status: str, *items: dict[str, Any], paid_by: str = "card") -> dict[str, Any]:
    total = round(sum(one["price"] for one in items), 2)
    history = [{"transaction_type": "payment", "amount": total, "payment_method_id": paid_by}]
    return {"user_id": "bob", "items": list(items), "status": status, "payment_history": history}


SHOP: dict[str, Any] = {
    "products": {
        "P1": {
            "name": "Cup",
            "product_id": "P1",
            "variants": {
                "i1": {"item_id": "i1", "options": {"n": "i1"}, "available": True, "price": 10.0},
                "i2": {"item_id": "i2", "options": {"n": "i2"}, "available": True, "price": 14.5},
                "i3": {"item_id": "i3", "options": {"n": "i3"}, "available": False, "price": 5.0},
            },
        }
    },
    "users": {
        "bob": {
            "name": {"first_name": "Bob", "last_name": "B"},
            "address": {"zip": "12345"},
            "email": "bob@example.com",
            "payment_methods": {
                "card": {"source": "credit_card", "id": "card"},
                "gift": {"source": "gift_card", "balance": 30.0, "id": "gift"},
                "pal": {"source": "paypal", "id": "pal"},
            },
        }
    },
    "orders": {
        "#1": order("pending", item("i1", 10.0), item("i1", 10.0)),
        "#2": order("delivered", item("i1", 10.0), item("i2", 14.5)),
        "#3": order("pending", item("i2", 14.5), paid_by="gift"),
        "#4": order("processed", item("i2", 14.5)),
    },
}


def swap(tool: str, number: str, old: list[str], new: list[str], method: str = "gift") -> Action:
    return Action(tool, {"order_id": number, "item_ids": old, "new_item_ids": new, "payment_method_id": method})


async def test_shop_finds_users_items_and_products() -> None:
    given = await ask(
        example("retail", SHOP),
        Action("find_user_id_by_email", {"email": "Bob@Example.com"}),
        Action("find_user_id_by_name_zip", {"first_name": "bob", "last_name": "B", "zip": "12345"}),
        Action("find_user_id_by_name_zip", {"first_name": "bob", "last_name": "B", "zip": "54321"}),
        Action("get_item_details", {"item_id": "i2"}),
        Action("list_all_product_types", {}),
    )
    assert given[:2] == ["bob", "bob"]
    assert given[2] == {"error": "user not found"}
    assert (given[3]["price"], given[3]["product_id"]) == (14.5, "P1")
    assert given[4] == {"Cup": "P1"}


async def test_shop_swaps_once_and_charges_the_difference() -> None:
    modify = "modify_pending_order_items"
    made, user, again, cancelled = await ask(
        example("retail", SHOP),
        swap(modify, "#1", ["i1", "i1"], ["i2", "i1"]),
        Action("get_user_details", {"user_id": "bob"}),
        swap(modify, "#1", ["i1"], ["i2"]),
        Action("cancel_pending_order", {"order_id": "#1", "reason": "no longer needed"}),
    )
    assert [one["item_id"] for one in made["items"]] == ["i2", "i1"]
    assert made["status"] == "pending (item modified)"
    assert made["payment_history"][-1] == {"transaction_type": "payment", "amount": 4.5, "payment_method_id": "gift"}
    assert user["payment_methods"]["gift"]["balance"] == 25.5
    assert "non-pending" in again["error"]
    assert "non-pending" in cancelled["error"]


@pytest.mark.parametrize(
    ("action", "said"),
    [
        (swap("modify_pending_order_items", "#1", ["i1"] * 3, ["i2"] * 3), "some item not found"),
        (swap("modify_pending_order_items", "#1", ["i1"], ["i3"]), "not found or available"),
        (swap("modify_pending_order_items", "#1", ["i1"], ["i2", "i2"]), "number of items"),
        (swap("modify_pending_order_items", "#1", ["i1"], ["i2"], "other"), "payment method"),
        (swap("modify_pending_order_items", "#4", ["i2"], ["i1"]), "non-pending"),
        (swap("exchange_delivered_order_items", "#1", ["i1"], ["i2"]), "non-delivered"),
        (
            Action("return_delivered_order_items", {"order_id": "#2", "item_ids": ["i1"], "payment_method_id": "pal"}),
            "gift",
        ),
        (Action("modify_pending_order_payment", {"order_id": "#1", "payment_method_id": "card"}), "different"),
        (Action("cancel_pending_order", {"order_id": "#1", "reason": "too dear"}), "reason"),
        (Action("get_order_details", {"order_id": "1"}), "order not found"),
    ],
)
async def test_shop_refuses_what_cannot_be_done(action: Action, said: str) -> None:
    (answer,) = await ask(example("retail", SHOP), action)
    assert said in answer["error"]


async def test_shop_payments_go_back_where_they_came_from() -> None:
    paid, cancelled, user = await ask(
        example("retail", SHOP),
        Action("modify_pending_order_payment", {"order_id": "#3", "payment_method_id": "card"}),
        Action("cancel_pending_order", {"order_id": "#3", "reason": "ordered by mistake"}),
        Action("get_user_details", {"user_id": "bob"}),
    )
    assert [(one["transaction_type"], one["payment_method_id"]) for one in paid["payment_history"]] == [
        ("payment", "gift"),
        ("payment", "card"),
        ("refund", "gift"),
    ]
    assert cancelled["payment_history"][-1] == {
        "transaction_type": "refund",
        "amount": 14.5,
        "payment_method_id": "card",
    }
    assert len(cancelled["payment_history"]) == 4
    assert user["payment_methods"]["gift"]["balance"] == 44.5


async def test_shop_returns_and_exchanges_are_asked_for_in_any_order() -> None:
    one, other = [
        await ask(example("retail", SHOP), swap("exchange_delivered_order_items", "#2", old, new))
        for old, new in ((["i1", "i2"], ["i2", "i1"]), (["i2", "i1"], ["i1", "i2"]))
    ]
    assert one == other
    assert (one[0]["status"], one[0]["exchange_price_difference"]) == ("exchange requested", 0)
    returned = {"order_id": "#2", "item_ids": ["i2", "i1"], "payment_method_id": "gift"}
    (back,) = await ask(example("retail", SHOP), Action("return_delivered_order_items", returned))
    assert (back["status"], back["return_items"]) == ("return requested", ["i1", "i2"])
