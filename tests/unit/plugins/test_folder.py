"""What a plugin's folder may say."""

import pytest

from reactor.plugins.folder import FILE, Refused, find, fits, read

GOOD = 'name = "weather"\nversion = "1.0.0"\ncommand = ["x"]\n'


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "weather"
    made.mkdir(mode=0o755)
    (made / FILE).write_text(GOOD)
    return made


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('reactor = ">=2"', "it needs Reactor >=2, this is 0.1.0"),
        ('reactor = "~0.1"', "it needs Reactor ~0.1, this is 0.1.0"),
        ("protocol = 2", "it speaks version 2 of the plugin protocol, this Reactor speaks 1; update the plugin"),
        ('env = ["REACTOR_TOKEN"]', "`env` names 'REACTOR_TOKEN', which is not handed on"),
        ('comand = ["y"]', "unknown field `comand`"),
        ("command = 3", "is wrong"),
    ],
)
def test_a_wrong_declaration_is_refused_in_a_sentence(folder, more, told):
    (folder / FILE).write_text(f"{GOOD}{more}\n")
    with pytest.raises(Refused) as caught:
        read(folder, "0.1.0")
    assert told in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(("name", "command"), [("Weather!", '["x"]'), ("weather", "[]")])
def test_name_and_command_have_to_be_there(folder, name, command):
    (folder / FILE).write_text(f'name = "{name}"\nversion = "1"\ncommand = {command}\n')
    with pytest.raises(Refused):
        read(folder, "0.1.0")


@pytest.mark.parametrize("name", [".", FILE])
def test_what_everybody_may_write_is_not_started(folder, name):
    (folder / name).chmod(0o777)
    with pytest.raises(Refused, match="every user may write"):
        read(folder, "0.1.0")


def test_the_digest_changes_with_any_file(folder):
    before = read(folder, "0.1.0").digest
    assert read(folder, "0.1.0").digest == before
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__/x.pyc").write_text("")
    assert read(folder, "0.1.0").digest == before
    (folder / "lib").mkdir()
    (folder / "lib/code.rb").write_text("1")
    assert read(folder, "0.1.0").digest != before


def test_folders_of_plugins_are_looked_into(folder, tmp_path):
    assert list(find([folder])) == list(find([tmp_path])) == [folder]
    with pytest.raises(Refused, match=r"there is no reactor-plugin\.toml"):
        list(find([tmp_path / "nowhere"]))


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        (">=0.1", True), (">=0.1, <1", True), ("<0.1", False), ("==0.1", True), ("!=0.1.0", False),
        (">0.0.9,<=0.1", True), (">=0.2", False), ("nonsense", False),
    ],
)  # fmt: skip
def test_version_ranges(wanted, holds):
    assert fits("0.1.0", wanted) is holds
    assert fits("0.1.0rc1", wanted) is holds
