import asyncio

from wit_builder.pace import Pace, Room


def test_a_busy_site_is_asked_more_rarely_and_comes_back() -> None:
    pace = Pace(0.5)
    intervals = []
    for _ in range(8):
        pace.back_off()
        intervals.append(pace.interval)
    assert intervals == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    for _ in range(22):
        pace.ease()
    assert pace.interval == 0.5


def test_a_site_without_a_limit_has_none_again_in_the_end() -> None:
    pace = Pace(0.0)
    pace.back_off()
    assert pace.interval == 1.0
    for _ in range(30):
        pace.ease()
    assert pace.interval == 0.0


def test_a_crawl_delay_stays() -> None:
    pace = Pace(1.0)
    pace.slow_down(10.0)
    pace.back_off()
    for _ in range(10):
        pace.ease()
    assert pace.interval == 10.0
    pace.slow_down(200.0)
    pace.back_off()
    assert pace.interval == 200.0


def test_room_is_given_in_the_order_of_asking() -> None:
    async def run() -> list[str]:
        room, order = Room(10), list[str]()

        async def hold(name: str, size: int) -> None:
            taken = await room.take(size)
            order.append(name)
            await asyncio.sleep(0)
            room.give_back(taken)

        first = await room.take(8)
        waiting = [asyncio.create_task(hold(name, size)) for name, size in (("large", 99), ("small", 1))]
        for _ in range(5):
            await asyncio.sleep(0)
        assert order == []  # the small one would fit, but it is not its turn
        room.give_back(first)
        await asyncio.gather(*waiting)
        return order

    assert asyncio.run(run()) == ["large", "small"]
