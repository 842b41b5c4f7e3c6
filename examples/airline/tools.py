"""An airline's reservation service: the tools that its agents' policy speaks of, over tables of users, reservations and
flights.

Written from the policy, the data and recorded calls. Like the service that they show, the functions refuse what cannot
be done (a full flight, a card that is not the customer's, sums that do not add up). Whether something *may* be done is
for the agent to know: the policy says that the service does not check.
"""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pydantic

from preceptor import Tables, ToolFailed
from preceptor.dialogue.tools.arithmetic import calculated

NOW = "2024-05-15T15:00:00"
"""The policy's."""
INSURANCE = 30
"""Dollars, per passenger."""
BAG = 50
"""Dollars, for each bag that is not free."""
CITIES = {
    "ATL": "Atlanta",
    "BOS": "Boston",
    "CLT": "Charlotte",
    "DEN": "Denver",
    "DFW": "Dallas",
    "DTW": "Detroit",
    "EWR": "Newark",
    "IAH": "Houston",
    "JFK": "New York",
    "LAS": "Las Vegas",
    "LAX": "Los Angeles",
    "LGA": "LaGuardia",
    "MCO": "Orlando",
    "MIA": "Miami",
    "MSP": "Minneapolis",
    "ORD": "Chicago",
    "PHL": "Philadelphia",
    "PHX": "Phoenix",
    "SEA": "Seattle",
    "SFO": "San Francisco",
}
Cabin = Literal["basic_economy", "economy", "business"]


class Leg(pydantic.BaseModel):
    flight_number: str
    """Such as HAT001."""
    date: str
    """YYYY-MM-DD."""


class Passenger(pydantic.BaseModel):
    first_name: str
    last_name: str
    dob: str
    """YYYY-MM-DD."""


class Payment(pydantic.BaseModel):
    payment_id: str
    amount: float
    """Dollars."""


def get_user_details(db: Tables, user_id: str) -> Any:
    """A user's profile: name, address, membership, payment methods, saved passengers and reservation numbers.

    Args:
        user_id: Such as sara_doe_496.
    """
    return _user(db, user_id)


def get_reservation_details(db: Tables, reservation_id: str) -> Any:
    """A reservation: flights, cabin, passengers, payments, baggage, insurance, and whether it is cancelled.

    Args:
        reservation_id: Such as 8JX2WO.
    """
    return _reservation(db, reservation_id)


def list_all_airports(db: Tables) -> dict[str, str]:
    """All airports that are flown to, by code, with their cities."""
    served = {place for flight in db["flights"].values() for place in (flight["origin"], flight["destination"])}
    return {code: CITIES.get(code, code) for code in sorted(served)}


def search_direct_flight(db: Tables, origin: str, destination: str, date: str) -> list[dict[str, Any]]:
    """Direct flights between two airports that can be booked for a day, with free seats and prices by cabin.

    Args:
        origin: Airport code, such as JFK.
        destination: Airport code, such as LAX.
        date: YYYY-MM-DD.
    """
    return [
        _offer(flight, date)
        for flight in db["flights"].values()
        if flight["origin"] == origin and flight["destination"] == destination and _bookable(flight, date)
    ]


def search_onestop_flight(db: Tables, origin: str, destination: str, date: str) -> list[list[dict[str, Any]]]:
    """Pairs of flights with one change between two airports that can be booked for a day, with free seats and prices.

    Args:
        origin: Airport code, such as JFK.
        destination: Airport code, such as LAX.
        date: YYYY-MM-DD, of the first flight.
    """
    onward = [flight for flight in db["flights"].values() if flight["destination"] == destination]
    pairs = []
    for first in db["flights"].values():
        if first["origin"] != origin or not _bookable(first, date):
            continue
        arrival, later = _arrival(first, date)
        for second in onward:
            fits = second["origin"] == first["destination"] and second["scheduled_departure_time_est"] >= arrival
            if fits and _bookable(second, later):
                pairs.append([_offer(first, date) | {"date": date}, _offer(second, later) | {"date": later}])
    return pairs


def get_flight_status(db: Tables, flight_number: str, date: str) -> Any:
    """How a flight stands on a day: available, on time, delayed, flying, landed or cancelled, with the times known.

    Args:
        flight_number: Such as HAT001.
        date: YYYY-MM-DD.
    """
    day = _flight(db, flight_number)["dates"].get(date)
    if day is None:
        raise ToolFailed(f"flight {flight_number} does not fly on {date}")
    return {key: value for key, value in day.items() if key not in ("available_seats", "prices")}


