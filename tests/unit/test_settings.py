import pytest

from reactor.model.access import Role
from reactor.model.errors import SettingsError
from reactor.settings import FIELDS, Settings, load


def build(tmp_path, flags=None, env=None, config=None):
    return load(flags or {}, env or {}, tmp_path, config)


def test_defaults(tmp_path):
    settings = build(tmp_path)
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 5000, tmp_path / ".reactor")
    assert settings.store_file == tmp_path / ".reactor" / "reactor.db"
    assert settings.file_roots == (tmp_path, tmp_path / ".reactor" / "files")
    assert settings.workflows is None
    assert {origin for _, _, origin in settings.shown()} == {"default"}


def test_flags_beat_environment_beats_file_beats_defaults_and_each_knows_its_origin(tmp_path):
    (tmp_path / "reactor.toml").write_text('port = 1\nhost = "::1"\nlog_level = "warn"\nqueue = 5\n')
    env = {"REACTOR_PORT": "2", "REACTOR_HOST": "127.0.0.2", "HOME": "/root", "REACTOR_LOG_FORMAT": ""}
    settings = build(tmp_path, {"port": 3, "data": None}, env)
    assert (settings.port, settings.host, settings.log_level, settings.queue) == (3, "127.0.0.2", "warning", 5)
    origins = {name: origin for name, _, origin in settings.shown()}
    assert origins["port"] == "--port"
    assert origins["host"] == "REACTOR_HOST"
    assert origins["queue"] == "reactor.toml"
    assert origins["log_format"] == "default"


def test_paths_start_where_they_were_written(tmp_path):
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "r.toml").write_text('data = "data"\nfile_roots = ["in", "/srv"]\n')
    settings = build(tmp_path, {"workflows": "flows"}, {"REACTOR_CONFIG": "etc/r.toml"})
    assert settings.data == folder / "data"
    assert [str(root) for root in settings.file_roots] == [str(folder / "in"), "/srv"]
    assert settings.workflows == tmp_path / "flows"
    assert build(tmp_path, {}, {}, "etc/r.toml").data == folder / "data"
    with pytest.raises(SettingsError, match="cannot be read"):
        build(tmp_path, config="none.toml")


def test_unknown_names_are_refused_with_what_was_meant(tmp_path):
    with pytest.raises(SettingsError, match="REACTOR_DAAT; did you mean REACTOR_DATA"):
        build(tmp_path, env={"REACTOR_DAAT": "x"})
    (tmp_path / "reactor.toml").write_text("prot = 1\n")
    with pytest.raises(SettingsError, match="'prot'; did you mean port"):
        build(tmp_path)
    (tmp_path / "reactor.toml").write_text("port = \n")
    with pytest.raises(SettingsError, match="is not TOML"):
        build(tmp_path)


def test_all_problems_are_told_at_once(tmp_path):
    with pytest.raises(SettingsError) as caught:
        build(tmp_path, {"port": "x"}, {"REACTOR_RUNTIME": "embeded", "REACTOR_MAX_BODY": "ten", "REACTOR_X": "1"})
    lines = str(caught.value).split("\n")
    assert len(lines) == 4
    assert any("did you mean embedded" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("runtime", "temporal", "not in this version"),
        ("store", "postgresql://u:pw@h/db", "'postgresql': not in this version"),
        ("store", "sqlite://host/x", "sqlite:///FILE"),
        ("port", "70000", "0 to 65535"),
        ("durability", "none", "full or process"),
        ("retention", "0", "forever"),
        ("retention", "soon", "not a duration"),
        ("ingest_open", "maybe", "true or false"),
        ("failpoint", "commit.befor", "did you mean commit.before"),
        ("url", "localhost:5000", "http://"),
        ("host", "http://x", "host name"),
        ("proxies", "proxy.example", "addresses or networks"),
        ("oidc_issuer", "id.example.com", "http://"),
        ("oidc_roles", "devs", "VALUE=ROLE"),
        ("oidc_roles", "devs=root", "viewer, editor, operator, admin"),
        ("oidc_default_role", "root", "viewer, editor, operator, admin"),
    ],
)
def test_values_that_cannot_be_are_refused_by_name(tmp_path, name, value, says):
    with pytest.raises(SettingsError, match=f"REACTOR_{name.upper()} .*{says}") as caught:
        build(tmp_path, env={f"REACTOR_{name.upper()}": value})
    assert "pw" not in str(caught.value)


def test_who_vouches_for_people(tmp_path):
    env = {
        "REACTOR_OIDC_ISSUER": "https://id.example.com/",
        "REACTOR_OIDC_ROLES": "cn=ops=operator, devs=Editor",
        "REACTOR_OIDC_DEFAULT_ROLE": "none",
        "REACTOR_OIDC_DOMAINS": "Example.com,@b.org",
        "REACTOR_OIDC_CLIENT_SECRET": "hidden-one",
    }
    settings = build(tmp_path, env=env)
    assert settings.oidc_issuer == "https://id.example.com/"  # to the letter
    assert settings.oidc_roles == (("cn=ops", Role.OPERATOR), ("devs", Role.EDITOR))
    assert (settings.oidc_default_role, settings.oidc_domains) == (None, ("example.com", "b.org"))
    shown = {name: value for name, value, _ in settings.shown()}
    assert (shown["oidc_roles"], shown["oidc_client_secret"]) == (("cn=ops=operator", "devs=editor"), "***")


def test_lists_sizes_and_durations(tmp_path):
    env = {
        "REACTOR_HTTP_ALLOW": "127.0.0.0/8, intern.example",
        "REACTOR_FILE_ROOTS": "/srv:/var/lib",
        "REACTOR_MAX_BODY": "2MB",
        "REACTOR_RETENTION": "7d",
        "REACTOR_INGEST_OPEN": "yes",
    }
    settings = build(tmp_path, env=env)
    assert settings.http_allow == ("127.0.0.0/8", "intern.example")
    assert [str(root) for root in settings.file_roots] == ["/srv", "/var/lib"]
    assert (settings.max_body, settings.retention, settings.ingest_open) == (2 << 20, 604_800_000, True)
    assert build(tmp_path, env={"REACTOR_RETENTION": "forever"}).retention is None
    assert build(tmp_path, env={"REACTOR_FILE_ROOTS": ""}).file_roots == ()


def test_secret_settings_are_never_shown(tmp_path):
    settings = build(tmp_path, env={"REACTOR_TOKEN": "very-secret", "REACTOR_SECRET_KEY": "also-secret"})
    assert settings.token == "very-secret"
    assert "secret-" not in repr(settings)
    assert "very-secret" not in repr(settings) + str(list(settings.shown()))
    assert "also-secret" not in repr(settings) + str(list(settings.shown()))


def test_a_store_file_of_ones_own(tmp_path):
    assert build(tmp_path, {"store": "sqlite:///my.db"}).store_file == tmp_path / "my.db"
    assert str(build(tmp_path, {"store": "sqlite:////srv/my.db"}).store_file) == "/srv/my.db"


def test_every_setting_is_described():
    assert set(FIELDS) == set(Settings.__struct_fields__) - {"origins"}
