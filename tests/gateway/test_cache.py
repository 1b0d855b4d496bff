"""Results are kept within bounds, and computed once for all who ask at the same time."""

import asyncio

import pytest

from keras_inr.gateway.cache import Cache


def test_results_are_kept_until_there_is_no_room():
    async def scenario():
        looks, computed = [], []
        cache = Cache(10, looks.append)

        async def get(key, size):
            async def compute():
                computed.append(key)
                return bytes(size)

            return len(await cache.get(key, compute))

        assert [await get("a", 4), await get("b", 4), await get("a", 4)] == [4, 4, 4]
        assert computed == ["a", "b"]
        await get("c", 4)  # b was not used for longest
        assert await get("a", 4) == 4
        assert computed == ["a", "b", "c"]
        await get("b", 4)
        assert computed == ["a", "b", "c", "b"]
        assert await get("large", 11) == 11  # answered, not kept
        await get("large", 11)
        assert computed[-2:] == ["large", "large"]
        assert looks.count("hit") == 2

    asyncio.run(scenario())


def test_who_asks_meanwhile_waits_for_the_same():
    async def scenario():
        looks, started, go_on = [], [], asyncio.Event()
        cache = Cache(100, looks.append)

        async def compute():
            started.append(1)
            await go_on.wait()
            return b"tile"

        waiting = [asyncio.ensure_future(cache.get("key", compute)) for _ in range(5)]
        await asyncio.sleep(0)
        waiting[0].cancel()  # who goes away does not take the others along
        await asyncio.sleep(0)
        go_on.set()
        assert await asyncio.gather(*waiting[1:]) == [b"tile"] * 4
        assert started == [1]
        assert looks == ["miss", *["joined"] * 4]

    asyncio.run(scenario())


def test_errors_are_told_to_all_and_not_kept():
    async def scenario():
        cache, calls = Cache(100), []

        async def compute():
            calls.append(1)
            await asyncio.sleep(0)
            raise ValueError("no")

        found = await asyncio.gather(*(cache.get("key", compute) for _ in range(3)), return_exceptions=True)
        assert [str(error) for error in found] == ["no"] * 3
        assert calls == [1]
        with pytest.raises(ValueError, match="no"):
            await cache.get("key", compute)
        assert calls == [1, 1]

    asyncio.run(scenario())
