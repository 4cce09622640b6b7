"""Every example does what its header says: real server, real files, real mails, real signatures."""

import asyncio
import email
import email.policy
import hashlib
import hmac
import json
import shutil
import signal
import sqlite3
import subprocess
import time
from urllib.parse import unquote

import psycopg
import pytest

from reactor.testing.servers import Mosquitto, Postgres, Redis, smtp_server
from tests.examples.shop import ABROAD, ETL, QUEUE, SENSORS, service
from tests.integration.mqtt_kit import publish

CSV = "country,amount\nDE,10.50\nFR,7\nDE,2\n"
NASTY = "Ann'; touch pwned; echo '\"$(touch pwned)`touch pwned`"


def flow_files(folder):
    return [path for path in (folder / "examples").rglob("*.yaml") if not path.name.endswith(".test.yaml")]


def _settled(triggers):
    return triggers if all(trigger["state"] != "arming" for trigger in triggers) else None


def test_a_fresh_machine_is_green(shop):
    assert "no problems" in shop.cli("validate", "examples")
    shop.start()
    triggers = shop.until(lambda: _settled(shop.get("/triggers")), "every trigger is armed, or says why it is not")
    abroad = {trigger["flow"]: trigger for trigger in triggers if trigger["kind"] in ABROAD}
    assert {trigger["state"] for trigger in abroad.values()} == {"failed"}
    assert "Redis at 127.0.0.1:1/0 cannot be reached" in abroad["work"]["reason"]
    assert "PostgreSQL cannot be reached" in abroad["copy-orders"]["reason"]
    assert "the broker 127.0.0.1:1 cannot be reached" in abroad["temperature"]["reason"]
    states = {trigger["flow"]: trigger["state"] for trigger in triggers if trigger["flow"] not in abroad}
    assert {states.pop(name) for name in ("deployment", "alert-slack", "alert-webhook")} == {"disabled"}
    assert set(states.values()) == {"armed"}
    assert shop.get("/problems") == []
    assert len(shop.get("/flows")) == len(flow_files(shop.folder))
    hello = shop.http.post("/hello", json={"name": "Ann"})
    assert (hello.status_code, hello.json()) == (200, {"hello": "Ann"})
    assert shop.http.get("/hello").json() == {"hello": "world"}
    assert shop.cli("runs", "list", "--status", "failed", "--json").count('"id"') == 0


def test_a_reminder_outlives_the_process(shop):
    shop.start()
    receipt = shop.send("reminder.set", {"text": "tea is ready", "in": "2s"})
    shop.stop(signal.SIGKILL)
    time.sleep(2)  # what was due meanwhile is done at the start
    shop.start()
    assert shop.run(receipt)["status"] == "completed"
    assert shop.text("outbox/reminders.txt").count("tea is ready") == 1


def test_registration_keeps_the_user_and_sends_the_mail(shop):
    shop.start()
    with smtp_server() as smtp:
        shop.cli("secrets", "set", "smtp_url", "-", stdin=f"smtp://{smtp.host}:{smtp.port}")
        run = shop.run(shop.send("user.registered", {"name": "  ann smith ", "email": "Ann@Example.org "}))
        assert run["status"] == "completed", run["error"]
        assert run["output"] == {"email": "ann@example.org", "name": "Ann Smith", "mail_sent": True}
        (letter,) = smtp.messages
        message = email.message_from_bytes(letter.content, policy=email.policy.default)
        assert (letter.recipients, message["subject"]) == (("ann@example.org",), "Welcome, Ann Smith!")
        assert "Hello Ann Smith" in message.get_content()
        again = shop.send("user.registered", {"name": "Ann", "email": "ann@example.org"})
        assert again["runs"] == []
    assert shop.events("user.welcomed") == [{"email": "ann@example.org", "name": "Ann Smith"}]
    with sqlite3.connect(shop.files / "users.db") as database:
        assert database.execute("SELECT email, name FROM users").fetchall() == [("ann@example.org", "Ann Smith")]
    database.close()
    wrong = shop.run(shop.send("user.registered", {"name": "Bob", "email": "bob"}))
    assert (wrong["status"], wrong["error"]["kind"]) == ("failed", "user.invalid")


def test_registration_without_a_mail_server_keeps_the_mail(shop):
    shop.start()
    run = shop.run(shop.send("user.registered", {"name": "Robert'); DROP TABLE users;--", "email": "bob@example.org"}))
    assert (run["status"], run["output"]["mail_sent"]) == ("completed", False)
    kept = shop.text("outbox/mail-*.txt")
    assert "To: bob@example.org" in kept
    assert "reactor secrets set smtp_url" in kept


