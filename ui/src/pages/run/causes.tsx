/** What led to this run, and what it led to. */
import { useQuery } from "@tanstack/react-query";
import { api, data, type Shapes } from "@/api/client";
import { address, Go } from "@/app/go";
import { shortId } from "@/design/data";
import { Section } from "@/design/page";
import { Shown, Strip } from "@/design/states";
import { Status } from "@/design/status";
import { Time } from "@/design/time";
import { isOver, type RunWhole, runKey } from "./queries";
import css from "./run.module.css";

type Link = Shapes["ChainLink"];

/** How one belongs to the other, read downwards: `event → started → run`. */
const WORDS: Record<string, string> = {
  started_by: "started",
  emitted_by: "told",
  caused_by: "caused",
  called_by: "called",
  forked_from: "was forked to",
  emitted: "told",
  called: "called",
  started: "started",
  forked: "was forked to",
};

export default function Causes({ run }: { run: RunWhole }) {
  const chain = useQuery({
    queryKey: [...runKey(run.id), "chain"],
    queryFn: ({ signal }) => data(api.GET("/api/v1/runs/{id}/chain", { params: { path: { id: run.id } }, signal })),
    refetchInterval: isOver(run) ? false : 5_000,
  });
  return (
    <Shown value={chain.data} error={chain.error} again={() => void chain.refetch()}>
      {({ up, down, more }) => (
        <div className={css.columns}>
          <Section title="What led to it">
            <ol className={css.chain} aria-label="What led to it">
              {[...up].reverse().map((link) => (
                <li key={`${link.of} ${link.id}`} style={{ paddingLeft: indent(deepest(up) - link.depth) }}>
                  <Named link={link} />
                  <span className="quiet">{WORDS[link.how] ?? link.how} ↓</span>
                </li>
              ))}
              <li style={{ paddingLeft: indent(deepest(up)) }}>
                <This run={run} />
              </li>
            </ol>
            {up.length === 0 && <p className={css.panelPart}>Nothing is known that led to it: somebody started it.</p>}
          </Section>
          <Section title="What it led to">
            <ol className={css.chain} aria-label="What it led to">
              <li>
                <This run={run} />
              </li>
              {ordered(run.id, down).map((link) => (
                <li key={`${link.of} ${link.id}`} style={{ paddingLeft: indent(link.depth) }}>
                  <span className="quiet">↳ {WORDS[link.how] ?? link.how}</span>
                  <Named link={link} />
                </li>
              ))}
            </ol>
            {down.length === 0 && <p className={css.panelPart}>It has told no event and called no run so far.</p>}
            {more && (
              <Strip tone="idle">
                There is more than is told here.{" "}
                <Go to={address("/runs", { parent: run.id })} className="link">
                  All runs that it called
                </Go>
              </Strip>
            )}
          </Section>
        </div>
      )}
    </Shown>
  );
}

function indent(depth: number): number {
  return Math.min(8, Math.max(0, depth)) * 18;
}

function deepest(links: readonly Link[]): number {
  return links.reduce((most, link) => Math.max(most, link.depth), 0);
}

/** As a tree: what belongs to one stands below it. */
function ordered(root: string, links: readonly Link[]): Link[] {
  const below = new Map<string, Link[]>();
  for (const link of links) below.set(link.of, [...(below.get(link.of) ?? []), link]);
  const seen = new Set<Link>();
  const walk = (id: string): Link[] =>
    (below.get(id) ?? []).flatMap((link) => {
      if (seen.has(link)) return [];
      seen.add(link);
      return [link, ...walk(link.id)];
    });
  return walk(root);
}

function Named({ link }: { link: Link }) {
  const to = link.kind === "run" ? `/runs/${link.id}` : `/events/${link.id}`;
  return (
    <>
      {link.status ? <Status value={link.status} bare /> : <span className="quiet">event</span>}
      <Go to={to} className="link" title={link.id}>
        {link.name}
      </Go>
      {link.path && <span className="quiet mono">{link.path}</span>}
      <span className="quiet mono">{shortId(link.id)}</span>
      <span className="quiet">
        <Time at={link.at} />
      </span>
    </>
  );
}

function This({ run }: { run: RunWhole }) {
  return (
    <>
      <Status value={run.status} bare />
      <b>{run.flow}</b>
      <span className="quiet">this run</span>
    </>
  );
}