def book_reservation(
    db: Tables,
    user_id: str,
    origin: str,
    destination: str,
    flight_type: Literal["one_way", "round_trip"],
    cabin: Cabin,
    flights: list[Leg],
    passengers: list[Passenger],
    payment_methods: list[Payment],
    total_baggages: int,
    nonfree_baggages: int,
    insurance: Literal["yes", "no"],
) -> Any:
    """Book flights for a user and charge the payment methods.

    Args:
        user_id: Who books, such as sara_doe_496.
        origin: Airport code of the whole trip's origin.
        destination: Airport code of the whole trip's destination.
        flight_type: Whether the trip goes back.
        cabin: The same for all flights.
        flights: Every flight of the trip, in order.
        passengers: Everybody who flies.
        payment_methods: What is paid by which of the user's payment methods; together, the whole price.
        total_baggages: Checked bags of all passengers.
        nonfree_baggages: How many of these are paid for.
        insurance: Whether travel insurance is bought.
    """
    user = db["users"].edit(_user(db, user_id)["user_id"])
    legs = [_leg(db, leg, cabin, len(passengers)) for leg in flights]
    price = sum(leg["price"] for leg in legs) * len(passengers) + BAG * nonfree_baggages
    price += INSURANCE * len(passengers) if insurance == "yes" else 0
    for payment in payment_methods:
        method = _method(user, payment.payment_id)
        if method["source"] != "credit_card" and method["amount"] < payment.amount:
            raise ToolFailed(f"not enough balance in payment method {payment.payment_id}")
    paid = sum(payment.amount for payment in payment_methods)
    if round(paid - price, 2):
        raise ToolFailed(f"payment amount does not add up, total price is {price:g}, but paid {paid:g}")
    for payment in payment_methods:
        _spend(user, payment)
    number = _new_number(db)
    user["reservations"].append(number)
    reservation = {
        "reservation_id": number,
        "user_id": user_id,
        "origin": origin,
        "destination": destination,
        "flight_type": flight_type,
        "cabin": cabin,
        "flights": legs,
        "passengers": [passenger.model_dump() for passenger in passengers],
        "payment_history": [payment.model_dump() for payment in payment_methods],
        "created_at": NOW,
        "total_baggages": total_baggages,
        "nonfree_baggages": nonfree_baggages,
        "insurance": insurance,
    }
    return db["reservations"].add(number, reservation)


def cancel_reservation(db: Tables, reservation_id: str) -> Any:
    """Cancel a whole reservation. What was paid goes back to the original payment methods within 5 to 7 business days.

    Args:
        reservation_id: Such as ZFA04Y.
    """
    if _reservation(db, reservation_id).get("status") == "cancelled":
        raise ToolFailed("reservation is cancelled already")
    reservation = db["reservations"].edit(reservation_id)
    paid = reservation["payment_history"]
    paid.extend([{"payment_id": payment["payment_id"], "amount": -payment["amount"]} for payment in paid])
    reservation["status"] = "cancelled"
    return reservation


def update_reservation_flights(
    db: Tables, reservation_id: str, cabin: Cabin, flights: list[Leg], payment_id: str
) -> Any:
    """Change a reservation's flights, its cabin, or both, and charge or refund the difference.

    Args:
        reservation_id: Such as ZFA04Y.
        cabin: The cabin of all flights from now on, also if it stays.
        flights: Every flight of the trip from now on, also those that stay.
        payment_id: The user's credit card or gift card, for payment or refund.
    """
    reservation = db["reservations"].edit(_reservation(db, reservation_id)["reservation_id"])
    user = db["users"].edit(reservation["user_id"])
    count = len(reservation["passengers"])
    kept = {(leg["flight_number"], leg["date"]): leg for leg in reservation["flights"] if cabin == reservation["cabin"]}
    legs = [kept.get((leg.flight_number, leg.date)) or _leg(db, leg, cabin, count) for leg in flights]
    before = sum(leg["price"] for leg in reservation["flights"])
    _charge(user, reservation, payment_id, (sum(leg["price"] for leg in legs) - before) * count)
    reservation["flights"], reservation["cabin"] = legs, cabin
    return reservation


def update_reservation_baggages(
    db: Tables, reservation_id: str, total_baggages: int, nonfree_baggages: int, payment_id: str
) -> Any:
    """Change the number of checked bags and charge those that are paid for in addition.

    Args:
        reservation_id: Such as ZFA04Y.
        total_baggages: Checked bags of all passengers from now on.
        nonfree_baggages: How many of these are paid for.
        payment_id: The user's credit card or gift card.
    """
    reservation = db["reservations"].edit(_reservation(db, reservation_id)["reservation_id"])
    more = max(0, nonfree_baggages - reservation["nonfree_baggages"])
    _charge(db["users"].edit(reservation["user_id"]), reservation, payment_id, BAG * more)
    reservation["total_baggages"], reservation["nonfree_baggages"] = total_baggages, nonfree_baggages
    return reservation


