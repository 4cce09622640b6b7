"""The flows and the event that the scenarios use."""

from __future__ import annotations

import json


def event_body(size: int = 1_024) -> bytes:
    """An order as JSON, of exactly this size."""
    order = {
        "id": "ord-0004711",
        "total": 249.9,
        "currency": "EUR",
        "customer": {"id": 815, "name": "Ada Example", "email": "ada@example.org", "tags": ["new", "newsletter"]},
        "items": [{"sku": f"SKU-{n:04}", "quantity": n, "price": 9.99} for n in range(1, 6)],
        "note": "",
    }
    order["note"] = "x" * (size - len(json.dumps(order)))
    return json.dumps(order).encode()


QUIET = """
name: quiet
on: {webhook: /bench/quiet}
if: event.data.total > 1000000
steps:
  - {name: never, set: {seen: true}}
"""

ONE_PURE = """
name: one-pure
on: {webhook: /bench/one}
steps:
  - {name: note, set: {total: "{{ event.data.total * 2 }}"}}
"""

ONE_WRITE = """
name: one-write
on: {webhook: /bench/write}
steps:
  - {name: charge, action: bench.write, with: {value: "{{ event.data.id }}"}}
"""

ONE_PURE_RESULT = """
name: one-pure-result
on: {webhook: {path: /bench/one-result, respond: result}}
steps:
  - {name: note, set: {total: "{{ event.data.total * 2 }}"}}
"""

ONE_WRITE_RESULT = """
name: one-write-result
on: {webhook: {path: /bench/write-result, respond: result}}
steps:
  - {name: charge, action: bench.write, with: {value: "{{ event.data.id }}"}}
"""

LONG = """
name: long
on: {event: bench.long}
steps:
  - {name: work, action: bench.slow, with: {seconds: 600}}
"""

SLEEPING = """
name: sleeping
on: {event: bench.sleep}
steps:
  - {name: nap, wait: {until: "{{ event.data.at }}"}}
"""


def _many(name: str, path: str, steps: list[str]) -> str:
    head = f"name: {name}\non: {{webhook: {{path: {path}, respond: result}}}}\nsteps:\n"
    return head + "".join(f"  - {step}\n" for step in steps)


def forty_sets(path: str = "/bench/sets") -> str:
    """40 steps that set a variable by an expression."""
    first = '{name: s1, set: {n: "{{ event.data.total }}"}}'
    rest = (f'{{name: s{i}, set: {{n: "{{{{ vars.n + {i} }}}}"}}}}' for i in range(2, 41))
    return _many("sets", path, [first, *rest])


def forty_actions(action: str, path: str) -> str:
    """40 calls of an action, each with the output of the one before."""
    first = f'{{name: s1, action: {action}, with: {{value: "{{{{ event.data.total }}}}"}}}}'
    rest = (
        f'{{name: s{i}, action: {action}, with: {{value: "{{{{ steps.s{i - 1}.output.value }}}}"}}}}'
        for i in range(2, 41)
    )
    return _many(action.replace(".", "-"), path, [first, *rest])


def request(method: str, url: str) -> str:
    """One `http.request`."""
    body = "" if method == "GET" else ', json: {id: "{{ event.data.id }}"}'
    step = f'{{name: ask, action: http.request, with: {{method: {method}, url: "{url}"{body}}}}}'
    return _many(f"request-{method.lower()}", f"/bench/{method.lower()}", [step])


def registered(count: int) -> dict[str, str]:
    """So many flows, of which one listens for `bench.mine`; each tenth of the others by a pattern."""
    flows = {"mine": 'name: mine\non: {event: bench.mine}\nsteps:\n  - {name: a, set: {x: "{{ event.data.total }}"}}\n'}
    for number in range(count - 1):
        type_ = f"other{number}.*" if number % 10 == 0 else f"team{number % 97}.thing{number}.created"
        flows[f"other-{number}"] = (
            f"name: other-{number}\non: {{event: {type_}}}\nif: event.data.total > {number}\nsteps:\n"
            f'  - {{name: a, set: {{x: "{{{{ event.data.total }}}}"}}}}\n'
        )
    return flows


def controlled(count: int, control: str) -> dict[str, str]:
    """So many flows with this control, of which one listens for `bench.mine`."""
    steps = 'steps:\n  - {name: a, set: {x: "{{ event.data.total }}"}}\n'
    flows = {"mine": f"name: mine\non: {{event: bench.mine}}\n{control}{steps}"}
    for number in range(count - 1):
        flows[f"other-{number}"] = f"name: other-{number}\non: {{event: other{number}.created}}\n{control}{steps}"
    return flows
