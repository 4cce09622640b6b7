/** A command for many runs: what it would do, how far it is, and what came of it, run by run. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { api, data, type Shapes } from "@/api/client";
import { Go } from "@/app/go";
import { Button } from "@/design/button";
import { shortId } from "@/design/data";
import { Dialog } from "@/design/overlays";
import { Loading, Shown, Strip } from "@/design/states";
import { Status } from "@/design/status";
import { count, plural } from "@/format/text";
import type { RunQuery } from "./filters";
import css from "./runs.module.css";

export type Command = "cancel" | "pause" | "resume" | "retry";
export type Which = { ids: string[] } | { filter: RunQuery };
type Done = Shapes["ManyDone"];

const WORDS: Record<Command, { title: string; verb: string; done: string; says: string }> = {
  cancel: {
    title: "Cancel runs",
    verb: "Cancel them",
    done: "cancelled",
    says: "They stop where they are; their `finally` steps still run. They can be retried afterwards.",
  },
  pause: { title: "Pause runs", verb: "Pause them", done: "paused", says: "They stop before their next step." },
  resume: { title: "Resume runs", verb: "Let them go on", done: "resumed", says: "Paused runs go on." },
  retry: {
    title: "Retry runs",
    verb: "Retry them",
    done: "taken up again",
    says: "They are taken up where they failed; what was completed stays so.",
  },
};

const PAGE = 100;

interface Asked {
  ids?: string[];
  filter?: RunQuery;
  dry_run?: boolean;
  cursor?: string | null;
}

function ask(command: Command, body: Asked): Promise<Done> {
  const whole = { dry_run: false, limit: PAGE, ...body } as Shapes["Many"];
  return data(api.POST(`/api/v1/runs/${command}`, { body: whole }));
}

export function Bulk({ command, which, onClose }: { command: Command; which: Which; onClose: () => void }) {
  const words = WORDS[command];
  const work = useWork(command, which);
  const preview = useQuery({
    queryKey: ["runs-many", command, which],
    queryFn: () => ask(command, { ...which, dry_run: true }),
    staleTime: 0,
    gcTime: 0,
    retry: false,
  });
  const total = preview.data?.matched ?? 0;
  return (
    <Dialog
      title={words.title}
      says={words.says}
      open
      onOpen={() => work.state !== "working" && onClose()}
      foot={
        <Foot
          {...{ work, words, onClose }}
          ready={total > 0}
          label={preview.data ? `${words.verb} (${count(total)}${preview.data.exact ? "" : "+"})` : words.verb}
        />
      }
    >
      {work.state === "asked" ? (
        <Shown value={preview.data} error={preview.error} loading={<Loading lines={4} />}>
          {(found) => <Preview found={found} />}
        </Shown>
      ) : (
        <Progress work={work} total={total} words={words} />
      )}
    </Dialog>
  );
}

type Work = ReturnType<typeof useWork>;

function Foot({
  work,
  words,
  ready,
  label,
  onClose,
}: {
  work: Work;
  words: { verb: string };
  ready: boolean;
  label: string;
  onClose: () => void;
}) {
  if (work.state === "working") return <Button onClick={work.stop}>Stop here</Button>;
  if (work.state === "over") {
    return (
      <Button look="main" onClick={onClose}>
        Close
      </Button>
    );
  }
  return (
    <>
      <Button onClick={onClose}>Keep as they are</Button>
      <Button look={words.verb.startsWith("Cancel") ? "danger" : "main"} disabled={!ready} onClick={work.begin}>
        {label}
      </Button>
    </>
  );
}

function Preview({ found }: { found: Done }) {
  if (found.matched === 0) return <Strip tone="idle">None of these runs is in a state that this is for.</Strip>;
  return (
    <>
      <p>
        {found.exact ? "" : "At least "}
        {plural(found.matched, "run")}
        {found.matched > found.items.length && `; the first ${found.items.length}:`}
      </p>
      <Each items={found.items} />
    </>
  );
}

function Each({ items }: { items: Done["items"] }) {
  return (
    <ul className={css.each}>
      {items.map((one) => (
        <li key={one.id}>
          <Status value={one.status ?? "unknown"} bare />
          <Go to={`/runs/${one.id}`} className="link mono">
            {shortId(one.id)}
          </Go>
          <span>{one.flow}</span>
          {one.reason && <span className="quiet">{one.reason}</span>}
        </li>
      ))}
    </ul>
  );
}

function Progress({ work, total, words }: { work: Work; total: number; words: { done: string } }) {
  const { done, left, error } = work.result;
  const most = Math.max(total, done + left.count);
  return (
    <div role="status">
      <progress className={css.progress} max={most || 1} value={done + left.count} aria-label="How far it is" />
      <p>
        {plural(done, "run")} {words.done}
        {left.count > 0 && `, ${count(left.count)} left as they were`}
        {work.state === "working" ? ` of ${count(most)} …` : work.result.stopped ? ". Stopped here." : "."}
      </p>
      {left.items.length > 0 && <Each items={left.items} />}
      {error && <Strip tone="bad">{error}</Strip>}
    </div>
  );
}

interface Result {
  done: number;
  left: { count: number; items: Done["items"] };
  error: string;
  stopped: boolean;
}

const NOTHING: Result = { done: 0, left: { count: 0, items: [] }, error: "", stopped: false };
const TOLD = 50;

/** Page after page, so that one sees how far it is and can stop. */
function useWork(command: Command, which: Which) {
  const client = useQueryClient();
  const [state, setState] = useState<"asked" | "working" | "over">("asked");
  const [result, setResult] = useState(NOTHING);
  const stopping = useRef(false);
  const add = (found: Done) =>
    setResult((now) => ({
      ...now,
      done: now.done + found.done,
      left: {
        count: now.left.count + found.skipped,
        items: [...now.left.items, ...found.items.filter((one) => !one.done)].slice(0, TOLD),
      },
    }));
  const begin = async () => {
    setState("working");
    try {
      for await (const found of pages(command, which)) {
        add(found);
        if (stopping.current) {
          setResult((now) => ({ ...now, stopped: true }));
          break;
        }
      }
    } catch (error) {
      setResult((now) => ({ ...now, error: error instanceof Error ? error.message : String(error) }));
    }
    setState("over");
    await client.invalidateQueries({ queryKey: ["runs"] });
  };
  return { state, result, begin, stop: () => (stopping.current = true) };
}

async function* pages(command: Command, which: Which): AsyncGenerator<Done> {
  if ("ids" in which) {
    for (let at = 0; at < which.ids.length; at += PAGE)
      yield await ask(command, { ids: which.ids.slice(at, at + PAGE) });
    return;
  }
  let cursor: string | null = null;
  do {
    const found: Done = await ask(command, { filter: which.filter, cursor });
    yield found;
    cursor = found.next;
  } while (cursor !== null);
}
