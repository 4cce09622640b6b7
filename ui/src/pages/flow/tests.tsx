/** The flow's own tests: run beside the server, with virtual time, and nothing outside is touched. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { FlaskConical, Play } from "lucide-react";
import { api, data, type Shapes } from "@/api/client";
import { address, Go } from "@/app/go";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Section } from "@/design/page";
import { Empty, Failure, Loading, Shown, Strip } from "@/design/states";
import { Status } from "@/design/status";
import { Table } from "@/design/table";
import { plural, span } from "@/format/text";
import css from "./flow.module.css";
import type { FlowWhole } from "./types";

type Ran = Shapes["RanTests"];
type Tested = Shapes["Tested"];

export function FlowTests({ flow }: { flow: FlowWhole }) {
  const may = useMay("editor");
  const written = useQuery({
    queryKey: ["flows", "tests", flow.name, flow.etag],
    queryFn: ({ signal }) =>
      data(api.GET("/api/v1/flows/{name}/tests", { params: { path: { name: flow.name } }, signal })),
  });
  const work = useMutation({
    mutationFn: () => data(api.POST("/api/v1/flows/{name}/tests/run", { params: { path: { name: flow.name } } })),
  });
  const tools = may && (
    <Button look="main" disabled={work.isPending} onClick={() => work.mutate()}>
      <Play aria-hidden />
      Run tests
    </Button>
  );
  return (
    <Section title="Tests" tools={tools}>
      {work.isPending && <Loading lines={4} label="Running the tests" />}
      {work.error && <Failure error={work.error} again={() => work.mutate()} />}
      {work.data && !work.isPending && <Result ran={work.data} flow={flow} />}
      {work.isIdle && (
        <Shown value={written.data?.tests} error={written.error} again={() => void written.refetch()}>
          {(tests) => <Written names={tests.map((test) => test.name)} />}
        </Shown>
      )}
    </Section>
  );
}

function Written({ names }: { names: readonly string[] }) {
  if (names.length === 0) {
    return (
      <Empty title="No test stands in its text" icon={FlaskConical}>
        Write some under `tests:`, or in NAME.test.yaml beside its file: an event, and what is expected of it.
      </Empty>
    );
  }
  return (
    <ul className={css.plainList}>
      {names.map((name) => (
        <li key={name}>
          <Status value="unknown" label="not run" bare /> {name}
        </li>
      ))}
    </ul>
  );
}

function Result({ ran, flow }: { ran: Ran; flow: FlowWhole }) {
  const failed = ran.tests.filter((test) => !test.passed).length;
  const words =
    ran.tests.length === 0
      ? "There are no tests"
      : failed > 0
        ? plural(failed, "test fails", "tests fail")
        : "All tests pass";
  return (
    <>
      <div className={css.meaning}>
        <Strip tone={ran.passed ? "good" : ran.tests.length === 0 ? "idle" : "bad"}>
          {words}.
          {ran.coverage &&
            ` They come to ${ran.coverage.percent} % of the steps${ran.coverage.missed.length ? `, not to ${ran.coverage.missed.slice(0, 10).join(", ")}` : ""}.`}
        </Strip>
        {ran.problems.map((problem) => (
          <p key={problem} className={css.bad}>
            {problem}
          </p>
        ))}
      </div>
      <Table
        label="Tests"
        columns={columns(ran, flow)}
        rows={ran.tests}
        id={(test) => `${test.file}:${test.line}:${test.name}`}
        empty={<Empty title="There are no tests" icon={FlaskConical} />}
      />
    </>
  );
}

function columns(ran: Ran, flow: FlowWhole) {
  return [
    {
      name: "Result",
      width: "100px",
      cell: (test: Tested) => (
        <Status value={test.passed ? "ok" : "failed"} label={test.passed ? "passed" : "failed"} bare />
      ),
    },
    { name: "Test", cell: (test: Tested) => <Named test={test} /> },
    {
      name: "Line",
      width: "90px",
      secondary: true,
      cell: (test: Tested) =>
        test.line && test.file === ran.file ? (
          <Go
            className="link"
            to={address(`/flows/${encodeURIComponent(flow.name)}`, { tab: "yaml", line: test.line })}
          >
            line {test.line}
          </Go>
        ) : (
          <span className="quiet">{test.line ?? "–"}</span>
        ),
    },
    { name: "Took", width: "80px", right: true, secondary: true, cell: (test: Tested) => span(test.seconds * 1_000) },
  ];
}

function Named({ test }: { test: Tested }) {
  const problems = test.problems.join("; ");
  return (
    <span title={[test.name, ...test.problems].join("\n")}>
      {test.name} {problems && <span className={css.bad}>{problems}</span>}
    </span>
  );
}
