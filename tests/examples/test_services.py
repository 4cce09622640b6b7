"""The services that react to Kafka and speak over NATS, on real servers."""

import asyncio
import json
import signal

import nats

from reactor.testing.servers import Kafka, Nats
from tests.examples.shop import SERVICES


def test_orders_from_kafka_are_priced_by_a_service_on_nats_and_shipped_over_crashes(shop):
    with Kafka() as kafka, Nats() as bus:
        shop.edit("services/price-orders.yaml", '127.0.0.1:1"}\n  bus', f'{kafka.servers}"}}\n  bus')
        for name in SERVICES:
            shop.edit(name, "nats://127.0.0.1:1", bus.servers)
        asyncio.run(kafka.make_topic("orders", 3))
        asyncio.run(stream(bus))
        shop.start()
        listening = lambda: {t["state"] for t in shop.get("/triggers") if t["kind"] in ("kafka", "nats")} == {"armed"}  # noqa: E731
        shop.until(listening, "they listen")

        def order(*numbers, sku="tea"):
            values = [json.dumps({"id": n, "sku": sku, "quantity": 2}).encode() for n in numbers]
            asyncio.run(kafka.produce("orders", values))

        def shipped():
            return sorted(int(path.stem) for path in shop.files.glob("shipping/*.txt"))

        order(*range(10))
        asyncio.run(kafka.produce("orders", [b"{no", b'{"ping": 1}']))
        order(99, sku="gold")
        shop.until(lambda: len(shipped()) == 10, "ten are shipped")
        order(*range(10, 20))
        shop.stop(signal.SIGKILL)
        bus.kill()
        bus.start()
        shop.start()
        order(*range(20, 25))
        shop.until(lambda: len(shipped()) >= 25, "all are shipped")
        assert shipped() == [*range(25)]
        assert (shop.files / "shipping/7.txt").read_text() == "tea for 9.0\n"
        assert len(shop.runs("ship", 25)) == 25
        runs = shop.runs("price-orders", 26)
        assert [run["error"]["kind"] for run in runs if run["status"] == "failed"] == ["order.unknown"]
        (letter,) = shop.get("/dead-letters")
        assert (letter["trigger"], letter["metadata"]["topic"]) == ("price-orders/0", "orders")
        shop.stop()


async def stream(bus):
    """The stream that the flows want."""
    client = await nats.connect(bus.servers)
    await client.jetstream().add_stream(name="PRICED", subjects=["orders.priced"])
    await client.close()
