"""Several flows: a folder, and what is wrong between its files."""

import pytest

from reactor.language.folder import is_flow_file, load_folder


@pytest.fixture
def folder(tmp_path, catalog):
    def write(**files):
        for name, calls in files.items():
            steps = "".join(f"  - {{call: {call}}}\n" for call in calls) or "  - wait: 1s\n"
            (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nsteps:\n{steps}")
        return load_folder([tmp_path], catalog=catalog)

    return write


def told(found):
    return [f"{p.file.rsplit('/', 1)[-1]}:{p.line}:{p.column} {p.rule} {p.severity}" for p in found.problems]


def test_a_folder_is_read_with_all_below_it(tmp_path, catalog):
    for name in ("b.yaml", "a.yml", "sub/c.yaml", "d.test.yaml", ".hidden.yaml", "_part.yaml", ".git/e.yaml",
                 "_old/f.yaml",
                 "g.txt", "sub/_h.yml"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"name: {path.stem.strip('._')}\nsteps: [{{wait: 1s}}]\n")
    found = load_folder([tmp_path], catalog=catalog)
    assert [flow.name for flow in found.flows] == ["a", "b", "c"]
    assert found.problems == []
    assert found.flows[2].file == str(tmp_path / "sub/c.yaml")


def test_which_files_are_flows():
    assert [is_flow_file(name) for name in ("a.yaml", "a.yml", "a.test.yml", "_a.yaml", ".a.yaml", "a.json")] == [
        True, True, False, False, False, False,
    ]  # fmt: skip


def test_two_flows_of_one_name(folder, tmp_path):
    (tmp_path / "other.yaml").write_text("# twice\nname: b\nsteps: [{wait: 1s}]\n")
    found = folder(b=[])
    assert told(found) == ["other.yaml:2:7 duplicate-flow error"]
    assert "b.yaml:1" in found.problems[0].message
    assert [flow.file.rsplit("/", 1)[-1] for flow in found.flows] == ["b.yaml"]


def test_calls_to_flows_that_are_not_there(folder):
    found = folder(main=["chrage", "charge"], charge=[])
    assert told(found) == ["main.yaml:3:12 unknown-flow error"]
    assert found.problems[0].suggestion == "charge"
    assert [flow.name for flow in found.flows] == ["charge"]


def test_a_single_file_cannot_know(folder, tmp_path, catalog):
    folder(main=["other"])
    found = load_folder([tmp_path / "main.yaml"], catalog=catalog)
    assert told(found) == ["main.yaml:3:12 unknown-flow warning"]
    assert [flow.name for flow in found.flows] == ["main"]


def test_a_call_to_a_broken_flow_is_no_second_problem(folder, tmp_path):
    (tmp_path / "broken.yaml").write_text("name: broken\nsteps: [{wait: soon}]\n")
    assert told(folder(main=["broken"])) == ["broken.yaml:2:16 duration error"]


def test_calls_in_a_circle(folder):
    found = folder(a=["b"], b=["d", "c"], c=["a"], d=[], e=["e"], f=["a"])
    circles = [problem for problem in found.problems if problem.rule == "call-circle"]
    assert [problem.file.rsplit("/", 1)[-1] for problem in circles] == ["c.yaml", "e.yaml"]
    assert "a → b → c → a" in circles[0].message
    assert "e → e" in circles[1].message


def test_recursion_behind_a_condition_is_a_warning(tmp_path, catalog):
    texts = {
        "self": "- {if: inputs.n, call: self}",
        "loop": "- {for_each: inputs.list, steps: [{call: loop}]}",
        "case": "- {switch: [{if: inputs.n, steps: [{call: case}]}, {else: [{wait: 1s}]}]}",
        "handler": "- {wait: 1s, on_error: [{call: handler}]}",
        "guard": "- {if: inputs.n == 0, return: 1}\n- {call: guard}",
        "ping": "- {call: pong}",
        "pong": "- {name: b, if: inputs.n, steps: [{call: ping}]}",
        "sure": "- {if: inputs.n, wait: 1s}\n- {until: inputs.n, steps: [{parallel: {branches: {a: [{call: sure}]}}}]}",
        "fire": "- {call: fire, wait: false}",
    }
    for name, steps in texts.items():
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nsteps:\n{steps}\n")
    found = load_folder([tmp_path], catalog=catalog)
    assert told(found) == [
        "case.yaml:3:43 call-circle warning",
        "fire.yaml:3:10 call-circle error",
        "guard.yaml:4:10 call-circle warning",
        "handler.yaml:3:32 call-circle warning",
        "loop.yaml:3:42 call-circle warning",
        "pong.yaml:3:42 call-circle warning",
        "self.yaml:3:24 call-circle warning",
        "sure.yaml:4:63 call-circle error",
    ]
    assert "make sure that a condition on the way ends it" in found.problems[0].message
    assert sorted(texts.keys() - {flow.name for flow in found.flows}) == ["fire", "sure"]


def test_long_chains_of_calls_are_fine(folder):
    flows = {f"f{n}": [f"f{n + 1}"] for n in range(300)}
    assert folder(**flows, f300=[]).problems == []


def test_what_cannot_be_read(tmp_path, catalog):
    found = load_folder([tmp_path / "missing.yaml", tmp_path], catalog=catalog)
    assert told(found) == ["missing.yaml:1:1 unreadable error"]
    found = load_folder([tmp_path], catalog=catalog)
    assert [problem.rule for problem in found.problems] == ["empty"]
