"""The held-out score: satisfaction of customers nothing is taught from, with the library as it stands."""

from collections.abc import Sequence
from functools import partial
from math import sqrt
from statistics import stdev

from scipy.special import stdtrit

from preceptor.dialogue.agent import Agent
from preceptor.dialogue.customers import Customer
from preceptor.judging.verdicts import Rating, Unscored
from preceptor.teaching.crew import Crew
from preceptor.teaching.events import HeldOutScore


async def score(crew: Crew, agent: Agent, customers: Sequence[Customer], iteration: int) -> HeldOutScore | None:
    """Let the agent serve the held-out customers and rate each conversation; None if none could be rated."""
    ratings = await crew.all("held-out", [partial(crew.send, serve, agent, customer) for customer in customers])
    values = [rating.satisfaction for rating in ratings if isinstance(rating, Rating)]
    if not values:
        return None
    mean, low, high = interval(values)
    return HeldOutScore(iteration, mean, low, high, len(values), len(ratings) - len(values))


async def serve(crew: Crew, agent: Agent, customer: Customer) -> Rating | Unscored:
    """Let the agent serve a customer and rate how it went. An errand."""
    return await crew.judge.rate(await crew.rollout.play(agent, customer), customer.seed)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and 95 % t interval of independent values; a single value has no interval but the scale."""
    n = len(values)
    mean = sum(values) / n
    if n < 2:
        return mean, 1.0, 5.0
    half = float(stdtrit(n - 1, 0.975)) * stdev(values) / sqrt(n)
    return mean, mean - half, mean + half
