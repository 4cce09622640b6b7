"""What all tests share: the event loop, and server programs that may be missing."""

import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import hypothesis
import pytest

# Property tests take the same examples each time, so that a change is judged by itself; EXPLORE=1 looks for new ones.
# How long examples take to make says something of the machine only.
hypothesis.settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
if not os.environ.get("EXPLORE"):
    hypothesis.settings.load_profile("fixed")

# executable → Debian package. `make services` installs them all.
PACKAGES = {
    "chromium": "chromium",
    "nats-server": "nats-server",
    "dovecot": "dovecot-imapd",
    "initdb": "postgresql",
    "java": "default-jre-headless",
    "mariadbd": "mariadb-server",
    "mvn": "maven",
    "mosquitto": "mosquitto",
    "pg_ctl": "postgresql",
    "postgres": "postgresql",
    "prometheus": "prometheus",
    "redis-server": "redis-server",
    "ruby": "ruby ruby-grpc",
    "grpc_tools_ruby_protoc": "ruby-grpc-tools",
    "wrk": "wrk",
}
# Debian keeps PostgreSQL's servers out of PATH, one folder a version.
POSTGRES_FOLDERS = "/usr/lib/postgresql"
REASON = "service:"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on plain asyncio: the loop that every runtime has."""
    return "asyncio"


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Path of a server program by name: `program("initdb")`. The test is skipped if it is missing."""
    return _program_or_skip


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test marked `service("name")` when that program is not on this machine."""
    for marker in item.iter_markers("service"):
        for name in marker.args:
            _program_or_skip(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI every server program is there, so a test that misses one fails."""
    report = yield
    _refuse_in_ci(report)
    # Logs of hostile texts hold half surrogate pairs, which a worker cannot send to the process that reports.
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself."""
    report = yield
    _refuse_in_ci(report)
    return report


def _program_or_skip(name: str) -> str:
    found = _find(name)
    if found is None:
        package = PACKAGES.get(name, name)
        pytest.skip(f"{REASON} {name} is missing; install it with: apt-get install {package} (or: make services)")
    return found


def _find(name: str) -> str | None:
    folders = sorted(Path(POSTGRES_FOLDERS).glob("*/bin"), reverse=True)
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(map(str, folders)))


def _refuse_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if os.environ.get("CI", "").lower() not in {"true", "1"} or not report.skipped:
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if reason.removeprefix("Skipped: ").startswith(REASON):
        report.outcome = "failed"
        report.longrepr = f"in CI nothing may be skipped for want of a program: {reason}"
