"""Nothing in an expression reaches Python: the known ways out of Jinja's sandbox, and some of our own."""

import pytest

from reactor.language.expressions import ExpressionSyntaxError, compile_expression, compile_value, reactor_callable
from reactor.language.expressions.methods import METHODS
from reactor.model.errors import PermanentError


@reactor_callable
def now():
    return "2026-11-23"


class Thing:
    """What should never be in a scope, and is no way out even then."""

    secret = "leaked"

    def method(self):
        return "leaked"


SCOPE = {
    "event": {"data": {"s": "text", "l": [1], "d": {"a": 1}, "payload": "__class__"}},
    "now": now,
    "thing": Thing(),
    "config": {},
}

OUT = [
    "__class__",
    "__mro__",
    "__init__",
    "__globals__",
    "__subclasses__",
    "__builtins__",
    "__code__",
    "__dict__",
    "__doc__",
]
VALUES = [
    *[
        "''",
        "[]",
        "{}",
        "()",
        "1",
        "1.5",
        "none",
        "true",
        "event",
        "now",
        "thing",
        "range",
        "dict",
        "namespace",
        "range(3)",
        "namespace()",
        "event.data.s",
    ],
    *[
        "event.data.l",
        "''.upper",
        "[].index",
        "(0|as_time)",
        "('1h'|duration)",
        "[1]|map('string')",
        "[1]|groupby('0')",
        "cycler",
    ],
    *[
        "joiner",
        "lipsum",
        "self",
        "request",
        "g",
        "url_for",
        "context",
        "environment",
        "caller",
        "varargs",
        "kwargs",
        "meter",
        "scope",
        "missing",
        "attr",
        "loop",
    ],
]


def refused(text):
    """That it is refused, by whichever of our errors, or gives nothing of Python's."""
    try:
        found = compile_value(text).evaluate(SCOPE)
    except ExpressionSyntaxError:
        return True
    except PermanentError as error:
        return "leaked" not in error.message
    shown = str(found)
    return "<" not in shown and "leaked" not in shown and "function" not in shown


