"""Importing a connector is cheap: no heavy library comes along before an action needs it."""

import subprocess
import sys

import pytest

NAMES = ["event", "log", "shell", "email", "data", "database", "kafka"]
HEAVY = {
    "sqlalchemy",
    "aiosmtplib",
    "email",
    "defusedxml",
    "regex",
    "jq",
    "csv",
    "orjson",
    "psycopg",
    "ssl",
    "asyncio",
    "aiokafka",
}
SCRIPT = """
import sys, reactor.sdk
before = set(sys.modules)
import reactor.connectors.{name}
print(*sorted({{m.split(".")[0] for m in set(sys.modules) - before}}))
"""


@pytest.mark.parametrize("name", NAMES)
def test_importing_is_cheap(name):
    told = subprocess.run([sys.executable, "-c", SCRIPT.format(name=name)], capture_output=True, text=True, check=True)
    assert HEAVY & set(told.stdout.split()) == set()
