import io
import json
import subprocess
import sys

import click
import pytest

from reactor.cli.main import COMMANDS, LATER, _run, cli


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No settings of the machine, no server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REACTOR_PORT", "1")


def walk(command, path=()):
    yield path, command
    if isinstance(command, click.Group):
        ctx = click.Context(command)
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            if below is not None and not below.hidden:
                yield from walk(below, (*path, name))


def test_every_command_has_help_with_an_example(capsys):
    seen = 0
    for path, command in walk(cli):
        assert command.help, path
        assert command.epilog, path
        assert command.epilog.startswith("Example: "), path
        assert _run([*path, "--help"]) == 0
        assert "Example: " in capsys.readouterr().out
        seen += 1
    assert seen > 35


def test_every_command_that_lists_has_json():
    for path, command in walk(cli):
        if path and path[-1] in {"list", "show", "logs"}:
            assert any(param.name == "as_json" for param in command.params), path


@pytest.mark.parametrize("name", LATER)
def test_announced_commands_say_that_they_are_not_here_yet(name, capsys):
    assert _run([name, "anything", "--at", "all"]) == 2
    assert "not in this version yet" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["runs", "lst"], "lst"),
        (["runs", "list", "--sattus", "x"], "--status"),
        (["events", "send"], "Missing argument 'TYPE'"),
        (["events", "send", "x", "{id: 1}"], "is not JSON"),
        (["events", "send", "x", "@none.json"], "cannot be read"),
        (["execute", "none.yaml"], "none.yaml cannot be read"),
        (["execute", "none.yaml", "--dry-run"], "none.yaml cannot be read"),
        (["run", "a", "--workflows", "b"], "give the folder of flows once"),
        (["run", "--port", "x"], "--port must be"),
        (["run", "--runtime", "temporal"], "not in this version"),
        (["run", "--store", "postgres://x"], "not in this version"),
        (["secrets", "set", "1x", "y"], "cannot be a secret's name"),
    ],
)
def test_wrong_use_is_told_and_exits_with_2(args, says, capsys):
    assert _run(args) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_an_unknown_variable_is_wrong_use(monkeypatch, capsys):
    monkeypatch.setenv("REACTOR_PROT", "1")
    assert _run(["runs", "list"]) == 2
    assert "did you mean REACTOR_PORT" in capsys.readouterr().err


def test_no_server_is_a_failure_in_one_sentence(capsys):
    assert _run(["runs", "list"]) == 1
    assert capsys.readouterr().err == (
        "error: no Reactor answers at http://127.0.0.1:1; start one with `reactor run`, or say where with --url\n"
    )


def test_debug_shows_where(monkeypatch):
    from reactor.cli.client import ApiError

    monkeypatch.setenv("REACTOR_LOG_LEVEL", "debug")
    with pytest.raises(ApiError):
        _run(["runs", "list"])


def test_secrets_are_set_listed_and_deleted_without_being_shown(tmp_path, capsys, monkeypatch):
    data = ["--data", str(tmp_path / "data")]
    assert _run(["secrets", "set", "KEY", "very-secret", *data]) == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("other\n"))
    assert _run(["secrets", "set", "KEY", "-", *data]) == 0
    assert _run(["secrets", "list", "--json", *data]) == 0
    shown = capsys.readouterr()
    listed = json.loads(shown.out.partition("{")[1] + shown.out.partition("{")[2])
    assert [(item["name"], item["version"]) for item in listed["items"]] == [("KEY", 2)]
    assert "very-secret" not in shown.out + shown.err
    assert _run(["secrets", "delete", "KEY", *data]) == 0
    assert _run(["secrets", "delete", "KEY", *data]) == 1
    from reactor.engine.vault import Vault
    from reactor.model.clock import SystemClock

    assert Vault(tmp_path / "data", SystemClock()).list() == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell, capsys):
    assert _run(["completion", shell]) == 0
    assert "_REACTOR_COMPLETE" in capsys.readouterr().out


def test_version(capsys):
    assert _run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"]


def test_help_imports_no_command_and_no_engine():
    code = "import sys; from reactor.cli.main import _run; _run(['--help']); print([m for m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for heavy in ("reactor.app", "reactor.cli.run", "asyncio", "jinja2", "starlette", "sqlite3"):
        assert f"'{heavy}'" not in found


def test_the_table_of_commands_is_true():
    ctx = click.Context(cli)
    for name in COMMANDS:
        assert isinstance(cli.get_command(ctx, name), click.Command)
