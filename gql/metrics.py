"""`/metrics`: the figures of this process in Prometheus' text format, and how much work waits in the database.

https://prometheus.io/docs/instrumenting/exposition_formats/. They are read off the live engine and its neighbours when they are asked for.
"""

from collections.abc import Awaitable, Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from datastore.backlog import Backlog, backlog_of_jobs, backlog_of_webhooks
from datastore.errors import UnavailableError
from gql.addresses import is_of_this_machine
from resolvers.engine import is_operator
from resolvers.services import Monitor, Services

_GAUGES = {
    "subscribers": "Live operations watched, equal ones counted each.",
    "distinct_operations": "Different live operations, each with one execution for all of its watchers.",
    "due": "Live operations that wait for their run.",
    "lag_seconds": "How long the change stream took to reach the server's clock when last looked at.",
}
_COUNTERS = {
    "runs": "Runs of live operations.",
    "unchanged_runs": "Runs whose result was as before.",
    "wakes": "How often a change touched what a live operation had read.",
    "changes": "Changes followed.",
    "matching_seconds": "Seconds spent finding what changes touch.",
    "streams_opened": "Change streams opened.",
}


class EngineCollector(Collector):
    """The live engine's figures as metrics."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        """Each figure once; none while no engine runs."""
        if self._monitor.figures is None:
            return
        figures = self._monitor.figures()
        yield GaugeMetricFamily("tillstream_live_ready", "Whether live results are fresh.", value=float(figures.ready))
        for name, meaning in _GAUGES.items():
            yield GaugeMetricFamily(f"tillstream_live_{name}", meaning, value=getattr(figures, name))
        for name, meaning in _COUNTERS.items():
            yield CounterMetricFamily(f"tillstream_live_{name}", meaning, value=getattr(figures, name))


class WorkCollector(Collector):
    """What came of the jobs that this process did and of the webhooks that it sent, and what waits."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.jobs: Backlog | None = None
        """None, as `webhooks`, where the database does not say."""
        self.webhooks: Backlog | None = None

    def collect(self) -> Iterator[Metric]:
        """The counts by outcome, and two figures of each queue."""
        meaning = "Attempts of jobs, and runs of crons, in this process."
        attempts = CounterMetricFamily("tillstream_jobs_attempts", meaning, labels=["kind", "outcome"])
        for labels, count in sorted(self._monitor.attempts.items()):
            attempts.add_metric(labels, count)
        yield attempts
        sent = CounterMetricFamily("tillstream_webhooks_attempts", "Attempts to deliver a webhook, in this process.", labels=["outcome"])
        for outcome, count in sorted(self._monitor.webhooks.items()):
            sent.add_metric([outcome], count)
        yield sent
        yield from _waiting("tillstream_jobs", "Jobs and crons that are due and wait for a worker", self.jobs)
        yield from _waiting("tillstream_webhooks", "Webhook endpoints with messages that are due, without those that fail", self.webhooks)


def _waiting(name: str, what: str, backlog: Backlog | None) -> Iterator[Metric]:
    if backlog is not None:
        yield GaugeMetricFamily(f"{name}_due", f"{what}, a thousand at most.", backlog.due)
        yield GaugeMetricFamily(f"{name}_oldest_due_seconds", "For how long the oldest of them has been due.", backlog.age.total_seconds())


def metrics_endpoint(services: Services) -> Callable[[Request], Awaitable[Response]]:
    """The route's function: for operators alone (`Authorization: Bearer <TILLSTREAM_OPERATOR_TOKEN>`).

    Where no token is set, who asks on the machine itself is one, but in production.
    """
    registry = CollectorRegistry()
    registry.register(EngineCollector(services.monitor))
    work = WorkCollector(services.monitor)
    registry.register(work)

    async def metrics(request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        for_all = services.settings.operator_token is None and not is_of_this_machine(request.scope)
        if for_all or not is_operator(services, token if scheme.lower() == "bearer" else None):
            return PlainTextResponse("Show the operator's token.\n", 401, {"WWW-Authenticate": "Bearer"})
        now = services.clock()
        try:
            work.jobs = await backlog_of_jobs(services.database, now)
            work.webhooks = await backlog_of_webhooks(services.database, now)
        except UnavailableError:
            work.jobs = work.webhooks = None
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return metrics
