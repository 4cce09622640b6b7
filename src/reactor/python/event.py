"""What the code of a flow sees of the event that started it, or that it waited for."""

from __future__ import annotations

import datetime as dt
import typing
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from reactor.python.values import as_type

T = TypeVar("T")


class Event(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """An event. `Event[Order]` as annotation has its data converted to that type, and refused where it does not fit."""

    id: str
    type: str
    source: str
    subject: str | None
    time: dt.datetime
    """In UTC."""
    data: T
    metadata: dict[str, Any]


def seen(view: Mapping[str, Any] | None, wanted: Any = None) -> Event[Any] | None:
    """The event of a view; `wanted` is the annotation, which may name the type of its data.

    Raises:
        PermanentError: kind `input`: its data is not of that type.
    """
    if view is None:
        return None
    data = view["data"]
    wanted = data_type(wanted)
    if wanted is not None:
        data = as_type(data, wanted, f"the data of event {view['id']}", "input")
    return Event(
        id=view["id"],
        type=view["type"],
        source=view["source"],
        subject=view["subject"],
        time=dt.datetime.fromisoformat(view["time"]),
        data=data,
        metadata=view["metadata"],
    )


def data_type(annotation: Any) -> Any:
    """`Order` of `Event[Order]` or `Event[Order] | None`; None where none is named."""
    for part in (annotation, *typing.get_args(annotation)):
        if typing.get_origin(part) is Event:
            return typing.get_args(part)[0]
    return None
