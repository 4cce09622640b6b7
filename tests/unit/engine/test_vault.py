import json
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from reactor.engine.vault import Vault
from reactor.model.errors import InvalidError, PermanentError


class FakeClock:
    def now(self):
        return 1_700_000_000_000


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path, FakeClock())


def test_a_secret_is_read_as_it_was_set_and_versions_rise(vault):
    assert vault.set("api_key", "s3cret ü") == 1
    assert vault.read("api_key") == "s3cret ü"
    assert vault.set("api_key", "other") == 2
    assert vault.read("api_key") == "other"
    assert vault.read("none") is None
    assert [(info.name, info.version) for info in vault.list()] == [("api_key", 2)]


def test_neither_value_nor_key_is_in_the_file_and_only_its_owner_may_read_it(vault, tmp_path):
    vault.set("api_key", "very-secret-value")
    assert b"very-secret-value" not in (tmp_path / "secrets.json").read_bytes()
    for name in ("secrets.json", "secret.key", "secrets.lock"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["secret.key", "secrets.json", "secrets.lock"]


def test_changes_of_another_process_are_seen(vault, tmp_path):
    vault.set("a", "1")
    assert vault.read("a") == "1"
    other = Vault(tmp_path, FakeClock())
    other.set("a", "2")
    assert vault.read("a") == "2"
    assert other.delete("a")
    assert vault.read("a") is None
    assert not vault.delete("a")


@pytest.mark.parametrize(
    "key", ["a passphrase of some length", "00" * 32, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]
)
def test_the_operators_key_is_used_and_another_one_is_refused(tmp_path, key):
    Vault(tmp_path, FakeClock(), key).set("a", "1")
    assert not (tmp_path / "secret.key").exists()
    assert Vault(tmp_path, FakeClock(), key).read("a") == "1"
    with pytest.raises(PermanentError, match="another key"):
        Vault(tmp_path, FakeClock(), "some other passphrase").read("a")
    with pytest.raises(PermanentError, match="another key"):
        Vault(tmp_path, FakeClock(), "some other passphrase").set("b", "1")


def test_a_short_key_is_refused(tmp_path):
    with pytest.raises(PermanentError, match="openssl"):
        Vault(tmp_path, FakeClock(), "short").set("a", "1")


def test_an_entry_cannot_be_passed_off_as_another(vault, tmp_path):
    vault.set("a", "1")
    vault.set("b", "2")
    path = tmp_path / "secrets.json"
    content = json.loads(path.read_text())
    content["secrets"]["a"] = content["secrets"]["b"]
    path.write_text(json.dumps(content))
    with pytest.raises(PermanentError, match="'a' cannot be opened"):
        vault.read("a")


def test_a_damaged_file_and_a_lost_key_are_named(vault, tmp_path):
    vault.set("a", "1")
    (tmp_path / "secret.key").unlink()
    with pytest.raises(PermanentError, match=r"secret\.key is missing"):
        Vault(tmp_path, FakeClock()).read("a")
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(PermanentError, match=r"secrets\.json cannot be read"):
        vault.read("a")


@pytest.mark.parametrize(
    ("name", "value"), [("", "x"), ("1a", "x"), ("a b", "x"), ("a\n", "x"), ("a", ""), ("a", "x" * 70_000)]
)
def test_impossible_names_and_values_are_refused(vault, name, value):
    with pytest.raises(InvalidError):
        vault.set(name, value)


def test_many_at_once_lose_nothing(tmp_path):
    def change(number):
        Vault(tmp_path, FakeClock(), "00" * 32).set(f"s{number}", str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(24)))
    assert len(Vault(tmp_path, FakeClock(), "00" * 32).list()) == 24
