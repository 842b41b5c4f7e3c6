"""What can be counted from outside, in Prometheus' form. No label holds anything a client can make up."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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
        self.under_way = Gauge("preceptor_requests_under_way", "Requests being answered.", registry=at)
        self.fresh = Gauge(
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

    def text(self) -> bytes:
        return generate_latest(self.registry)
