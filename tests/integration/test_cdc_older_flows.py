"""`on: {event: database.change}`, as flows of the older engine write it, on a real PostgreSQL."""

import asyncio

import psycopg
import pytest

from reactor.testing.running import running_reactor
from reactor.testing.servers import Postgres

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server():
    with Postgres() as made:
        yield made


OLDER = """
name: older
on: {event: database.change, table: users, operation: OPERATION}
workflow:
  - {name: tell, action: log.info, message: "{{ .event.metadata.operation }} {{ .event.payload.new.id }}"}
"""


@pytest.mark.proves("on.older.{table,operation}")
async def test_flows_of_the_older_engine_hear_of_the_default_connection(server):
    db = psycopg.connect(server.url(), autocommit=True)
    db.execute("CREATE TABLE users (id int PRIMARY KEY)")
    db.execute("CREATE TABLE other (id int PRIMARY KEY)")
    connections = f"connections: {{db: {{type: postgres, url: '{server.url()}'}}}}\n"
    async with running_reactor({"older": OLDER.replace("OPERATION", "UPDATE") + connections}) as reactor:
        await reactor.armed()
        db.execute("INSERT INTO other VALUES (1)")
        db.execute("INSERT INTO users VALUES (1)")
        db.execute("UPDATE users SET id = 2")
        async with asyncio.timeout(10):
            while not (found := (await reactor.get("/runs"))["items"]):
                await asyncio.sleep(0.02)
        (run,) = found
        assert (await reactor.finished(run["id"]))["steps"][0]["output"]["message"] == "update 2"
    db.close()


async def test_flows_of_the_older_engine_without_a_database_say_what_to_do():
    async with running_reactor({"older": OLDER.replace("OPERATION", "INSERT")}) as reactor:
        async with asyncio.timeout(10):
            while (found := (await reactor.get("/triggers"))["items"][0])["state"] != "failed":
                await asyncio.sleep(0.02)
    assert "there is no connection of type postgres or mysql" in found["reason"]
    assert "reactor connections set" in found["reason"]
