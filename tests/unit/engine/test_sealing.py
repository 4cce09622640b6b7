"""Sealed outputs and signed links."""

import base64
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from reactor.engine.sealing import Seals, is_sealed, masked
from reactor.engine.vault import Vault
from reactor.model.errors import PermanentError
from reactor.testing.actions import StillClock

SEALS = Seals(lambda purpose: purpose.encode().ljust(32, b"."))


@pytest.mark.parametrize("value", [None, 1, "täxt", [1, {"a": None}], {"$sealed": "mine"}, {}])
def test_what_is_sealed_comes_back(value):
    sealed = SEALS.seal(value)
    assert is_sealed(sealed)
    assert SEALS.unseal(sealed) == value
    assert SEALS.seal(value) != sealed


@pytest.mark.parametrize("value", [None, "text", {"$sealed": 1}, {"$sealed": "x", "more": 1}, [{"$sealed": "x"}]])
def test_what_is_not_sealed_stays_as_it_is(value):
    assert SEALS.unseal(value) is value


def test_what_was_changed_or_sealed_under_another_key_does_not_open():
    sealed = SEALS.seal("secret")["$sealed"]
    data = bytearray(base64.b64decode(sealed))
    data[-1] ^= 1
    for text in (base64.b64encode(data).decode(), "no base64!", "", sealed[:8]):
        with pytest.raises(PermanentError, match="cannot be opened"):
            SEALS.unseal({"$sealed": text})
    with pytest.raises(PermanentError, match="cannot be opened"):
        Seals(lambda _purpose: b"x" * 32).unseal({"$sealed": sealed})


def test_without_a_key_nothing_is_sealed():
    with pytest.raises(PermanentError, match="no secret key"):
        Seals(None).seal(1)


def test_masking():
    sealed = {"$sealed": "abc"}
    assert masked(sealed) == "***"
    assert masked([1, {"a": sealed, "b": [sealed]}]) == [1, {"a": "***", "b": ["***"]}]
    untouched = {"a": 1, "b": "x"}
    assert masked(untouched) is untouched


def test_a_token_is_of_one_person_and_one_approval():
    token = SEALS.token("run_1:ok", "ann")
    assert SEALS.is_token("run_1:ok", "ann", token)
    for approval, person, given in (
        ("run_1:ok", "bob", token),
        ("run_1:okann", "", token),
        ("run_1:o", "kann", token),
        ("run_1:ok", "ann", token + "="),
        ("run_1:ok", "ann", ""),
        ("run_1:ok", "ann", "é\ud800"),
    ):
        assert not SEALS.is_token(approval, person, given)


def test_a_link_survives_its_way():
    SEALS.base = "https://flows.example"
    address = urlsplit(SEALS.link("run_1:a[2].ok", "ann & <bob>"))
    assert (address.netloc, address.path) == ("flows.example", "/approvals/run_1%3Aa%5B2%5D.ok")
    query = parse_qs(address.query)
    assert query["person"] == ["ann & <bob>"]
    assert SEALS.is_token("run_1:a[2].ok", "ann & <bob>", query["token"][0])


@pytest.mark.parametrize("key", [None, "a passphrase of an operator", "ab" * 32])
def test_the_vaults_keys_are_the_same_after_a_restart_and_differ_by_purpose(tmp_path: Path, key: str | None):
    def derived(purpose: str) -> bytes:
        return Vault(tmp_path, StillClock(), key).derived(purpose)

    first = derived("outputs")
    assert len(first) == 32
    assert derived("outputs") == first
    assert derived("approvals") != first
    Vault(tmp_path, StillClock(), key).set("name", "value")
    assert derived("outputs") == first
