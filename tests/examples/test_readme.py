"""The commands of the README, as they stand there, on a server of the test's own."""

import re
import subprocess
import sys

from tests.examples.shop import ROOT


def blocks():
    text = (ROOT / "README.md").read_text("utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_first_minute_goes_as_told(shop):
    _, quick, kill, after = blocks()
    (shop.folder / ".venv").symlink_to(sys.prefix)

    def do(text):
        script = text.replace("127.0.0.1:5000", f"127.0.0.1:{shop.port}").replace('"20s"', '"1s"')
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            check=False,
            cwd=shop.folder,
            env=shop.env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shop.start()
    told = do(quick)
    assert '{"hello":"Ann"}' in told
    assert told.count('"duplicate":true') == 1
    assert '"status": "shipped"' in told
    assert "Order 7, 250.00 paid" in told
    assert "3 rows from DE, FR" in told
    assert "dropped by `dedupe`" in told

    (server,) = [shop.server]
    do(kill)
    server.wait(10)
    shop.server = None
    shop.start()
    (run,) = shop.runs("reminder")
    assert run["status"] == "completed"
    assert "nothing was lost" in do(after)