@pytest.mark.parametrize("start", VALUES)
def test_no_attribute_of_python_is_reached(start):
    for name in OUT:
        for text in (
            f"{{{{ ({start}).{name} }}}}",
            f"{{{{ ({start})['{name}'] }}}}",
            f"{{{{ ({start}).{name}() }}}}",
            f"{{{{ ({start})[event.data.payload] }}}}",
            f"{{{{ ({start}) | attr('{name}') }}}}",
            f"{{{{ [{start}] | map(attribute='{name}') | list }}}}",
            f"{{{{ [{start}] | map('attr', '{name}') | list }}}}",
            f"{{{{ [{start}] | selectattr('{name}') | list }}}}",
            f"{{{{ [{start}] | sort(attribute='{name}') }}}}",
            f"{{{{ [{start}] | groupby('{name}') }}}}",
            f"{{{{ [{start}] | sum(attribute='{name}') }}}}",
            f"{{{{ [{start}] | join(attribute='{name}') }}}}",
            f"{{{{ [{start}] | unique(attribute='{name}') | list }}}}",
            f"{{{{ [{start}] | max(attribute='{name}') }}}}",
            f"{{{{ ({start}).get('{name}') }}}}",
        ):
            assert refused(text), text


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''['__class__']['__mro__'][1]['__subclasses__']() }}",
        "{{ ''|attr('__class__')|attr('__mro__')|last|attr('__subclasses__')() }}",
        "{{ request.application.__globals__.__builtins__.__import__('os').popen('id').read() }}",
        "{{ request|attr('application')|attr('\\x5f\\x5fglobals\\x5f\\x5f') }}",
        "{{ self._TemplateReference__context.cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ self.__init__.__globals__.__builtins__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ joiner.__init__.__globals__.os }}",
        "{{ namespace.__init__.__globals__.os }}",
        "{{ lipsum.__globals__['os'].popen('id').read() }}",
        "{{ lipsum() }}",
        "{{ get_flashed_messages.__globals__ }}",
        "{{ config.items.__globals__ }}",
        "{{ '%s' % now }}",
        "{{ '%c' % '__class__' }}",
        "{{ '{0.__class__}'.format('') }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(now) }}",
        "{{ '{x.__class__}'.format_map({'x': ''}) }}",
        "{{ ''.format.__self__ }}",
        "{{ ('{0.__class__}'|format)('') }}",
        "{{ '{0}'|attr('format')('') }}",
        "{{ ['{0.__class__}'] | map('format', '') | map(attribute='format') | list }}",
        "{{ [''] | map('__class__') | list }}",
        "{{ [1] | map('_go_box') | list }}",
        "{{ 1 | _go_box }}",
        "{{ 1 | _go_sh_bare }}",
        "{{ _go_variables }}",
        "{% set _go_variables = 1 %}{{ 1 }}",
        "{{ [1] | select('_go_x') | list }}",
        "{{ 1 is callable }}",
        "{{ 1 is filter }}",
        "{{ 'x' is escaped }}",
        "{{ range.__init__ }}",
        "{{ dict.__base__ }}",
        "{{ dict(__class__=1).__class__.__class__ }}",
        "{{ namespace(__class__=1) and ''.__class__ }}",
        "{% set ns = namespace() %}{% set ns.__class__ = 1 %}{{ ns.__class__.x }}",
        "{% set event.data = 1 %}{{ event }}",
        "{% set now.x = 1 %}{{ event }}",
        "{% for x in [1] %}{{ loop.__class__ }}{% endfor %}",
        "{% for x in [1] %}{{ loop._iterator }}{% endfor %}",
        "{% for x in [1] %}{{ loop._undefined }}{% endfor %}",
        "{% for x in [1] %}{{ loop([1]) }}{% endfor %}",
        "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
        "{{ ([1]|map('upper')).gi_frame }}",
        "{{ ([1]|select).gi_code }}",
        "{{ (event.data.l|list).append(1) }}",
        "{{ event.data.d.update({'a': 2}) }}",
        "{{ event.data.d.pop('a') }}",
        "{{ event.data.d.clear() }}",
        "{{ event.data.d.setdefault('z', 1) }}",
        "{{ event.data.l.sort() }}",
        "{{ event.data.l.__setitem__(0, 5) }}",
        "{{ event.data.d.__delitem__('a') }}",
        "{{ ''.encode() }}",
        "{{ ''.translate({}) }}",
        "{{ ''.maketrans('a') }}",
        "{{ (1).to_bytes(1) }}",
        "{{ (1).real.__class__ }}",
        "{{ (0|as_time).tzinfo }}",
        "{{ (0|as_time).tzinfo.__class__ }}",
        "{{ (0|as_time).replace(year=1) }}",
        "{{ (0|as_time).astimezone('../../../etc/passwd') }}",
        "{{ (0|as_time).astimezone('/etc/localtime') }}",
        "{{ (0|as_time).__reduce__() }}",
        "{{ thing }}",
        "{{ thing.secret }}",
        "{{ thing.method() }}",
        "{{ thing['secret'] }}",
        "{{ now.reactor_callable }}",
        "{{ now.__wrapped__ }}",
        "{{ now.__code__.co_consts }}",
        "{{ now.__call__() }}",
        "{{ ª.__class__ }}",
        "{{ ''.__ｃlass__ }}",
        "{{ ''['\\u005f\\u005fclass__'] }}",
        "{{ ''['_'*2 ~ 'class' ~ '_'*2] }}",
        "{{ ''.__getattribute__('__class__') }}",
        "{{ {}.__getitem__('a') }}",
        "{{ event.__getitem__('data') }}",
        "{{ environment.globals }}",
        "{{ context.environment }}",
        "{{ context.eval_ctx }}",
        "{{ undefined.__class__ }}",
        "{{ gone.__class__ }}",
        "{{ gone._undefined_obj }}",
        "{{ gone.site.owner }}",
        "{{ gone.refuse() }}",
        "{{ (gone is defined).__class__ }}",
        "{{ __builtins__ }}",
        "{{ __loader__ }}",
        "{{ import('os') }}",
        "{{ exec('1') }}",
        "{{ open('/etc/passwd') }}",
        "{{ getattr('', '__class__') }}",
        "{{ site_0 }}",
        "{{ root }}",
        "{{ text(meter, 'x') }}",
        "{{ apply(1, 2, 3) }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}{{ os }}",
        "{% extends 'x' %}",
        "{%- set x -%}{{ ''.__class__ }}{%- endset -%}{{ x }}",
        "{% with x=''.__class__ %}{{ x }}{% endwith %}",
        "{{ 'x' | jq('env.PATH // env') }}",
        "{{ 'x' | jq('$ENV | keys', all=true) | first | first }}",
        "{{ 'x' | jq('import \"a\" as a; 1') }}",
        "{{ 'x' | jq('include \"a\"; 1') }}",
        "{{ 'x' | jq('input') }}",
        "{{ 'x' | jq('now') }}",
        "{{ 'x' | jq('\"/etc/passwd\" | input_filename') }}",
        "{{ 'x' | jq('\"x\" | modulemeta') }}",
        "{{ 'x' | jq('get_search_list') }}",
        "{{ 'x' | regex_replace('x', '\\\\g<__class__>') }}",
        "{{ 'x' | regex_replace('x', '{__class__}') | regex_match('[^x]') and thing }}",
    ],
)  # fmt: skip
def test_known_ways_out_lead_nowhere(text):
    assert refused(text), compile_value(text).evaluate(SCOPE)


