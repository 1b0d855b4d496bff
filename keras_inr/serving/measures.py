"""What a server counts, for Prometheus."""

import contextlib
import time
from collections.abc import Collection, Iterator

import prometheus_client

from keras_inr.serving.models import AVAILABLE, Version
from keras_inr.serving.status import RequestError

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Measures:
    """Requests, their seconds, and versions, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        labels = ("model", "api", "method", "code")
        self._requests = prometheus_client.Counter(
            "keras_inr_requests", "Requests that were answered.", labels, registry=self.registry
        )
        self._seconds = prometheus_client.Histogram(
            "keras_inr_request_seconds", "Seconds of a request.", labels[:3], buckets=BUCKETS, registry=self.registry
        )
        self._versions = prometheus_client.Gauge(
            "keras_inr_model_versions", "Versions that are available.", ("model",), registry=self.registry
        )
        self._loads = prometheus_client.Counter(
            "keras_inr_model_loads",
            "Versions that were loaded or could not be.",
            ("model", "result"),
            registry=self.registry,
        )
        self._lookups = prometheus_client.Counter(
            "keras_inr_cache_lookups", "Encoded pictures that were looked for.", ("result",), registry=self.registry
        )

    @contextlib.contextmanager
    def request(self, names: Collection[str], model: str, api: str, method: str) -> Iterator[None]:
        """Counts what happens in a `with` block; a model that is none of the names is counted with all such."""
        known = model if model in names else ""
        start, code = time.perf_counter(), "OK"
        try:
            yield
        except RequestError as error:
            code = error.code
            raise
        except BaseException:
            code = "INTERNAL"
            raise
        finally:
            self._requests.labels(known, api, method, code).inc()
            self._seconds.labels(known, api, method).observe(time.perf_counter() - start)

    def version_changed(self, name: str, number: int, version: Version) -> None:
        """Counts a change of a version's state."""
        if version.state == AVAILABLE:
            self._versions.labels(name).inc()
            self._loads.labels(name, "loaded").inc()
        elif version.error:
            self._loads.labels(name, "failed").inc()
        elif version.state == "UNLOADING":
            self._versions.labels(name).dec()

    def looked_up(self, result: str) -> None:
        """Counts a look into the cache: "hit", "miss" or "joined"."""
        self._lookups.labels(result).inc()

    def text(self) -> bytes:
        """All of it as Prometheus reads it."""
        return prometheus_client.generate_latest(self.registry)