def update_reservation_passengers(db: Tables, reservation_id: str, passengers: list[Passenger]) -> Any:
    """Change who flies: names and dates of birth of all passengers, as many as before.

    Args:
        reservation_id: Such as ZFA04Y.
        passengers: Everybody who flies from now on, also those who stay.
    """
    reservation = db["reservations"].edit(_reservation(db, reservation_id)["reservation_id"])
    if len(passengers) != len(reservation["passengers"]):
        raise ToolFailed("number of passengers does not match")
    reservation["passengers"] = [passenger.model_dump() for passenger in passengers]
    return reservation


def send_certificate(db: Tables, user_id: str, amount: int) -> str:
    """Give a user a travel certificate. Be careful: it cannot be taken back.

    Args:
        user_id: Such as sara_doe_496.
        amount: Dollars.
    """
    methods = db["users"].edit(_user(db, user_id)["user_id"])["payment_methods"]
    number = 3221322
    while f"certificate_{number}" in methods:
        number += 1
    made = f"certificate_{number}"
    methods[made] = {"source": "certificate", "amount": amount, "id": made}
    return f"Certificate {made} added to user {user_id} with amount {amount}."


def calculate(db: Tables, expression: str) -> str:
    """Work out a sum.

    Args:
        expression: Numbers with + - * / and brackets, such as 2 * (350 - 122).
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


def _reservation(db: Tables, reservation_id: str) -> Mapping[str, Any]:
    if reservation_id not in db["reservations"]:
        raise ToolFailed("reservation not found")
    found: Mapping[str, Any] = db["reservations"][reservation_id]
    return found


def _flight(db: Tables, number: str) -> Mapping[str, Any]:
    if number not in db["flights"]:
        raise ToolFailed(f"flight {number} not found")
    found: Mapping[str, Any] = db["flights"][number]
    return found


def _bookable(flight: Mapping[str, Any], date: str) -> bool:
    return bool(flight["dates"].get(date, {}).get("status") == "available")


def _offer(flight: Mapping[str, Any], date: str) -> dict[str, Any]:
    return {**{key: value for key, value in flight.items() if key != "dates"}, **flight["dates"][date]}


def _arrival(flight: Mapping[str, Any], date: str) -> tuple[str, str]:
    """The time and day of arrival; +1 marks the day after."""
    time, plus, days = flight["scheduled_arrival_time_est"].partition("+")
    return time, _later(date, int(days)) if plus else date


def _later(date: str, days: int) -> str:
    return (datetime.date.fromisoformat(date) + datetime.timedelta(days=days)).isoformat()


def _leg(db: Tables, leg: Leg, cabin: Cabin, passengers: int) -> dict[str, Any]:
    """A flight as a reservation keeps it, at today's price."""
    flight = _flight(db, leg.flight_number)
    if not _bookable(flight, leg.date):
        raise ToolFailed(f"flight {leg.flight_number} not available on date {leg.date}")
    day: Mapping[str, Any] = flight["dates"][leg.date]
    if day["available_seats"][cabin] < passengers:
        raise ToolFailed(f"not enough seats on flight {leg.flight_number}")
    return {
        "flight_number": leg.flight_number,
        "date": leg.date,
        "price": day["prices"][cabin],
        "origin": flight["origin"],
        "destination": flight["destination"],
    }


def _method(user: Mapping[str, Any], payment_id: str) -> Any:
    if payment_id not in user["payment_methods"]:
        raise ToolFailed(f"payment method {payment_id} not found")
    return user["payment_methods"][payment_id]


def _spend(user: dict[str, Any], payment: Payment) -> None:
    method = _method(user, payment.payment_id)
    if method["source"] == "gift_card":
        method["amount"] -= payment.amount
    elif method["source"] == "certificate":
        # What is left of a certificate is lost.
        del user["payment_methods"][payment.payment_id]


def _charge(user: dict[str, Any], reservation: dict[str, Any], payment_id: str, amount: float) -> None:
    """Take a change's price, or give it back where it is negative."""
    method = _method(user, payment_id)
    if method["source"] == "certificate":
        raise ToolFailed("certificate cannot be used to update reservation")
    if method["source"] == "gift_card":
        if method["amount"] < amount:
            raise ToolFailed("gift card balance is not enough")
        method["amount"] -= amount
    if amount:
        reservation["payment_history"].append({"payment_id": payment_id, "amount": amount})


def _new_number(db: Tables) -> str:
    return next(number for number in _numbers() if number not in db["reservations"])


def _numbers() -> Iterator[str]:
    """HATHAT, HATHAU, …"""
    for count in range(26**2):
        tens, ones = divmod(ord("T") - ord("A") + count, 26)
        yield f"HATH{chr(ord('A') + tens % 26)}{chr(ord('A') + ones)}"
