"""Structs of parameters, configurations and settings ↔ their description in a manifest."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Sequence
from types import GenericAlias
from typing import Annotated, Any, Literal, Union

import msgspec
from msgspec import inspect as types

from reactor.sdk.plugin.manifest import FieldSpec, TypeSpec

MOST_FIELDS = 200
"""Of one struct."""
_DEEPEST = 8
_ANY = TypeSpec()
_PLAIN: dict[str, Any] = {"ANY": Any, "TEXT": str, "INTEGER": int, "NUMBER": float, "BOOLEAN": bool}


class Indescribable(ValueError):
    """A manifest holds a field that cannot be."""


# --- struct → description ---


def described(struct: type[msgspec.Struct]) -> tuple[FieldSpec, ...]:
    """The fields of a struct. What the description cannot say is left open: the plugin checks it again."""
    info = types.type_info(struct)
    assert isinstance(info, types.StructType)  # noqa: S101 - by its type
    return tuple(_field(field) for field in info.fields)


def _field(field: types.Field) -> FieldSpec:
    inner, doc = field.type, ""
    if isinstance(inner, types.Metadata):
        doc = str((inner.extra_json_schema or {}).get("description", ""))
    return FieldSpec(
        name=field.encode_name, type=_type(inner, 0), required=field.required, default_json=_default(field), doc=doc
    )


def _default(field: types.Field) -> bytes | None:
    value = field.default
    if value is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value in (msgspec.NODEFAULT, msgspec.UNSET):
        return None
    return msgspec.json.encode(value)


def _type(kind: types.Type, depth: int) -> TypeSpec:
    if depth > _DEEPEST:
        return _ANY
    if isinstance(kind, types.Metadata):
        return _type(kind.type, depth)
    make = _MAKERS.get(type(kind))
    return _ANY if make is None else make(kind, depth + 1)


def _text(kind: Any, _: int) -> TypeSpec:
    return TypeSpec(kind="TEXT", shortest=kind.min_length, longest=kind.max_length, pattern=kind.pattern or "")


def _number(kind: Any, _: int) -> TypeSpec:
    word: Literal["INTEGER", "NUMBER"] = "INTEGER" if isinstance(kind, types.IntType) else "NUMBER"
    return TypeSpec(kind=word, minimum=kind.ge, maximum=kind.le)


def _choice(kind: Any, _: int) -> TypeSpec:
    if not all(isinstance(value, str) for value in kind.values):
        return _ANY
    return TypeSpec(kind="CHOICE", choices=tuple(kind.values))


def _enum(kind: Any, depth: int) -> TypeSpec:
    return _choice(types.LiteralType(tuple(member.value for member in kind.cls)), depth)


def _list(kind: Any, depth: int) -> TypeSpec:
    return TypeSpec(kind="LIST", item=_type(kind.item_type, depth), shortest=kind.min_length, longest=kind.max_length)


def _map(kind: Any, depth: int) -> TypeSpec:
    return TypeSpec(kind="MAP", item=_type(kind.value_type, depth))


def _object(kind: Any, depth: int) -> TypeSpec:
    if kind.tag is not None or kind.array_like or not kind.forbid_unknown_fields:
        return _ANY
    fields = tuple(
        FieldSpec(name=f.encode_name, type=_type(f.type, depth), required=f.required, default_json=_default(f))
        for f in kind.fields
    )
    return TypeSpec(kind="OBJECT", fields=fields)


def _union(kind: Any, depth: int) -> TypeSpec:
    arms = [arm for arm in kind.types if not isinstance(arm, types.NoneType)]
    nullable = len(arms) < len(kind.types)
    made = [_type(arm, depth) for arm in arms]
    if _ANY in made:
        return _ANY
    if len(made) == 1:
        return msgspec.structs.replace(made[0], nullable=nullable)
    return TypeSpec(kind="UNION", any_of=tuple(made), nullable=nullable)


_MAKERS: dict[type[types.Type], Any] = {
    types.StrType: _text,
    types.IntType: _number,
    types.FloatType: _number,
    types.BoolType: lambda _kind, _depth: TypeSpec(kind="BOOLEAN"),
    types.LiteralType: _choice,
    types.EnumType: _enum,
    types.ListType: _list,
    types.VarTupleType: _list,
    types.DictType: _map,
    types.StructType: _object,
    types.UnionType: _union,
}


# --- description → struct ---


def struct_of(name: str, fields: Sequence[FieldSpec], module: str, depth: int = 0) -> type[msgspec.Struct]:
    """A struct with these fields, as if it were written in Python.

    Raises:
        Indescribable: a field cannot be.
    """
    if len(fields) > MOST_FIELDS or depth > _DEEPEST:
        raise Indescribable(f"{name} has more than {MOST_FIELDS} fields, or is nested deeper than {_DEEPEST}")
    made: list[tuple[str, Any, Any]] = []
    rename: dict[str, str] = {}
    for number, field in enumerate(fields):
        own = field.name if field.name.isidentifier() and not keyword.iskeyword(field.name) else f"field_{number}"
        if not field.name or field.name.startswith("__") or own in {n for n, _, _ in made}:
            raise Indescribable(f"{name}: a field is called {field.name!r}, or two are")
        if own != field.name:
            rename[own] = field.name
        made.append((own, *_python_field(f"{name}_{field.name}", field, module, depth)))
    try:
        return msgspec.defstruct(
            name,
            [(own, kind) if default is msgspec.NODEFAULT else (own, kind, default) for own, kind, default in made],
            module=module,
            rename=rename or None,
            kw_only=True,
            forbid_unknown_fields=True,
        )
    except (TypeError, ValueError) as error:
        raise Indescribable(f"{name}: {error}") from None


def _python_field(name: str, field: FieldSpec, module: str, depth: int) -> tuple[Any, Any]:
    """(type, default)."""
    kind = _python(name, field.type, module, depth)
    if field.doc:
        kind = Annotated[kind, msgspec.Meta(description=field.doc)]
    if field.required:
        return kind, msgspec.NODEFAULT
    if field.default_json is None:
        return Union[kind, msgspec.UnsetType], msgspec.UNSET  # noqa: UP007 - a type that is made here
    try:
        default = msgspec.convert(msgspec.json.decode(field.default_json), kind)
    except (msgspec.MsgspecError, TypeError, RecursionError) as error:
        raise Indescribable(f"the default of {name} does not fit: {error}") from None
    if isinstance(default, (list, dict, set, msgspec.Struct)):
        encoded = field.default_json
        return kind, msgspec.field(default_factory=lambda: msgspec.convert(msgspec.json.decode(encoded), kind))
    return kind, default


def _python(name: str, spec: TypeSpec, module: str, depth: int) -> Any:
    kind = _bare(name, spec, module, depth)
    return Union[kind, None] if spec.nullable and kind is not Any else kind  # noqa: UP007 - as above


def _bare(name: str, spec: TypeSpec, module: str, depth: int) -> Any:
    if depth > _DEEPEST:
        raise Indescribable(f"{name} is nested deeper than {_DEEPEST}")
    if spec.kind in _PLAIN:
        return _annotated(_PLAIN[spec.kind], _bounds(name, spec))
    if spec.kind == "CHOICE" and spec.choices:
        return Literal[spec.choices]
    if spec.kind == "OBJECT":
        return struct_of(name, spec.fields, module, depth + 1)
    if spec.kind == "UNION" and spec.any_of:
        return Union.__getitem__(tuple(_each(name, spec.any_of, module, depth)))
    if spec.kind in ("LIST", "MAP"):
        item: Any = Any if spec.item is None else _python(f"{name}_item", spec.item, module, depth + 1)
        if spec.kind == "MAP":
            return GenericAlias(dict, (str, item))
        return _annotated(GenericAlias(list, (item,)), _bounds(name, spec))
    raise Indescribable(f"{name}: a {spec.kind} that says not of what")


def _each(name: str, specs: Iterable[TypeSpec], module: str, depth: int) -> Iterable[Any]:
    return [_python(f"{name}_{number}", spec, module, depth + 1) for number, spec in enumerate(specs)]


def _annotated(kind: Any, bounds: dict[str, Any]) -> Any:
    return Annotated[kind, msgspec.Meta(**bounds)] if bounds else kind


def _bounds(name: str, spec: TypeSpec) -> dict[str, Any]:
    if spec.kind == "INTEGER":
        given = _given(ge=spec.minimum and int(spec.minimum), le=spec.maximum and int(spec.maximum))
    elif spec.kind == "NUMBER":
        given = _given(ge=spec.minimum, le=spec.maximum)
    elif spec.kind in ("TEXT", "LIST"):
        given = _given(min_length=spec.shortest, max_length=spec.longest)
    else:
        given = {}
    if spec.pattern and spec.kind == "TEXT":
        try:
            re.compile(spec.pattern)
        except re.error as error:
            raise Indescribable(f"{name}: the pattern {spec.pattern!r} cannot be: {error}") from None
        given["pattern"] = spec.pattern
    return given


def _given(**values: float | None) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
