"""Encoded pictures that were asked for lately, and one computation at a time for those who ask for the same."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable

import cachetools


class Cache:
    """The results of computations, as many as there is room for; those not used for longest go first.

    Belongs to one event loop.

    Args:
        most_bytes: of all results together; 0 keeps none.
        on_look: called with "hit" where a result was there, "miss" where it is computed, and "joined" where another
            request computes it already.
    """

    def __init__(self, most_bytes: int, on_look: Callable[[str], object] = lambda result: None) -> None:
        self._results: cachetools.LRUCache[Hashable, bytes] = cachetools.LRUCache(most_bytes, getsizeof=len)
        self._running: dict[Hashable, asyncio.Future[bytes]] = {}
        self._on_look = on_look

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[bytes]]) -> bytes:
        """The result of a key: kept, waited for, or computed. An error is told to all who wait, and not kept."""
        kept = self._results.get(key)
        if kept is not None:
            self._on_look("hit")
            return kept
        running = self._running.get(key)
        if running is None:
            self._on_look("miss")
            running = asyncio.ensure_future(self._computed(key, compute))
            running.add_done_callback(lambda done: done.cancelled() or done.exception())  # even if all went away
            self._running[key] = running
        else:
            self._on_look("joined")
        return await asyncio.shield(running)  # who goes away does not take the others' result along

    async def _computed(self, key, compute):
        try:
            result = await compute()
            if len(result) <= self._results.maxsize:
                self._results[key] = result
            return result
        finally:
            del self._running[key]
