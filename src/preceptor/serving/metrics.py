"""What can be counted from outside, in Prometheus' form. No label holds anything a client can make up."""

import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from preceptor.llm.prices import NANO, Amount

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)


class Metrics:
    """The gateway's own registry: two gateways in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        at = self.registry
        self._requests = Counter("preceptor_requests", "Requests ended.", ("route", "status"), registry=at)
        self._teaching = Counter(
            "preceptor_teaching", "What was done for conversations.", ("tenant", "state"), registry=at
        )
        self._late = Counter("preceptor_embedder_late", "Word vectors stood in for a late embedder.", registry=at)
        self._tries = Counter("preceptor_upstream_answers", "Requests answered.", ("upstream",), registry=at)
        self._again = Counter("preceptor_upstream_retries", "Tries beyond the first.", registry=at)
        self._cut = Counter("preceptor_cut", "Answers not brought to their end.", ("route",), registry=at)
        self._first = Histogram(
            "preceptor_first_byte_seconds", "Until the upstream's first byte.", buckets=_SECONDS, registry=at
        )
        self._finding = Histogram(
            "preceptor_finding_seconds", "Until strategies were found.", buckets=_FAST, registry=at
        )
        self._refused = Counter("preceptor_refusals", "Requests we said no to.", ("reason",), registry=at)
        self._tokens = Counter("preceptor_tokens", "Tokens of answers.", ("tenant", "kind"), registry=at)
        self._money = Counter(
            "preceptor_money", "Cost of answers, in the project's currency.", ("tenant",), registry=at
        )
        self._guessed = Counter("preceptor_tokens_estimated", "Answers that told no usage.", ("tenant",), registry=at)
        self._lost = Gauge("preceptor_lines_lost", "Lines of logs and records that could not be kept.", registry=at)
        self._up = Gauge("preceptor_upstream_up", "Whether it is thought to be up.", ("upstream",), registry=at)
        self.under_way = Gauge("preceptor_requests_under_way", "Requests being answered.", registry=at)
        self._age = Gauge(
            "preceptor_release_age_seconds", "Since the live release was last read.", ("library",), registry=at
        )

    def ended(self, route: str, status: int, upstream: str, tries: int, first_byte: float, *, cut: bool) -> None:
        """A request is over. `status` 0: the client left before an answer."""
        self._requests.labels(route, str(status)).inc()
        if upstream and first_byte:
            self._tries.labels(upstream).inc()
            self._first.observe(first_byte)
        if tries > 1:
            self._again.inc(tries - 1)
        if cut:
            self._cut.labels(route).inc()

    def taught(self, tenant: str, state: str) -> None:
        self._teaching.labels(tenant, state).inc()

    def found(self, seconds: float, *, late: bool) -> None:
        self._finding.observe(seconds)
        if late:
            self._late.inc()

    def took(self, tenant: str, cost: Amount, *, estimated: bool) -> None:
        """An answer's tokens and money."""
        self._tokens.labels(tenant, "prompt").inc(cost.prompt_tokens)
        self._tokens.labels(tenant, "completion").inc(cost.completion_tokens)
        if cost.nano:
            self._money.labels(tenant).inc(cost.nano / NANO)
        if estimated:
            self._guessed.labels(tenant).inc()

    def refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def look(self, read: Mapping[str, float], up: Mapping[str, bool], lost: int) -> None:
        """How things stand now. `read`: when each library was last read, on the monotonic clock."""
        now = time.monotonic()
        for library, when in read.items():
            self._age.labels(library).set(now - when)
        for upstream, healthy in up.items():
            self._up.labels(upstream).set(healthy)
        self._lost.set(lost)

    def text(self) -> bytes:
        return generate_latest(self.registry)
