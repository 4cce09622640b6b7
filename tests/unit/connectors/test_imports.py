"""Importing a connector is cheap: no heavy library comes along before an action needs it."""

import subprocess
import sys

import pytest

NAMES = ["event", "log", "shell", "email", "data", "database"]
HEAVY = {"sqlalchemy", "aiosmtplib", "email", "defusedxml", "regex", "jq", "csv", "orjson", "psycopg", "ssl", "asyncio"}
SCRIPT = """
import sys, time, reactor.sdk
before = set(sys.modules)
start = time.process_time()
import reactor.connectors.{name}
print((time.process_time() - start) * 1000, *sorted({{m.split(".")[0] for m in set(sys.modules) - before}}))
"""


@pytest.mark.parametrize("name", NAMES)
def test_importing_is_cheap(name):
    best = 1e9
    for _ in range(3):
        told = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(name=name)], capture_output=True, text=True, check=True
        )
        took, *modules = told.stdout.split()
        assert HEAVY & set(modules) == set()
        best = min(best, float(took))
    assert best < 5
