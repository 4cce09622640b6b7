"""`shell.exec`: parameters, output, and which failure is which."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from reactor.model import durations
from reactor.sdk import ActionContext, Effect, PermanentError, TransientError, action

if TYPE_CHECKING:
    from reactor.connectors.shell.process import Ended

MIB = 1024 * 1024
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PASSED_ON = ("PATH", "HOME", "LANG")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_STARTED = (126, 127)
"""What shells answer for a file that cannot be executed, and for one that is not there."""

Word = str | int | float | bool


class ExecParams(msgspec.Struct, forbid_unknown_fields=True):
    """One of `command` and `argv`, and how to run it."""

    command: str | None = None
    """A command line for `sh`. Values interpolated into it have been quoted."""
    argv: list[Word] | None = None
    """A program and its arguments; no shell reads them."""
    env: dict[str, Word | None] = {}
    """The program's environment, beside PATH, HOME, LANG and what the operator passes on; null takes one away."""
    cwd: str | None = None
    stdin: Word | None = None
    """Text for its standard input; without it the input is empty."""
    timeout: str | int | float | None = None
    """A duration; afterwards the program and all its children are ended."""
    max_output: Annotated[int, msgspec.Meta(ge=0, le=64 * MIB)] | None = None
    """Bytes kept of each stream: of a longer one the beginning and the end. Default: the operator's `output_max`."""
    success_codes: tuple[int, ...] | Literal["any"] = (0,)
    """Exit codes that are no failure; `any`: whatever it ends with."""

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if (self.command is None) == (self.argv is None):
            raise ValueError("give either `command` (a line for sh) or `argv` (a list: program and arguments)")
        if self.argv is not None and (not self.argv or str(self.argv[0]).startswith("-") or self.argv[0] == ""):
            raise ValueError("argv: the first item is the program; it cannot be missing, empty or begin with `-`")
        for name in self.env:
            if not _ENV_NAME.fullmatch(name):
                raise ValueError(f"env: {name!r} is not a name (letters, digits and _)")
        if self.timeout is not None:
            durations.parse(self.timeout)


def both_streams(output: dict[str, Any]) -> str:
    """The view `output`: what went to stdout, then what went to stderr."""
    return f"{output['stdout']}{output['stderr']}"


@action(
    "shell.exec",
    params=ExecParams,
    effect=Effect.WRITE,
    views={"output": both_streams, "truncated": lambda output: output.get("truncated", [])},
)
async def execute(ctx: ActionContext, params: ExecParams) -> dict[str, Any]:
    """Run a command line in `sh`, or a program with arguments.

    Output: `command exit_code stdout stderr success`, and `truncated` (the streams of which the middle was left out)
    when that happened; `output` reads both streams as one text. An exit code outside `success_codes` fails with kind
    `exit.N`, a signal with `exit.signal.NAME`, each keeping the output; 126 and 127 (cannot be executed, not found)
    are not tried again. When `timeout` is over, the program and its children get SIGTERM and 2 s later SIGKILL (kind
    `timeout`); the same happens when the step is cancelled and when Reactor dies. What it leaves in the background
    ends with it: a service belongs to a service manager (or to `setsid`).
    """
    from reactor.connectors.shell import process  # noqa: PLC0415 - keeps the import of connectors cheap

    program = process.Program(
        argv=_argv(params),
        env=_environment(ctx.settings, params.env),
        cwd=params.cwd,
        stdin=b"" if params.stdin is None else _word(params.stdin).encode("utf-8", "surrogatepass"),
        keep=int(ctx.settings.get("output_max", MIB)) if params.max_output is None else params.max_output,
        say=ctx.say,
    )
    timeout = None if params.timeout is None else durations.parse(params.timeout)
    ended = await process.run(program, None if timeout is None else timeout / 1000)
    output = _output(ctx, params, ended)
    if ended.timed_out:
        limit = durations.show(timeout or 0)
        raise TransientError("timeout", f"not finished after {limit}; it and its children were ended", output=output)
    if not _is_success(params, ended.code):
        raise _failure(ended.code, output)
    return output


def _is_success(params: ExecParams, code: int) -> bool:
    return params.success_codes == "any" or code in params.success_codes


def _argv(params: ExecParams) -> list[str]:
    if params.command is not None:
        return ["/bin/sh", "-c", params.command]
    return [_word(item) for item in params.argv or ()]


def _word(value: Word) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _environment(settings: Mapping[str, Any], given: Mapping[str, Word | None]) -> dict[str, str]:
    import os  # noqa: PLC0415

    passed = (*_PASSED_ON, *settings.get("shell_env", ()))
    env = {name: os.environ[name] for name in passed if name in os.environ}
    env.setdefault("PATH", _DEFAULT_PATH)
    for name, value in given.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = _word(value)
    return env


def _output(ctx: ActionContext, params: ExecParams, ended: Ended) -> dict[str, Any]:
    import shlex  # noqa: PLC0415

    command = shlex.join(_argv(params)) if params.command is None else params.command
    for secret in ctx.secrets:  # a quoted one looks different when it has quotes of its own
        command = command.replace(shlex.quote(secret), "***") if secret else command
    output: dict[str, Any] = {
        "command": ctx.mask(command),
        "exit_code": ended.code,
        "stdout": ctx.mask(ended.stdout.text()),
        "stderr": ctx.mask(ended.stderr.text()),
        "success": _is_success(params, ended.code) and not ended.timed_out,
    }
    cut = [name for name, stream in (("stdout", ended.stdout), ("stderr", ended.stderr)) if stream.left_out]
    if cut:
        output["truncated"] = cut
    return output


def _failure(code: int, output: dict[str, Any]) -> TransientError | PermanentError:
    import signal  # noqa: PLC0415

    if code < 0:
        try:
            name = signal.Signals(-code).name.removeprefix("SIG")
        except ValueError:
            name = str(-code)
        return TransientError(f"exit.signal.{name}", f"killed by signal {name}{_last_line(output)}", output=output)
    if code in _NOT_STARTED:
        reason = "was not found" if code == 127 else "cannot be executed"
        return PermanentError(
            f"exit.{code}", f"exit code {code}, a program {reason}{_last_line(output)}", output=output
        )
    return TransientError(f"exit.{code}", f"exit code {code}{_last_line(output)}", output=output)


def _last_line(output: dict[str, Any]) -> str:
    lines: list[str] = (output["stderr"].strip() or output["stdout"].strip()).splitlines()
    return f": {lines[-1].strip()[:500]}" if lines else ""