def test_files_are_summarised_also_those_of_before(shop):
    shop.drop("early.csv", CSV)
    shop.start()
    shop.drop("deep/er/sales.csv", CSV)
    shop.drop("bad.csv", "country,amount\nDE,1,2\n")
    runs = shop.runs("file-processing", 3)
    done = [run["output"] for run in runs if run["status"] == "completed"]
    assert done == [{"rows": 3, "total": 19.5, "countries": ["DE", "FR"]}] * 2
    assert "- DE: 12.5\n- FR: 7.0" in shop.text("outbox/sales.md")
    assert "19.5 in all" in shop.text("outbox/early.md")
    (failed,) = [run for run in runs if run["status"] == "failed"]
    assert "bad.csv: line 2: 3 cells" in failed["error"]["message"]
    assert "3 cells" in shop.text("rejected/*-bad.csv.txt")
    assert [path.name for path in shop.files.glob("inbox/**/*.csv")] == []
    assert len([*shop.files.glob("done/*.csv")]) == 2


def test_the_report_is_written_and_mailed(shop):
    shop.edit("scheduled-report.yaml", "schedule: 0 8 * * 1-5", 'schedule: "* * * * * *"')
    with smtp_server() as smtp:
        shop.cli("secrets", "set", "smtp_url", "-", stdin=f"smtp://{smtp.host}:{smtp.port}")
        shop.start()
        shop.run(shop.send("user.registered", {"name": "Ann", "email": "ann@example.org"}))
        there = "New users until"
        report = shop.until(lambda: "ann@example.org" in shop.text("outbox/report-*.txt") and there, "Ann is told of")
        assert report == there
        shop.until(lambda: [m for m in smtp.messages if b"- Ann <ann@example.org>" in m.content], "the mail is there")
        assert {run["status"] for run in shop.runs("daily-report", 2)} == {"completed"}
        shop.stop()


def test_the_monitor_tells_when_a_service_is_down(shop):
    shop.edit("monitor/api-monitor.yaml", "every: 1m", "every: 1s")
    shop.edit("monitor/api-monitor.yaml", "delay: 500ms", "delay: 10ms")
    with service(200) as watched:
        shop.env["EXAMPLES_URL"] = watched.url
        shop.start()
        assert shop.runs("api-monitor")[0]["output"] == {"up": True, "status": 200}
        watched.answers = [503]
        (alert, *_) = shop.events("alert", 2)
        assert alert["url"] == f"{watched.url}/health"
        assert alert["kind"] == "http.503"
        asked = len(watched.seen)
        watched.answers = [503, 503, 200]
        shop.until(lambda: shop.runs("api-monitor", 1)[-1]["output"]["up"], "it is up again")
        assert len(watched.seen) >= asked + 3
    assert shop.text("outbox/alerts.log").count("503") == 1, "the same trouble is told once"
    shop.stop()


def test_an_order_is_charged_packed_and_confirmed_once(shop):
    shop.start()
    order = {"id": "7", "total": 250, "email": "ann@example.org"}
    first = shop.send("order.placed", order, id="order-7")
    run = shop.run(first)
    assert run["output"] == {"status": "shipped", "charge": "ch_7", "confirmed": True}
    assert shop.text("orders/7.slip.txt") == "Order 7, 250.00 paid (ch_7)\n"
    assert not (shop.files / "orders/7.reserved").exists()
    again = shop.send("order.placed", order, id="order-7")
    assert again["duplicate"]
    assert again["runs"] == first["runs"]
    assert shop.events("order.shipped") == [{"order": "7", "charge": "ch_7"}]
    assert len(shop.runs("demo-bank")) == 1


def test_an_order_may_be_refused_or_fail(shop):
    shop.start()
    refused = shop.run(shop.send("order.placed", {"id": "8", "total": 2500}))
    assert refused["status"] == "completed"
    assert refused["output"]["status"] == "refused"
    assert "402" in refused["output"]["reason"]
    assert shop.events("order.refused")[0]["order"] == "8"
    assert not (shop.files / "orders/8.slip.txt").exists()
    failed = shop.run(shop.send("order.placed", {"id": "9", "total": "much"}))
    assert (failed["status"], failed["error"]["kind"]) == ("failed", "order.invalid")
    assert shop.events("order.failed")[0]["kind"] == "order.invalid"


