"""What is broken fires within its time, is told by mail, in Slack and to an address, and is over when it is mended."""

import email
import email.policy
import json
import shutil

from reactor.testing.servers import smtp_server
from tests.examples.shop import service

RULE = "trigger-failed"


def test_a_folder_that_is_gone_is_told_everywhere(shop):
    for name in ("slack", "webhook"):
        shop.edit(f"alerts/{name}.yaml", "enabled: false", "enabled: true")
    with smtp_server() as smtp, service(200) as slack, service(200) as hook:
        shop.start()
        shop.cli("secrets", "set", "smtp_url", "-", stdin=f"smtp://{smtp.host}:{smtp.port}")
        shop.cli("secrets", "set", "slack_url", "-", stdin=slack.url)
        shop.cli("secrets", "set", "alert_url", "-", stdin=hook.url)
        key = next(one["key"] for one in shop.get("/triggers") if one["kind"] == "file")
        flow = key.rpartition("/")[0]
        shop.cli("alerts", "rules", "set", RULE, "--set", "for=0s", "--set", "clear=0s", "--set", f"flow={flow}")
        shutil.rmtree(shop.files / "inbox")

        def told(state):
            return [one for one in map(json.loads, hook.bodies) if one["data"]["state"] == state]

        (fired,) = shop.until(lambda: told("firing"), "the alert fires")
        assert (fired["type"], fired["data"]["subject"]) == ("reactor.alert.firing", key)
        (alert,) = shop.get("/alerts", state="firing", rule=RULE)
        assert (alert["told"], alert["trigger"]) == (True, key)
        shop.cli("alerts", "ack", alert["id"], "--note", "mine")
        assert "admin" in shop.cli("alerts", "list", "--state", "active")
        (shop.files / "inbox").mkdir()
        (over,) = shop.until(lambda: told("resolved"), "the alert is over")
        assert over["data"]["id"] == alert["id"]
        shop.until(lambda: len(smtp.messages) == 2 and len(slack.bodies) == 3, "everybody was told")
        subjects = [
            email.message_from_bytes(one.content, policy=email.policy.default)["subject"] for one in smtp.messages
        ]
        assert sorted(subjects) == [f"[{state}] critical: {key} ({RULE})" for state in ("firing", "resolved")]
        posts = [json.loads(body) for body in slack.bodies]
        assert {block["text"]["type"] for post in posts for block in post["blocks"][:2]} == {"plain_text"}
        assert "seen by admin" in json.dumps(posts)
        failed = shop.get("/runs", status="failed")
        assert [run["flow"] for run in failed if run["flow"].startswith("alert")] == []