def test_what_is_read_of_jq_is_empty():
    assert compile_value("{{ 1 | jq('$ENV') }}").evaluate({}) == {}


def test_keyword_arguments_cannot_take_the_place_of_ours():
    calls = (
        "now(meter=1);'a'.upper(owner=1);'a' | upper(value=1);'a' | upper(meter=1);now(class=1);now(function=1, site=2)"
    )
    for text in [*calls.split(";"), "'a' | center(name=1)"]:
        with pytest.raises(PermanentError) as caught:
            compile_expression(text).evaluate(SCOPE)
        assert caught.value.kind == "expression"


def test_names_that_look_alike_stay_apart():
    """Python folds `ﬁ` into `fi` in code; a template's names must not meet that way."""
    with pytest.raises(ExpressionSyntaxError, match="look like others"):
        compile_value("{% set ﬁ = 1 %}{{ fi }}")
    with pytest.raises(ExpressionSyntaxError):
        compile_value("{{ now(ªb=1) }}")


def test_texts_of_a_template_are_never_code():
    for text in (
        "'''",
        '"""',
        "\\",
        "\\'",
        "\n",
        "\r",
        "\u2028",
        "{{ '\\'' }}",
        "#",
        "\x00",
        "\ud800",
        "'); import os; ('",
    ):
        assert compile_value(f"{text}{{{{ 1 }}}}").evaluate({}).endswith("1")
    key = "'] or __import__('os') or ['"
    assert compile_value("{{ event[key] }}").evaluate({"event": {key: 1}, "key": key}) == 1
    quoted = key.replace("'", "\\'")
    assert compile_value(f"{{{{ event['{quoted}'] }}}}").evaluate({"event": {key: 1}}) == 1


def test_the_methods_are_a_table_of_pure_ones():
    names = {name for table in METHODS.values() for name in table}
    assert not any(name.startswith("_") for name in names)
    assert not names & {
        "format",
        "format_map",
        "encode",
        "translate",
        "append",
        "pop",
        "update",
        "sort",
        "clear",
        "replace_",
    }
