"""`reactor users|tokens|audit`, beside a server and without one."""

import sqlite3

import pytest

from tests.integration.test_cli import Bench

PASSWORD = "correct horse battery"


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    for server in made.servers:
        server.kill()
        server.wait()
        server.stdout.close()


def test_people_are_there_before_the_server_and_beside_it(bench):
    refused = bench.run("run", "flows", "--host", "0.0.0.0", "--port", "0", code=1)
    assert "users add NAME --role admin" in refused.stderr
    assert bench.run("users", "add", "ann", "--role", "admin", given=PASSWORD + "\n").stdout == "ann  admin\n"
    assert "12 to 256 characters" in bench.run("users", "add", "bob", given="short\n", code=2).stderr
    assert "there is a user" in bench.run("users", "add", "ann", given=PASSWORD + "\n", code=1).stderr
    assert [one["name"] for one in bench.json("users", "list", "--json")["items"]] == ["ann"]
    # Somebody may do everything now, so it may be reached from elsewhere; the made token is still good.
    bench.serve("--host", "0.0.0.0")
    assert bench.run("users", "add", "bob@example.com", "--no-password").stdout == "bob@example.com  viewer\n"
    assert "OIDC, not yet" in bench.run("users", "list").stdout
    assert bench.json("users", "set", "bob@example.com", "--role", "editor", "--disable", "--json")["disabled"] is True
    assert "Nothing is changed" in bench.run("users", "set", "ann", code=2).stderr
    made = bench.json("tokens", "create", "ci", "--role", "editor", "--expires", "1d", "--scope", "runs", "--json")
    (listed,) = bench.json("tokens", "list", "--json")["items"]
    assert (listed["id"], listed["scopes"], "token" in listed) == (made["id"], ["runs"], False)
    assert bench.json("runs", "list", "--json", REACTOR_TOKEN=made["token"])["items"] == []
    assert "not good for events" in bench.run("events", "list", code=1, REACTOR_TOKEN=made["token"]).stderr
    text = bench.run("tokens", "create", "plain")
    assert text.stdout.startswith("rct_")
    assert "not shown again" in text.stderr
    bench.run("tokens", "revoke", made["id"])
    assert "good no more" in bench.run("runs", "list", code=1, REACTOR_TOKEN=made["token"]).stderr
    bench.run("users", "remove", "bob@example.com")
    entries = bench.json("audit", "list", "--json")["items"][::-1]
    assert [(one["via"], one["action"], one["target"], one["status"]) for one in entries] == [
        ("cli", "POST /api/v1/users", "ann", 201),
        ("token", "POST /api/v1/users", "bob@example.com", 201),
        ("token", "PATCH /api/v1/users/{name}", "bob@example.com", 200),
        ("token", "POST /api/v1/tokens", "ci", 201),
        ("api_token", "GET /api/v1/events", "", 403),
        ("token", "POST /api/v1/tokens", "plain", 201),
        ("token", "DELETE /api/v1/tokens/{id}", made["id"], 200),
        ("", "GET /api/v1/runs", "", 401),
        ("token", "DELETE /api/v1/users/{name}", "bob@example.com", 200),
    ]
    assert "PATCH" in bench.run("audit", "list", "--target", "bob@example.com").stdout
    head = bench.json("audit", "verify", "--json")["head"]
    assert "as they were written" in bench.run("audit", "verify", "--head", head).stdout
    assert "cut off" in bench.run("audit", "verify", "--head", "00", code=1).stderr
    with sqlite3.connect(bench.folder / ".reactor" / "reactor.db") as file:
        file.execute("DROP TRIGGER audit_stays")
        file.execute("UPDATE audit SET who = 'eve' WHERE key = 2")
    assert "entry 2 is not as it was written" in bench.run("audit", "verify", code=1).stderr
