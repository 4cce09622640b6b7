"""Alerts, rules and silences over HTTP: shapes, refusals, and what the stream and the metrics tell."""

from pathlib import Path
from typing import Any

from reactor.stores.port import Batch, Tally
from tests.integration.server_kit import Kit, flow, serving
from tests.integration.test_server_api import held

RULE = {"name": "r", "kind": "failure_rate", "threshold": "50%", "min_runs": 1, "severity": "critical"}


async def failing(kit: Kit, name: str = "a", count: int = 4) -> dict[str, Any]:
    """An alert of that flow."""
    minute = kit.engine.clock.now() // 60_000
    await kit.engine.store.commit(Batch(tallies=[Tally(minute, name, f"{name}/0", "failed", 3, count, 12)]))
    await kit.engine.alerts.tick()
    [alert] = (await held(kit, "GET", f"/api/v1/alerts?state=active&rule=r&flow={name}"))["items"]
    return dict(alert)


async def test_rules_are_kept_tested_changed_and_removed(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        there = (await held(kit, "GET", "/api/v1/alerts/rules"))["items"]
        assert [rule["name"] for rule in there] == sorted(rule["name"] for rule in there)
        assert {"disk-low", "flow-failing", "trigger-failed"} <= {rule["name"] for rule in there}
        assert {rule["updated_by"] for rule in there} == {"reactor"}
        made = await held(kit, "POST", "/api/v1/alerts/rules", json=RULE)
        assert (made["threshold"], made["window"], made["for"], made["state"], made["updated_by"]) == (
            0.5, "15m", "0s", "ok", "admin",
        )  # fmt: skip
        assert (await kit.post("/api/v1/alerts/rules", json=RULE)).status_code == 409
        alert = await failing(kit)
        assert (alert["state"], alert["severity"], alert["value"], alert["unit"]) == (
            "firing",
            "critical",
            1.0,
            "share",
        )
        assert alert["url"].endswith(f"/ui/alerts/{alert['id']}")
        assert (await held(kit, "GET", "/api/v1/alerts/rules/r"))["state"] == "firing"
        changed = {"kind": "failure_rate", "threshold": 1, "min_runs": 100}
        assert (await held(kit, "PUT", "/api/v1/alerts/rules/r", json=changed))["min_runs"] == 100
        await held(kit, "DELETE", "/api/v1/alerts/rules/r")
        assert (await kit.get("/api/v1/alerts/rules/r")).status_code == 404
        [past] = (await held(kit, "GET", "/api/v1/alerts?state=resolved"))["items"]
        assert (past["id"], past["reason"]) == (alert["id"], "the rule was removed")
        kinds = (await held(kit, "GET", "/api/v1/alerts/kinds"))["items"]
        assert "throughput_drop" in {kind["name"] for kind in kinds}


async def test_what_a_rule_would_have_said(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        minute = kit.engine.clock.now() // 60_000
        bad = [Tally(minute - ago, "a", "a/0", "failed", 3, 5, 15) for ago in (600, 601, 300)]
        good = [Tally(minute - ago, "a", "a/0", "completed", 3, 50, 150) for ago in (580, 280)]
        await kit.engine.store.commit(Batch(tallies=[*bad, *good]))
        told = await held(kit, "POST", "/api/v1/alerts/rules/test", json={**RULE, "clear": "1m"})
        assert (told["fired"], told["looked_back"]) == (2, True)
        assert [one["flow"] for one in told["alerts"]] == ["a", "a"]
        assert all(one["resolved_at"] > one["fired_at"] for one in told["alerts"])
        slow = {"kind": "latency", "threshold": "1ms", "min_runs": 1, "by": "all"}
        assert (await held(kit, "POST", "/api/v1/alerts/rules/test", json=slow))["fired"] >= 1
        drop = await held(kit, "POST", "/api/v1/alerts/rules/test", json={"kind": "throughput_drop"})
        assert (drop["fired"], "too few" in drop["now"][0]["reason"]) == (0, True)
        await kit.engine.sampling.look()
        disk = await held(kit, "POST", "/api/v1/alerts/rules/test", json={"kind": "disk", "threshold": 1})
        assert disk["now"][0]["state"] == "firing"
        now = await held(kit, "POST", "/api/v1/alerts/rules/test", json={"kind": "trigger_failed"})
        assert (now["looked_back"], now["now"][0]["state"]) == (False, "ok")
        assert "r" not in kit.engine.alerts.rules


async def test_alerts_are_found_and_acknowledged(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a"), flow("b")) as kit:
        await held(kit, "POST", "/api/v1/alerts/rules", json=RULE)
        first, second = await failing(kit), await failing(kit, "b")
        page = await held(kit, "GET", "/api/v1/alerts?limit=1&rule=r")
        assert page["items"][0]["id"] == second["id"]
        rest = await held(kit, "GET", f"/api/v1/alerts?limit=1&rule=r&cursor={page['next']}")
        assert (rest["items"][0]["id"], rest["next"]) == (first["id"], None)
        assert (await held(kit, "GET", "/api/v1/alerts?severity=info"))["items"] == []
        assert len((await held(kit, "GET", "/api/v1/alerts?since=1h&severity=critical,info"))["items"]) == 2
        done = await held(kit, "POST", f"/api/v1/alerts/{first['id']}/acknowledge", json={"note": "mine"})
        assert (done["acknowledged"]["by"], done["acknowledged"]["note"]) == ("admin", "mine")
        assert (await held(kit, "GET", f"/api/v1/alerts/{first['id']}"))["acknowledged"] is not None
        text = (await kit.get("/metrics")).text
        assert 'reactor_alerts{state="acknowledged",severity="critical"} 1' in text
        assert 'reactor_alerts{state="firing",severity="critical"} 1' in text


async def test_silences(tmp_path: Path) -> None:
    async with serving(tmp_path, flow("a")) as kit:
        await held(kit, "POST", "/api/v1/alerts/rules", json=RULE)
        await failing(kit)
        body = {"flow": "a", "for": "2h", "reason": "a move"}
        made = await held(kit, "POST", "/api/v1/alerts/silences", json=body)
        assert (made["by"], made["active"], made["matches"]) == ("admin", True, 1)
        longer = {"rule": "*", "until": "2099-01-01T00:00:00Z"}
        assert (
            await kit.http.put(f"/api/v1/alerts/silences/{made['id']}", headers=kit.auth, json=longer)
        ).status_code == 400
        longer["until"] = made["until"]
        changed = await held(kit, "PUT", f"/api/v1/alerts/silences/{made['id']}", json=longer)
        assert (changed["rule"], changed["flow"], changed["since"]) == ("*", None, made["since"])
        assert [one["id"] for one in (await held(kit, "GET", "/api/v1/alerts/silences"))["items"]] == [made["id"]]
        await held(kit, "DELETE", f"/api/v1/alerts/silences/{made['id']}")
        assert (await kit.get(f"/api/v1/alerts/silences/{made['id']}")).status_code == 404


REFUSED: tuple[tuple[str, str, Any, int, str], ...] = (
    ("GET", "/api/v1/alerts?state=burning", None, 400, "none of pending, firing, resolved, active"),
    ("GET", "/api/v1/alerts?severity=bad", None, 400, "none of info, warning, critical"),
    ("GET", "/api/v1/alerts?cursor=x", None, 400, "no cursor"),
    ("GET", "/api/v1/alerts/alr_0000000000001", None, 404, "there is no alert"),
    ("GET", "/api/v1/alerts/run_0000000000001", None, 404, "is no id of an alert"),
    ("GET", "/api/v1/alerts/rules/flow-faling", None, 404, "did you mean 'flow-failing'"),
    ("POST", "/api/v1/alerts/rules", {"name": "x", "kind": "dsk"}, 400, "did you mean 'disk'"),
    ("POST", "/api/v1/alerts/rules", {"name": "x", "kind": "disk", "shreshold": 1}, 400, "mean 'threshold'"),
    ("POST", "/api/v1/alerts/rules", [1], 400, "Expected `object`"),
    ("POST", "/api/v1/alerts/rules", None, 400, "a JSON body is needed"),
    ("POST", "/api/v1/alerts/rules/test", {"kind": "latency"}, 400, "needs a `threshold`"),
    ("PUT", "/api/v1/alerts/rules/x", {"name": "y", "kind": "disk"}, 400, "the body calls it 'y'"),
    ("DELETE", "/api/v1/alerts/rules/nobody", None, 404, "there is no rule"),
    ("POST", "/api/v1/alerts/silences", {"for": "1h"}, 400, "say which alerts are silenced"),
    ("POST", "/api/v1/alerts/silences", {"rule": "*"}, 400, "either `until`"),
    ("POST", "/api/v1/alerts/silences", {"rule": "*", "for": "soon"}, 400, "not a duration"),
    ("POST", "/api/v1/alerts/silences", {"rule": "*", "until": "soon"}, 400, "neither RFC 3339"),
    ("POST", "/api/v1/alerts/silences", {"rool": "*", "for": "1h"}, 400, "rool"),
    ("DELETE", "/api/v1/alerts/silences/sil_0000000000001", None, 404, "there is no silence"),
    ("POST", "/api/v1/alerts/alr_0000000000001/acknowledge", {"by": "eve"}, 400, "by"),
)


async def test_what_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as kit:
        for method, path, body, status, words in REFUSED:
            more = {} if body is None else {"json": body}
            answer = await kit.http.request(method, path, headers=kit.auth, **more)
            assert (answer.status_code, words in answer.json()["detail"]) == (status, True), (path, answer.text)
