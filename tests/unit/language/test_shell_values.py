"""Values in command lines of `shell.exec` reach `sh` as values: tried on the real shell."""

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactor.language.expressions import ExpressionSyntaxError, compile_command
from reactor.model.errors import PermanentError


@pytest.fixture(autouse=True, scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A hostile `>` may make files: in a folder of the test's own."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("shell"))
    yield
    os.chdir(before)


SH = shutil.which("sh") or "/bin/sh"
BASH = shutil.which("bash")
SHOW = "printf '%s\\0' "

HOSTILE = [
    "",
    " ",
    "plain",
    "two words",
    "'",
    '"',
    "''",
    "it's",
    "'; rm -rf ~; '",
    '"; rm -rf ~; "',
    "$(id)",
    "`id`",
    "${HOME}",
    "$HOME",
    "$((1+1))",
    "\\",
    "\\\\",
    "a\\'b",
    "'\"'\"'",
    "\n",
    "a\nb\n",
    "\t",
    "\r\n",
    "*",
    "?",
    "[a-z]",
    "~",
    "~root",
    "#comment",
    "a #b",
    "!",
    "!!",
    "&",
    "&&",
    "|",
    ";",
    ">",
    ">/tmp/x",
    "<",
    "<<EOF",
    "(",
    ")",
    "{a,b}",
    "%s%n",
    "-n",
    "--",
    "-e",
    "if",
    "A=1",
    "2",
    "$'\\x41'",
    '$"x"',
    "\\n",
    "é ü 漢字 🎉",
    "\u2028",
    "\u00a0",
    "\x01\x02\x1b[0m",
    "\x7f",
    "'" * 50,
    '"' * 50,
    "\\" * 51,
    "$" * 7,
    "a" * 5000,
    "'$(touch pwned)'",
    '"$(touch pwned)"',
    "';touch pwned;'",
    "\n touch pwned \n",
    "\\'; touch pwned #",
    "' \\\n touch pwned",
]


def words(line, *, shell=SH):
    done = subprocess.run(
        [shell, "-c", line], capture_output=True, check=False, timeout=20, env={"V": "v", "PATH": "/usr/bin:/bin"}
    )
    assert done.stderr == b"", (line, done.stderr)
    assert done.returncode == 0, line
    return [word.decode("utf-8", "surrogateescape") for word in done.stdout.split(b"\0")[:-1]]


def command(text, **scope):
    return compile_command(text).evaluate(scope)


PLACES = [
    ("{{ x }}", "{x}"),
    ("'{{ x }}'", "{x}"),
    ('"{{ x }}"', "{x}"),
    ("'Hi {{ x }}!'", "Hi {x}!"),
    ('"Hi {{ x }}!"', "Hi {x}!"),
    ("pre{{ x }}post", "pre{x}post"),
    ("--name={{ x }}", "--name={x}"),
    ("'a'{{ x }}\"b\"", "a{x}b"),
    ("$V{{ x }}", "v{x}"),
    ('"$V{{ x }}"', "v{x}"),
    ('"${V}{{ x }}"', "v{x}"),
    ('"$(echo \'q"q\')-{{ x }}"', 'q"q-{x}'),
    ('"`echo a`-{{ x }}"', "a-{x}"),
    ("$((1+2)){{ x }}", "3{x}"),
    ('"\\"{{ x }}\\""', '"{x}"'),
    ("\\'{{ x }}\\'", "'{x}'"),
    ("'\\{{ x }}'", "\\{x}"),
    ('"cost: ${{ x }}"', "cost: ${x}"),
    ("{{ x }}{{ x }}", "{x}{x}"),
    ("'{{ x }}{{ x }}'", "{x}{x}"),
    ('"{{ x }}\'{{ x }}"', "{x}'{x}"),
    ("{% if x == x %}'{{ x }}'{% else %}\"{{ x }}\"{% endif %}", "{x}"),
    ("'{% for y in [x, x] %}{{ y }},{% endfor %}'", "{x},{x},"),
    ("$(true){{ x }}", "{x}"),
]


@pytest.mark.parametrize(("place", "expected"), PLACES)
def test_every_hostile_text_is_one_value_in_every_place(place, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    template = compile_command(SHOW + place + " end")
    for text in HOSTILE:
        line = template.evaluate({"x": text})
        assert words(line) == [expected.replace("{x}", text), "end"], (place, text)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(BASH is None, reason="bash is not here")
@pytest.mark.parametrize(("place", "expected"), PLACES)
def test_bash_reads_the_same(place, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    template = compile_command(SHOW + place + " end")
    for text in HOSTILE:
        assert words(template.evaluate({"x": text}), shell=BASH) == [expected.replace("{x}", text), "end"], (
            place,
            text,
        )
    assert list(tmp_path.iterdir()) == []


SIGNS = "'\"\\$`(){}[]*?~#&|;<>!%=- \n\tab"
ANY_TEXT = st.text(
    st.one_of(st.sampled_from(SIGNS), st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_TEXT, min_size=3, max_size=3))
def test_any_text_survives_any_quotes(values):
    line = command(
        SHOW + "{{ a }} '{{ b }}' \"{{ c }}\" x{{ a }}'{{ b }}'\"{{ c }}\"", a=values[0], b=values[1], c=values[2]
    )
    assert words(line) == [*values, "x" + "".join(values)]


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from(SIGNS + "eval sh -c"), max_size=14), st.text(st.sampled_from(SIGNS), max_size=8))
def test_whatever_stands_around_a_value_it_stays_a_value_or_is_refused(before, after):
    """The literal parts may be broken; what may never happen is that the value is read as anything but itself."""
    marker = "'; printf PWNED; \"; printf PWNED; $(printf PWNED) `printf PWNED` \n printf PWNED #"
    try:
        line = command(SHOW + before + "{{ x }}" + after, x=marker)
    except ExpressionSyntaxError:
        return
    done = subprocess.run([SH, "-c", line], capture_output=True, check=False, timeout=20, env={"PATH": "/nowhere"})
    # Run as code, it would print the bare word; as a value it prints itself, with the word inside.
    assert b"PWNED" not in done.stdout.replace(marker.encode(), b"")


def test_branches_that_agree():
    line = "{% if v %}-v {% endif %}'{{ x }}' {% if w %}\"{{ w }}\"{% else %}none{% endif %}"
    assert words(SHOW + command(line, v=True, x="a b", w="")) == ["-v", "a b", "none"]
    assert words(SHOW + command(line, v=False, x="a b", w="$V")) == ["a b", "$V"]


def test_loops():
    line = SHOW + "{% for file in files %}--file={{ file }} {% endfor %}"
    assert words(command(line, files=["a b", "$(id)", "'"])) == ["--file=a b", "--file=$(id)", "--file='"]


def test_go_spelling_is_quoted_too():
    line = SHOW + "'Hi {{ .event.payload.name }}' {{ .event.payload.gone }}"
    compiled = compile_command(line, True)
    assert words(compiled.evaluate({"event": {"data": {"name": "O'Neil $(id)"}}})) == ["Hi O'Neil $(id)", ""]
    line = SHOW + "{{ if .event.payload.name }}\"{{ .event.payload.name }}\"{{ else }}'none'{{ end }}"
    assert words(compile_command(line).evaluate({"event": {"data": {"name": "`id`"}}})) == ["`id`"]


def test_numbers_lists_and_nothing():
    assert words(SHOW + command("{{ a }} {{ b }} {{ c }}", a=5, b=["x", "y"], c=None)) == ["5", '["x","y"]', "null"]


def test_shellquote_is_not_quoted_twice():
    assert words(command(SHOW + "{{ x | shellquote }}", x="a b")) == ["a b"]
    assert words(command(SHOW + "{{ x | shellquote }}", x=["a b", "c'd"])) == ["a b", "c'd"]
    with pytest.raises(ExpressionSyntaxError, match="quoted by themselves"):
        compile_command("echo '{{ x | shellquote }}'")


def test_the_command_itself_may_be_a_value():
    assert words(command("{{ x }} '%s\\0' a", x="printf")) == ["a"]
    assert (
        subprocess.run([SH, "-c", command("{{ x }}", x="printf a; id")], capture_output=True, check=False).returncode
        == 127
    )


@pytest.mark.parametrize(
    "text",
    [
        "echo $({{ x }})",
        "echo $(cat {{ x }})",
        'echo "$(cat {{ x }})"',
        "echo $(echo $(cat '{{ x }}'))",
        "echo `cat {{ x }}`",
        'echo "`cat {{ x }}`"',
        "echo ${V:-{{ x }}}",
        'echo "${V:-{{ x }}}"',
        "echo $(({{ x }} + 1))",
        "eval {{ x }}",
        "eval 'echo {{ x }}'",
        'eval "echo {{ x }}"',
        "command eval 'a {{ x }}'",
        "sh -c 'echo {{ x }}'",
        'bash -lc "echo {{ x }}"',
        "sudo /bin/sh -e -c 'echo {{ x }}'",
        "bash -o errexit -c 'echo {{ x }}'",
        "sh {{ y }} 'echo {{ x }}'",
        "su -c 'echo {{ x }}'",
        "ssh host 'echo {{ x }}'",
        "trap 'echo {{ x }}' EXIT",
        "find . -exec sh -c 'echo {{ x }}' \\;",
        "{% if y %}sh{% else %}echo{% endif %} -c '{{ x }}'",
        "cat <<EOF\n{{ x }}\nEOF",
        "cat <<'EOF'\n{{ x }}\nEOF",
        "cat <<-EOF\n{{ x }}\nEOF",
        "cat <{% if y %}<{% endif %}EOF\n{{ x }}\nEOF",
        "echo a # {{ x }}",
        "# {{ x }}\necho",
        "echo{% if y %} {% endif %}#{{ x }}",
        "echo \\{{ x }}",
        'echo "\\{{ x }}"',
        "echo \\\\\\{{ x }}",
        "echo ${{ x }}",
        "echo $'a' {{ x }}",
        "echo ${V#'}'} {{ x }}",
        "{% if y %}'{% endif %}{{ x }}",
        "{% if y %}'a{% else %}\"a{% endif %}{{ x }}",
        "{% for y in [1] %}'{% endfor %}{{ x }}",
        "echo $(case a in a) echo;; esac) {{ x }}",
        "{% filter upper %}'{{ x }}'{% endfilter %}",
        "{{ if .y }}'{{ end }}{{ .x }}",
    ],
)
def test_places_that_cannot_be_promised_are_refused(text):
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_command(text)
    assert 0 <= caught.value.offset <= len(text)


def test_the_advice_names_a_way_out():
    with pytest.raises(ExpressionSyntaxError, match=r"inside \$\( \).*argv.*env:"):
        compile_command("echo $(cat {{ x }})")


@pytest.mark.parametrize(
    "text",
    [
        "sh -c 'echo \"$1\"' _ {{ x }}",
        "bash script.sh {{ x }}",
        "echo $(date) {{ x }}",
        "echo \"$(date '+%F')\" {{ x }}",
        "echo `date` {{ x }}",
        "echo ${V} ${V%x} {{ x }}",
        "echo $((1 + (2 * 3))) {{ x }}",
        "cat < {{ x }} > {{ x }}",
        "A={{ x }} env",
        "echo \\\\{{ x }}",
        "echo a#b {{ x }}",
        "echo a # comment\necho {{ x }}",
        "if true; then echo {{ x }}; fi",
        "echo evaluate medieval {{ x }}",
        "case {{ x }} in a) echo a;; esac; echo {{ x }}",
        "echo $$ {{ x }}",
        "echo {{ x }} | sort && echo '{{ x }}'",
    ],
)
def test_ordinary_command_lines_are_taken(text):
    compile_command(text).evaluate({"x": "1"})


def test_a_nul_character_is_refused():
    with pytest.raises(PermanentError, match="NUL") as caught:
        command("echo {{ x }}", x="a\0b")
    assert caught.value.kind == "expression"
    with pytest.raises(PermanentError, match="character"):
        command("echo {{ x }}", x="a\ud800b")


def test_a_command_without_values_is_itself():
    assert compile_command("echo $(date) | sort").evaluate({}) == "echo $(date) | sort"


def test_the_argument_of_a_real_program(tmp_path):
    """Not `printf` of the shell but another process sees the words."""
    script = tmp_path / "show.py"
    script.write_text("import sys; sys.stdout.write('\\0'.join(sys.argv[1:]))")
    line = compile_command(f"'{sys.executable}' '{script}' {{{{ a }}}} \"{{{{ b }}}}\"")
    for a, b in itertools.islice(itertools.product(HOSTILE[::9], HOSTILE[::7]), 40):
        done = subprocess.run([SH, "-c", line.evaluate({"a": a, "b": b})], capture_output=True, check=True)
        assert done.stdout.decode() == f"{a}\0{b}"
