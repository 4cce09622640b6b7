/** What of an approval the lists show. */
import { Go } from "@/app/go";
import { Status } from "@/design/status";
import type { Column } from "@/design/table";
import { Time } from "@/design/time";
import { type Approval, afterwards, approvedBy, standing } from "./approvals";

const title: Column<Approval> = {
  name: "Question",
  cell: (one) => <bdi title={one.title}>{one.title}</bdi>,
};

const flow: Column<Approval> = {
  name: "Flow",
  width: "16%",
  secondary: true,
  cell: (one) => (
    <Go to={`/runs/${one.run_id}`} className="link" title={`The run ${one.run_id}`}>
      {one.flow}
    </Go>
  ),
};

export const openColumns: readonly Column<Approval>[] = [
  title,
  flow,
  { name: "Asked", width: "18%", secondary: true, cell: (one) => <Who one={one} /> },
  { name: "Progress", width: "92px", cell: (one) => `${approvedBy(one)} of ${one.quorum}` },
  { name: "Since", width: "96px", cell: (one) => <Time at={one.asked_at} /> },
  { name: "Until", width: "22%", secondary: true, cell: (one) => <Until one={one} /> },
];

export const decidedColumns: readonly Column<Approval>[] = [
  {
    name: "Outcome",
    width: "124px",
    cell: (one) => {
      const [value, label] = standing(one);
      return <Status value={value} label={label} />;
    },
  },
  title,
  flow,
  {
    name: "Decided by",
    width: "22%",
    secondary: true,
    cell: (one) => <bdi>{one.decisions.map((made) => made.by).join(", ")}</bdi>,
  },
  { name: "When", width: "96px", cell: (one) => <Time at={one.decisions.at(-1)?.at} /> },
];

function Who({ one }: { one: Approval }) {
  if (one.people.length === 0) return <span className="quiet">whoever may act on runs</span>;
  return <bdi title={one.people.join(", ")}>{one.people.join(", ")}</bdi>;
}

function Until({ one }: { one: Approval }) {
  if (!one.until) return <span className="quiet">no end</span>;
  return (
    <span title={`Then ${afterwards(one)}`}>
      <Time at={one.until} /> <span className="quiet">then {afterwards(one)}</span>
    </span>
  );
}
