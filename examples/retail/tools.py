"""A shop's order service: the tools that its agents' policy speaks of, over tables of users, orders and products.

Written from the policy, the data and recorded calls. Like the service that they show, the functions refuse what cannot
be done (an order that has left, an item sold out, a gift card with too little on it). Whom they may serve, and when the
customer has agreed, is for the agent to know.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from preceptor import Tables, ToolFailed
from preceptor.dialogue.tools.arithmetic import calculated


def find_user_id_by_email(db: Tables, email: str) -> str:
    """The id of the user with an e-mail address.

    Args:
        email: Such as something@example.com.
    """
    for key, user in db["users"].items():
        if user["email"].casefold() == email.strip().casefold():
            return key
    raise ToolFailed("user not found")


def find_user_id_by_name_zip(db: Tables, first_name: str, last_name: str, zip: str) -> str:
    """The id of the user with a name and zip code.

    Args:
        first_name: Such as John.
        last_name: Such as Doe.
        zip: Such as 12345.
    """
    wanted = (first_name.strip().casefold(), last_name.strip().casefold(), zip.strip())
    for key, user in db["users"].items():
        name = user["name"]
        if (name["first_name"].casefold(), name["last_name"].casefold(), user["address"]["zip"]) == wanted:
            return key
    raise ToolFailed("user not found")


def get_user_details(db: Tables, user_id: str) -> Any:
    """A user's profile: name, address, e-mail, payment methods and order numbers.

    Args:
        user_id: Such as sara_doe_496.
    """
    return _user(db, user_id)


def get_order_details(db: Tables, order_id: str) -> Any:
    """An order: status, items, address, shipments and payments.

    Args:
        order_id: Such as #W0000000; the # is part of it.
    """
    return _order(db, order_id)


def get_product_details(db: Tables, product_id: str) -> Any:
    """A type of product with all its items: options, price, and whether each is available.

    Args:
        product_id: Such as 6086499569. Not an item's id.
    """
    if product_id not in db["products"]:
        raise ToolFailed("product not found")
    return db["products"][product_id]


def get_item_details(db: Tables, item_id: str) -> Any:
    """An item: the product it is of, its options, its price, and whether it is available.

    Args:
        item_id: Such as 6086499569. Not a product's id.
    """
    for product in db["products"].values():
        if item_id in product["variants"]:
            return {"name": product["name"], "product_id": product["product_id"], **product["variants"][item_id]}
    raise ToolFailed("item not found")


def list_all_product_types(db: Tables) -> dict[str, str]:
    """The names of all types of products, with their product ids."""
    return dict(sorted((product["name"], key) for key, product in db["products"].items()))


def cancel_pending_order(db: Tables, order_id: str, reason: Literal["no longer needed", "ordered by mistake"]) -> Any:
    """Cancel a pending order. The money goes back the way it came: to a gift card at once, otherwise in 5 to 7 business
    days.

    Args:
        order_id: Such as #W0000000; the # is part of it.
        reason: Why, of the two reasons that are accepted.
    """
    order = _pending(db, order_id, "cancelled")
    user = db["users"].edit(order["user_id"])
    for method, amount in _paid(order).items():
        _book(order, user, method, -amount)
    order["status"], order["cancel_reason"] = "cancelled", reason
    return order


def modify_pending_order_address(
    db: Tables, order_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> Any:
    """Change where a pending order is sent.

    Args:
        order_id: Such as #W0000000; the # is part of it.
        address1: Such as 123 Main Street.
        address2: Such as Apt 1, or nothing.
        city: Such as San Francisco.
        state: Such as CA.
        country: Such as USA.
        zip: Such as 12345.
    """
    order = _pending(db, order_id, "modified")
    order["address"] = _address(address1, address2, city, state, country, zip)
    return order


def modify_pending_order_payment(db: Tables, order_id: str, payment_method_id: str) -> Any:
    """Have a pending order paid by another of the user's payment methods; what was paid before goes back.

    Args:
        order_id: Such as #W0000000; the # is part of it.
        payment_method_id: Such as gift_card_0000000 or credit_card_0000000, as in the user's profile.
    """
    order = _pending(db, order_id, "modified")
    user = db["users"].edit(order["user_id"])
    _method(user, payment_method_id)
    paid = _paid(order)
    if payment_method_id in paid:
        raise ToolFailed("the new payment method should be different from the current one")
    total = round(sum(paid.values()), 2)
    _afford(user, payment_method_id, total)
    _book(order, user, payment_method_id, total)
    for method, amount in paid.items():
        _book(order, user, method, -amount)
    return order


def modify_pending_order_items(
    db: Tables, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Any:
    """Swap items of a pending order for others of the same products. Can be done once for an order, which then can be
    neither changed nor cancelled.

    Args:
        order_id: Such as #W0000000; the # is part of it.
        item_ids: Every item to swap; twice, if there are two of it to swap.
        new_item_ids: For each of these, in the same order, the item to have instead.
        payment_method_id: For the difference in price, paid or refunded; one of the user's.
    """
    order = _pending(db, order_id, "modified")
    user = db["users"].edit(order["user_id"])
    swaps = _swaps(db, order, item_ids, new_item_ids)
    difference = round(sum(new["price"] - old["price"] for old, new in swaps), 2)
    _method(user, payment_method_id)
    _afford(user, payment_method_id, difference)
    _book(order, user, payment_method_id, difference)
    for old, new in swaps:
        old.update({"item_id": new["item_id"], "price": new["price"], "options": dict(new["options"])})
    order["status"] = "pending (item modified)"
    return order


def return_delivered_order_items(db: Tables, order_id: str, item_ids: list[str], payment_method_id: str) -> Any:
    """Ask for items of a delivered order to be returned. The user gets an e-mail about how to send them back.

    Args:
        order_id: Such as #W0000000; the # is part of it.
        item_ids: Every item to return; twice, if there are two of it to return.
        payment_method_id: Where the refund goes: the order's original payment method, or a gift card of the user's.
    """
    order = _delivered(db, order_id, "returned")
    method = _method(_user(db, order["user_id"]), payment_method_id)
    if payment_method_id not in _paid(order) and method["source"] != "gift_card":
        raise ToolFailed("payment method should be either the original payment method or a gift card")
    _items(order, item_ids)
    order["status"] = "return requested"
    order["return_items"] = sorted(item_ids)
    order["return_payment_method_id"] = payment_method_id
    return order


def exchange_delivered_order_items(
    db: Tables, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> Any:
    """Ask for items of a delivered order to be exchanged for others of the same products. Can be done once for an
    order. The user gets an e-mail about how to send the old ones back.

    Args:
        order_id: Such as #W0000000; the # is part of it.
        item_ids: Every item to exchange; twice, if there are two of it to exchange.
        new_item_ids: For each of these, in the same order, the item to have instead.
        payment_method_id: For the difference in price, paid or refunded; one of the user's.
    """
    order = _delivered(db, order_id, "exchanged")
    user = _user(db, order["user_id"])
    swaps = _swaps(db, order, item_ids, new_item_ids)
    difference = round(sum(new["price"] - old["price"] for old, new in swaps), 2)
    _method(user, payment_method_id)
    _afford(user, payment_method_id, difference)
    # In what order they are named makes no difference to what is asked for.
    pairs = sorted((old["item_id"], new["item_id"]) for old, new in swaps)
    order["status"] = "exchange requested"
    order["exchange_items"] = [old for old, _ in pairs]
    order["exchange_new_items"] = [new for _, new in pairs]
    order["exchange_payment_method_id"] = payment_method_id
    order["exchange_price_difference"] = difference
    return order


def modify_user_address(
    db: Tables, user_id: str, address1: str, address2: str, city: str, state: str, country: str, zip: str
) -> Any:
    """Change a user's default address. Orders keep theirs.

    Args:
        user_id: Such as sara_doe_496.
        address1: Such as 123 Main Street.
        address2: Such as Apt 1, or nothing.
        city: Such as San Francisco.
        state: Such as CA.
        country: Such as USA.
        zip: Such as 12345.
    """
    user = db["users"].edit(_user(db, user_id)["user_id"])
    user["address"] = _address(address1, address2, city, state, country, zip)
    return user


def calculate(db: Tables, expression: str) -> str:
    """Work out a sum.

    Args:
        expression: Numbers with + - * / and brackets, such as 2 * (350.5 - 122).
    """
    return str(calculated(expression))


def think(db: Tables, thought: str) -> str:
    """Write a thought down. It changes nothing and gives nothing new.

    Args:
        thought: What to think about.
    """
    return ""


def transfer_to_human_agents(db: Tables, summary: str) -> str:
    """Hand the user over to a human agent, because what they ask for is beyond these tools.

    Args:
        summary: What the user wants and what was done so far.
    """
    return "Transfer successful"


def _user(db: Tables, user_id: str) -> Mapping[str, Any]:
    if user_id not in db["users"]:
        raise ToolFailed("user not found")
    found: Mapping[str, Any] = db["users"][user_id]
    return found


def _order(db: Tables, order_id: str) -> Mapping[str, Any]:
    if order_id not in db["orders"]:
        raise ToolFailed("order not found")
    found: Mapping[str, Any] = db["orders"][order_id]
    return found


def _pending(db: Tables, order_id: str, what: str) -> dict[str, Any]:
    """An order to change, which must be as it was placed: one whose items were modified is not touched again."""
    if _order(db, order_id)["status"] != "pending":
        raise ToolFailed(f"non-pending order cannot be {what}")
    return db["orders"].edit(order_id)


def _delivered(db: Tables, order_id: str, what: str) -> dict[str, Any]:
    if _order(db, order_id)["status"] != "delivered":
        raise ToolFailed(f"non-delivered order cannot be {what}")
    return db["orders"].edit(order_id)


def _address(address1: str, address2: str, city: str, state: str, country: str, zip: str) -> dict[str, str]:
    return {"address1": address1, "address2": address2, "city": city, "country": country, "state": state, "zip": zip}


def _method(user: Mapping[str, Any], payment_method_id: str) -> Any:
    if payment_method_id not in user["payment_methods"]:
        raise ToolFailed("payment method not found")
    return user["payment_methods"][payment_method_id]


def _afford(user: Mapping[str, Any], payment_method_id: str, amount: float) -> None:
    method = _method(user, payment_method_id)
    if method["source"] == "gift_card" and method["balance"] < amount:
        raise ToolFailed("gift card balance is not enough")


def _paid(order: Mapping[str, Any]) -> dict[str, float]:
    """What is paid by which payment method, without what has gone back."""
    sums: dict[str, float] = {}
    for entry in order["payment_history"]:
        amount = entry["amount"] if entry["transaction_type"] == "payment" else -entry["amount"]
        method = entry["payment_method_id"]
        sums[method] = round(sums.get(method, 0.0) + amount, 2)
    return {method: amount for method, amount in sums.items() if amount}


def _book(order: dict[str, Any], user: dict[str, Any], payment_method_id: str, amount: float) -> None:
    """Write a payment down, or a refund where it is negative. Gift cards are charged and refunded at once."""
    kind = "payment" if amount > 0 else "refund"
    entry = {"transaction_type": kind, "amount": abs(amount), "payment_method_id": payment_method_id}
    order["payment_history"].append(entry)
    method = _method(user, payment_method_id)
    if method["source"] == "gift_card":
        method["balance"] = round(method["balance"] - amount, 2)


def _items(order: Mapping[str, Any], item_ids: list[str]) -> list[Any]:
    """The order's items of these ids, each used once."""
    left = list(order["items"])
    if Counter(item_ids) - Counter(item["item_id"] for item in left):
        raise ToolFailed("some item not found in the order, or not as often")
    found = []
    for item_id in item_ids:
        at = next(at for at, item in enumerate(left) if item["item_id"] == item_id)
        found.append(left.pop(at))
    return found


def _swaps(
    db: Tables, order: Mapping[str, Any], item_ids: list[str], new_item_ids: list[str]
) -> list[tuple[Any, Mapping[str, Any]]]:
    """For each item of the order to give up, the one to have instead."""
    if len(item_ids) != len(new_item_ids):
        raise ToolFailed("the number of items to be exchanged should match")
    swaps = []
    for item, new_id in zip(_items(order, item_ids), new_item_ids, strict=True):
        new = db["products"][item["product_id"]]["variants"].get(new_id)
        if new is None or not new["available"]:
            raise ToolFailed(f"new item {new_id} not found or available")
        swaps.append((item, new))
    return swaps