def test_an_order_is_charged_through_a_bank_that_stumbles(shop):
    with service(503, 500, 201) as bank:
        shop.env["EXAMPLES_URL"] = bank.url
        shop.start()
        run = shop.run(shop.send("order.placed", {"id": "10", "total": 5}))
        assert run["output"] == {"status": "shipped", "charge": "ch_x", "confirmed": False}
    charges = [headers for path, headers in bank.seen if path == "/demo/bank/charges"]
    assert len(charges) == 3
    assert len({headers["idempotency-key"] for headers in charges}) == 1


def test_a_trip_is_booked_as_a_whole_or_not_at_all(shop):
    shop.start()
    done = shop.run(shop.send("trip.wanted", {"id": "1", "to": "Oslo", "amount": 900, "car": True}))
    assert (done["status"], done["output"]) == ("completed", {"trip": "1", "charge": "ch_trip-1"})
    assert sorted(path.name for path in shop.files.glob("trips/*")) == ["1-car.txt", "1-flight.txt", "1-hotel.txt"]
    failed = shop.run(shop.send("trip.wanted", {"id": "2", "to": "Oslo", "amount": 9000}))
    assert (failed["status"], failed["error"]["kind"]) == ("failed", "http.402")
    steps = {step["path"]: step["status"] for step in failed["steps"]}
    assert steps["book.branches.flight.flight.undo"] == steps["book.branches.hotel.hotel.undo"] == "completed"
    assert "book.branches.car.car.undo" not in steps, "what was skipped is not undone"
    assert not [*shop.files.glob("trips/2-*")]
    assert shop.events("trip.refused")[0]["trip"] == "2"


def test_an_expense_waits_for_people_over_a_crash(shop):
    shop.start()
    small = shop.run(shop.send("expense.claimed", {"id": "e1", "who": "ann", "amount": 20, "for": "pens"}))
    assert small["output"] == {"state": "approved"}
    asked = shop.send("expense.claimed", {"id": "e2", "who": "<b>ann</b>", "amount": 800, "for": "a chair"})
    letter = "outbox/approval-e2.txt"
    shop.until(lambda: (shop.files / letter).exists() and "token=" in shop.text(letter), "the lead is told")
    shop.stop(signal.SIGKILL)
    shop.start()
    link = shop.text(letter).splitlines()[0].split("://")[1].partition("/")[2]
    page = shop.http.get("/" + link)
    assert "&lt;b&gt;ann&lt;/b&gt; wants 800 back" in page.text
    fields = dict(pair.split("=", 1) for pair in link.partition("?")[2].split("&"))
    address = "/" + link.partition("?")[0]
    form = {name: unquote(value) for name, value in fields.items()} | {"decision": "approve", "field.reason": "fine"}
    assert shop.http.post(address, data=form).status_code == 200
    run = shop.run(asked)
    assert (run["status"], run["output"]) == ("completed", {"state": "approved"})
    assert shop.http.post(address, data=form).status_code in (409, 410), "a link works once"
    assert "token=" not in json.dumps(run), "links are secrets"


def test_a_thousand_files_are_worked_on_in_order(shop):
    many = shop.files / "many"
    many.mkdir(parents=True, exist_ok=True)
    for number in range(1_000):
        (many / f"{number:04}.txt").write_text(f"file {number}\n")
    shop.start()
    assert "1 run started" in shop.cli("flows", "run", "checksums")
    (run,) = shop.runs("checksums")
    assert (run["status"], run["output"]) == ("completed", {"files": 1_000})
    lines = shop.text("outbox/checksums.txt").splitlines()
    assert len(lines) == 1_000
    assert lines[7] == f"{hashlib.sha256(b'file 7' + bytes([10])).hexdigest()}  0007.txt"


def test_five_failed_logins_raise_one_alarm(shop):
    shop.start()
    for number in range(6):
        shop.send("login", {"user": "ann", "ok": False, "ip": f"192.0.2.{number}"})
    for _ in range(4):
        shop.send("login", {"user": "bob", "ok": False, "ip": "192.0.2.9"})
    assert shop.runs("brute-force")[0]["output"] == {"alarms": 1}
    shop.until(lambda: "user ann: 5 failed logins" in shop.text("outbox/alerts.log"), "the alarm is written")
    assert len(shop.runs("brute-force")) == 1


def signed(shop, secret, event, data):
    body = json.dumps(data).encode()
    signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
    headers = {"x-github-event": event, "x-hub-signature-256": f"sha256={signature}", "x-github-delivery": data["d"]}
    return shop.http.post("/hooks/github", content=body, headers={**headers, "content-type": "application/json"})


