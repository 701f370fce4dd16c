"""Waits for futures end with them, or when they have taken too long, whatever else waits."""

import asyncio

from tapehead.recording.waits import BoundedWaits


def test_a_wait_ends_with_its_future_and_is_not_late() -> None:
    late: list[None] = []
    waits = BoundedWaits(3600, lambda: late.append(None))

    async def wait() -> None:
        futures = [asyncio.get_running_loop().create_future() for _ in range(3)]
        waiting = [asyncio.ensure_future(waits.end_in_time(future)) for future in futures]
        await asyncio.sleep(0)
        for future in reversed(futures):
            future.set_result(None)
        await asyncio.gather(*waiting)

    for _ in range(2):  # the second time on another event loop
        asyncio.run(wait())
    assert not late


def test_waits_without_end_end_all_the_same_each_in_its_turn() -> None:
    events: list[str] = []
    waits = BoundedWaits(0.001, lambda: events.append("late"))

    async def wait(name: str) -> None:
        await waits.end_in_time(asyncio.get_running_loop().create_future())
        events.append(name)

    async def wait_for_some() -> None:
        first = asyncio.ensure_future(wait("first"))
        await asyncio.sleep(0)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(waits.end_in_time(done))
        await asyncio.sleep(0)
        done.set_result(None)
        await asyncio.gather(first, waiting)
        await asyncio.gather(wait("second"), wait("third"))

    asyncio.run(wait_for_some())
    assert events.count("late") == 3
    assert [each for each in events if each != "late"] == ["first", "second", "third"]


def test_a_wait_that_is_cancelled_leaves_the_others() -> None:
    late: list[None] = []
    waits = BoundedWaits(0.001, lambda: late.append(None))

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        cancelled = asyncio.ensure_future(waits.end_in_time(loop.create_future()))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.gather(cancelled, waits.end_in_time(loop.create_future()), return_exceptions=True)

    asyncio.run(wait())
    assert len(late) == 1
