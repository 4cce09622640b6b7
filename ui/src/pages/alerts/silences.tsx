/** What is shown but not told, for a time: a release, a move, a known fault. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { BellOff, Plus } from "lucide-react";
import { type FormEvent, useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { useRefresh } from "@/api/refresh";
import { useMay } from "@/app/me";
import { Button } from "@/design/button";
import { Input, Select } from "@/design/fields";
import { Confirm, Dialog } from "@/design/overlays";
import { Empty } from "@/design/states";
import { Status } from "@/design/status";
import { type Column, Table } from "@/design/table";
import { Time } from "@/design/time";
import { count } from "@/format/text";
import css from "./alerts.module.css";
import { labelsOf, labelText } from "./values";

type Silence = Shapes["SilenceShape"];

const KEY = ["alerts", "silences"];
const LASTING = ["30m", "1h", "4h", "1d", "7d"].map((each) => [each, each] as const);

export function Silences() {
  const may = useMay("operator");
  const client = useQueryClient();
  const [adding, setAdding] = useState(false);
  useRefresh(["alert"], KEY);
  const list = useQuery({ queryKey: KEY, queryFn: () => data(api.GET("/api/v1/alerts/silences")) });
  const again = () => void client.invalidateQueries({ queryKey: ["alerts"] });
  const add = may && (
    <Button look="main" onClick={() => setAdding(true)}>
      <Plus aria-hidden /> New silence
    </Button>
  );
  return (
    <div className={css.tab}>
      <div className={css.tools}>
        {add && (list.data?.items.length ?? 0) > 0 && <span className={css.end}>{add}</span>}
      </div>
      <Table
        label="Silences"
        rows={list.data?.items}
        error={list.error}
        again={() => void list.refetch()}
        id={({ id }) => id}
        columns={columns(may, again)}
        empty={
          <Empty title="Nothing is silenced" icon={BellOff} action={add}>
            A silence keeps alerts quiet for a time; they are shown all the same.
          </Empty>
        }
      />
      {adding && <NewSilence onOpen={setAdding} again={again} />}
    </div>
  );
}

function columns(may: boolean, again: () => void): Column<Silence>[] {
  const all: Column<Silence>[] = [
    {
      name: "State",
      width: "104px",
      secondary: true,
      cell: ({ active }) => <Status value={active ? "silenced" : "resolved"} label={active ? "quiet" : "over"} bare />,
    },
    { name: "What", cell: (silence) => <span title={what(silence)}>{what(silence)}</span> },
    { name: "Why", secondary: true, cell: ({ reason }) => <span title={reason}>{reason || "–"}</span> },
    { name: "By", width: "120px", secondary: true, cell: ({ by }) => by },
    { name: "Alerts", width: "72px", right: true, secondary: true, cell: ({ matches }) => count(matches) },
    { name: "Ends", width: "84px", right: true, cell: ({ until }) => <Time at={until} /> },
  ];
  if (may) {
    all.push({
      name: "Change",
      width: "96px",
      right: true,
      cell: (silence) =>
        silence.active && (
          <Confirm
            title="End this silence?"
            says="What still fires is told now."
            verb="End silence"
            trigger={<Button>End</Button>}
            onConfirm={async () => {
              await api.DELETE("/api/v1/alerts/silences/{id}", { params: { path: { id: silence.id } } });
              again();
            }}
          />
        ),
    });
  }
  return all;
}

function what({ rule, flow, labels }: Silence): string {
  const parts = [rule && `rule ${rule}`, flow && `flow ${flow}`, labelText(labels)];
  return parts.filter(Boolean).join(", ");
}

function NewSilence({ onOpen, again }: { onOpen: (open: boolean) => void; again: () => void }) {
  const [wrong, setWrong] = useState<string | null>(null);
  const add = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name) ?? "").trim();
    const body = {
      rule: text("rule") || null,
      flow: text("flow") || null,
      labels: labelsOf(text("labels")),
      for: text("for"),
      reason: text("reason"),
    };
    try {
      await api.POST("/api/v1/alerts/silences", { body: body as never });
      again();
      onOpen(false);
    } catch (error) {
      setWrong(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <Dialog title="New silence" says="What fits all that is given here is shown, but not told." open onOpen={onOpen}>
      <form onSubmit={add} className={css.form}>
        <Input
          label="Rule"
          name="rule"
          placeholder="any"
          hint="* stands for any characters; * alone is everything."
          wrong={wrong}
        />
        <Input label="Flow" name="flow" placeholder="any" />
        <Input label="Labels of flows" name="labels" placeholder="team=sales" />
        <Select label="For" name="for" options={LASTING} defaultValue="1h" />
        <div className={css.whole}>
          <Input label="Why" name="reason" placeholder="the move of the database" />
        </div>
        <div>
          <Button look="main" type="submit">
            Silence
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
