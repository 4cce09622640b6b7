"""`reactor completion`."""

from __future__ import annotations

import click


@click.command(epilog='Example: eval "$(reactor completion bash)"')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what lets a shell complete commands and options."""
    from click.shell_completion import get_completion_class

    from reactor.cli.main import cli

    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(cli, {}, "reactor", "_REACTOR_COMPLETE").source())
