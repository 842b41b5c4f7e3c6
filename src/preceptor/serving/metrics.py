"""What can be counted from outside, in Prometheus' form. No label holds anything a client can make up.

Counted in plain numbers, and only in the event loop: prometheus-client's own counters take a lock and look labels up,
which for a request's dozen of them costs as much as reading its body. It still writes the text.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from preceptor.llm.prices import NANO, Amount

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_FAST = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08)


class _Numbers:
    """A counter, or a gauge, for each combination of labels."""

    def __init__(
        self, name: str, said: str, labels: Sequence[str] = (), form: type[Metric] = CounterMetricFamily
    ) -> None:
        self._about = name, said, labels
        self._form = form
        self.values: defaultdict[tuple[str, ...], float] = defaultdict(float)
        if not labels:
            self.values[()] = 0.0

    def family(self) -> Metric:
        name, said, labels = self._about
        family = self._form(name, said, labels=labels)  # type: ignore[call-arg]
        for values, number in self.values.items():
            family.add_metric(values, number)  # type: ignore[attr-defined]
        return family


class _Times:
    """A histogram of seconds."""

    def __init__(self, name: str, said: str, bounds: Sequence[float]) -> None:
        self._about = name, said
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self._sum += seconds

    def family(self) -> Metric:
        names = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        buckets = list(zip(names, accumulate(self._counts), strict=True))
        family = HistogramMetricFamily(*self._about)
        family.add_metric([], buckets, self._sum)
        return family


class Metrics:
    """The gateway's own registry: two gateways in one process do not mix."""

    def __init__(self) -> None:
        self.under_way = 0
        """Requests being answered."""
        self._requests = _Numbers("preceptor_requests", "Requests ended.", ("route", "status"))
        self._teaching = _Numbers("preceptor_teaching", "What was done for conversations.", ("tenant", "state"))
        self._late = _Numbers("preceptor_embedder_late", "Word vectors stood in for a late embedder.")
        self._tries = _Numbers("preceptor_upstream_answers", "Requests answered.", ("upstream",))
        self._again = _Numbers("preceptor_upstream_retries", "Tries beyond the first.")
        self._cut = _Numbers("preceptor_cut", "Answers not brought to their end.", ("route",))
        self._first = _Times("preceptor_first_byte_seconds", "Until the upstream's first byte.", _SECONDS)
        self._finding = _Times("preceptor_finding_seconds", "Until strategies were found.", _FAST)
        self._refused = _Numbers("preceptor_refusals", "Requests we said no to.", ("reason",))
        self._tokens = _Numbers("preceptor_tokens", "Tokens of answers.", ("tenant", "kind"))
        self._money = _Numbers("preceptor_money", "Cost of answers, in the project's currency.", ("tenant",))
        self._guessed = _Numbers("preceptor_tokens_estimated", "Answers that told no usage.", ("tenant",))
        gauge = GaugeMetricFamily
        self._lost = _Numbers("preceptor_lines_lost", "Lines of logs and records that could not be kept.", form=gauge)
        self._up = _Numbers("preceptor_upstream_up", "Whether it is thought to be up.", ("upstream",), gauge)
        self._busy = _Numbers("preceptor_requests_under_way", "Requests being answered.", form=gauge)
        self._age = _Numbers(
            "preceptor_release_age_seconds", "Since the live release was last read.", ("library",), gauge
        )
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def ended(self, route: str, status: int, upstream: str, tries: int, first_byte: float, *, cut: bool) -> None:
        """A request is over. `status` 0: the client left before an answer."""
        self._requests.values[route, str(status)] += 1
        if upstream and first_byte:
            self._tries.values[upstream,] += 1
            self._first.observe(first_byte)
        if tries > 1:
            self._again.values[()] += tries - 1
        if cut:
            self._cut.values[route,] += 1

    def taught(self, tenant: str, state: str) -> None:
        self._teaching.values[tenant, state] += 1

    def found(self, seconds: float, *, late: bool) -> None:
        self._finding.observe(seconds)
        if late:
            self._late.values[()] += 1

    def took(self, tenant: str, cost: Amount, *, estimated: bool) -> None:
        """An answer's tokens and money."""
        self._tokens.values[tenant, "prompt"] += cost.prompt_tokens
        self._tokens.values[tenant, "completion"] += cost.completion_tokens
        if cost.nano:
            self._money.values[tenant,] += cost.nano / NANO
        if estimated:
            self._guessed.values[tenant,] += 1

    def refused(self, reason: str) -> None:
        self._refused.values[reason,] += 1

    def look(self, read: Mapping[str, float], up: Mapping[str, bool], lost: int) -> None:
        """How things stand now. `read`: when each library was last read, on the monotonic clock."""
        now = time.monotonic()
        for library, when in read.items():
            self._age.values[library,] = now - when
        for upstream, healthy in up.items():
            self._up.values[upstream,] = healthy
        self._lost.values[()] = lost
        self._busy.values[()] = self.under_way

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks of a collector."""
        for one in vars(self).values():
            if isinstance(one, _Numbers | _Times):
                yield one.family()

    def text(self) -> bytes:
        return generate_latest(self.registry)
