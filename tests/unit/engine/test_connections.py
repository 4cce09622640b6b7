"""What connections are filled in with."""

import pytest

from reactor.engine.connections import Connections
from reactor.model.errors import PermanentError


def test_secrets_and_names_of_the_environment_are_filled_in() -> None:
    written = {"mail": {"type": "smtp", "url": "smtp://{{ env.USER }}:{{secrets.pw}}@h", "more": ["{{ env.USER }}", 1]}}
    found = Connections(written, {"pw": "geheim"}.get, {"USER": "ann"})["mail"]
    assert found == {"type": "smtp", "url": "smtp://ann:geheim@h", "more": ["ann", 1]}


def test_what_is_missing_is_named() -> None:
    connections = Connections({"a": {"url": "{{ secrets.pw }}"}, "b": {"url": "{{ env.HOST }}"}}, lambda _name: None)
    with pytest.raises(PermanentError, match="reactor secrets set pw") as caught:
        connections["a"]
    assert caught.value.kind == "secret"
    with pytest.raises(PermanentError, match="REACTOR_ENV_ALLOW"):
        connections["b"]
