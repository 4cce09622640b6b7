"""The run trigger: which names and states it takes."""

from typing import Any

import msgspec
import pytest

from reactor.connectors.run import connector
from reactor.connectors.run.trigger import RunConfig, RunTrigger

TRIGGER = RunTrigger()


def check(**config: Any) -> list[str]:
    return TRIGGER.check(msgspec.convert(config, RunConfig))


@pytest.mark.parametrize(
    "config", [{"flow": "a"}, {"flow": "*"}, {"flow": "a-*", "status": "failed"}, {"flow": "a", "status": ["failed"]}]
)
def test_what_is_taken(config):
    assert check(**config) == []


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"flow": " "}, "is empty"),
        ({"flow": "a", "status": []}, "leave it out"),
        ({"flow": "a", "status": ["fialed"]}, "did you mean 'failed'?"),
        ({"flow": "a", "status": "running"}, "does not end 'running'"),
    ],
)
def test_what_is_refused_with_a_reason(config, says):
    (problem,) = check(**config)
    assert says in problem


def test_an_unknown_key_is_refused():
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        check(flow="a", states=["failed"])


def test_it_is_found_as_a_trigger():
    assert [trigger.kind for trigger in connector.triggers] == ["run"]