def push(source, commit, delivery, **changes):
    return {
        "d": delivery,
        "ref": "refs/heads/main",
        "after": commit,
        "repository": {"full_name": "example/shop", "clone_url": str(source)},
        "pusher": {"name": NASTY},
        "head_commit": {"message": NASTY},
        **changes,
    }


@pytest.mark.skipif(shutil.which("git") is None, reason="git is missing; install it with: apt-get install git")
def test_a_signed_push_is_deployed(shop):
    source = shop.folder / "source"
    git = ["git", "-C", source, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", source], check=True)
    (source / "index.html").write_text("new")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "one"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    shop.edit("deployment.yaml", "delay: 5s", "delay: 10ms")
    shop.start()
    assert signed(shop, b"x", "push", push(source, commit, "0")).status_code == 404, "it does not listen yet"

    shop.cli("secrets", "set", "github_webhook", "-", stdin="a long random text")
    shop.edit("deployment.yaml", "enabled: false", "enabled: true")
    secret = b"a long random text"
    shop.until(lambda: shop.get("/triggers", flow="deployment")[0]["state"] == "armed", "the webhook is armed")
    assert signed(shop, b"another", "push", push(source, commit, "1")).status_code == 401
    branch = signed(shop, secret, "push", push(source, commit, "2", ref="refs/heads/$(touch pwned)"))
    assert branch.json()["runs"] == []
    assert "refs/heads/main" in shop.cli("explain", "event", branch.json()["event_id"])

    answer = signed(shop, secret, "push", push(source, commit, "3"))
    run = shop.run(answer.json())
    assert (run["status"], run["output"]) == ("completed", {"release": commit}), run["error"]
    assert (shop.files / "current/index.html").read_text() == "new"
    assert "touch pwned" in shop.text("outbox/deployments.log")
    assert signed(shop, secret, "push", push(source, commit, "3")).json()["duplicate"]

    failed = shop.run(signed(shop, secret, "push", push("/nowhere; touch pwned", commit, "4")).json())
    assert failed["status"] == "failed"
    assert [step["attempts"] for step in failed["steps"] if step["path"] == "fetch"] == [3]
    assert "deployment of" in shop.text("outbox/alerts.log")
    assert [*shop.folder.rglob("pwned")] == []


def test_a_flow_of_the_older_engine_runs_as_it_is(shop):
    shop.start()
    form = {"name": NASTY, "email": "ann@example.org", "topic": "sales", "text": "It's fine"}
    run = shop.run(shop.http.post("/webhook/contact", json=form).json())
    steps = {step["name"]: step for step in run["steps"]}
    assert run["status"] == "completed"
    assert steps["greet"]["output"]["message"] == f"Message from {NASTY} about sales"
    assert steps["save"]["output"]["stdout"] == "saved\n"
    assert steps["sales"]["output"]["message"] == "Sales: answer ann@example.org"
    assert shop.text("outbox/contacts.txt") == f"{NASTY} <ann@example.org>: It's fine\n"
    other = shop.run(shop.http.post("/webhook/contact", json={**form, "topic": "other"}).json())
    assert {step["name"]: step["status"] for step in other["steps"]}["sales"] == "skipped"
    assert [*shop.folder.rglob("pwned")] == []


def test_jobs_are_worked_off_once_over_a_crash_and_a_redis_that_goes_away(shop):
    with Redis(durable=True) as redis, service(503, 200) as other:
        for name in QUEUE:
            shop.edit(name, "redis://127.0.0.1:1", redis.url())
        shop.edit("work-queue/work.yaml", "delay: 200ms", "delay: 10ms")
        shop.edit("work-queue/dead-jobs.yaml", "for: 1m", "for: 1s")
        shop.start()
        jobs = [{"id": str(n), "url": f"{other.url}/{n}"} for n in range(20)]
        lost = {"id": "lost", "url": f"{shop.url}/nowhere"}
        added = shop.http.post("/jobs", json={"jobs": [*jobs[:10], lost]})
        assert (added.status_code, len(added.json()["added"])) == (200, 11)
        shop.stop(signal.SIGKILL)
        redis.kill()
        redis.start()
        shop.start()
        assert len(shop.http.post("/jobs", json={"jobs": jobs[10:]}).json()["added"]) == 10
        runs = shop.runs("work", 21)
        assert sorted(run["status"] for run in runs) == ["completed"] * 20 + ["failed"]
        assert sorted(run["output"]["id"] for run in runs if run["status"] == "completed") == sorted(
            map(str, range(20))
        )
        assert (shop.files / "jobs/7.txt").read_text() == "200\n"
        (dead,) = redis.do("XRANGE", "jobs.dead", "-", "+")
        letter = json.loads(dead[1][1])
        assert (letter["job"], letter["kind"]) == (lost, "http.404")
        assert shop.text("outbox/dead-jobs.txt") == f"lost: http.404 ({letter['run']})\n"
        assert redis.do("XPENDING", "jobs", "workers")[0] == 0
        shop.stop()


def test_a_table_is_copied_change_by_change_over_crashes(shop):
    with Postgres({"synchronous_commit": "on"}) as postgres:
        with psycopg.connect(postgres.url(), autocommit=True) as admin:
            admin.execute("CREATE DATABASE shop")
        for name in ETL:
            shop.edit(name, "postgres@127.0.0.1:1/", f"postgres@127.0.0.1:{postgres.port}/")

        def sql(*statements):
            with psycopg.connect(postgres.url("shop"), autocommit=True) as there:
                return [there.execute(statement) for statement in statements]

        def copied(*rows):
            with sqlite3.connect(shop.files / "warehouse.db") as copy:
                found = copy.execute("SELECT id, customer, total FROM orders ORDER BY id").fetchall()
            copy.close()
            return found == [*rows]

        sql("CREATE TABLE orders (id int PRIMARY KEY, customer text, total numeric, note text)")
        sql("INSERT INTO orders VALUES (1, 'Ann', 2.50, 'fragile'), (2, 'Bob', 9, NULL)")
        shop.start()
        shop.until(lambda: {t["state"] for t in shop.get("/triggers") if t["kind"] == "cdc"} == {"armed"}, "it listens")
        shop.until(lambda: copied((1, "Ann", "2.50"), (2, "Bob", "9")), "what was there is copied")
        sql("UPDATE orders SET total = 3 WHERE id = 1")
        shop.until(lambda: len([*shop.files.glob("history/1/*.json")]) == 1, "the change is a file")
        shop.stop(signal.SIGKILL)
        sql("DELETE FROM orders WHERE id = 2", "INSERT INTO orders VALUES (3, 'Eve; --', 1)")
        sql(*(f"UPDATE orders SET total = {n} WHERE id = 3" for n in range(20)))
        sql("UPDATE orders SET id = 4 WHERE id = 1")
        postgres.kill()
        postgres.start()
        shop.start()
        shop.until(lambda: copied((3, "Eve; --", "19"), (4, "Ann", "3")), "the copy is as the table")
        shop.until(lambda: len([*shop.files.glob("history/3/*.json")]) == 21, "every state is a file")
        (first, *_) = sorted(shop.files.glob("history/3/*.json"))
        assert json.loads(first.read_text())["row"]["customer"] == "Eve; --"
        assert len(shop.runs("copy-orders")) == 2 + 1 + 1 + 1 + 20 + 1
        shop.stop()


def test_sensors_raise_alarms_and_silence_is_noticed(shop):
    with Mosquitto() as broker:
        for name in SENSORS:
            shop.edit(name, "mqtt://127.0.0.1:1", broker.url())
        shop.edit("iot/silence.yaml", "within: 2m", "within: 2s")
        shop.start()
        shop.until(
            lambda: all(t["state"] == "armed" for t in shop.get("/triggers") if t["kind"] == "mqtt"),
            "the broker is heard",
        )
        asyncio.run(publish(broker.url(), "sensors/attic/temperature", '{"celsius": 21}', '{"celsius": 61}'))
        asyncio.run(publish(broker.url(), "devices/door/alive", ""))
        shop.until(lambda: "attic/temperature: 61 degrees" in shop.text("outbox/alerts.log"), "the alarm is written")
        shop.stop(signal.SIGKILL)
        asyncio.run(publish(broker.url(), "sensors/cellar/temperature", '{"celsius": 99}', '{"celsius": 99}'))
        shop.start()
        shop.until(lambda: "cellar/temperature: 99 degrees" in shop.text("outbox/alerts.log"), "what came meanwhile")
        shop.until(lambda: "device door: no heartbeat" in shop.text("outbox/alerts.log"), "the silence is told")
        runs = shop.runs("temperature", 2)
        assert [run["status"] for run in runs] == ["completed"] * 2, "each sensor once"
        shop.stop()
