/** What a run has said: by level, step and text; followed while it goes on; thousands of lines at once. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { Download } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Shapes } from "@/api/client";
import { useFilters } from "@/app/go";
import { Button, IconButton } from "@/design/button";
import { Copy } from "@/design/data";
import { Check, Choice, SearchField } from "@/design/fields";
import { Empty, Shown } from "@/design/states";
import { clock } from "@/format/text";
import { isOver, type RunWhole, useLogs } from "./queries";
import css from "./run.module.css";
import { download } from "./value";

type Line = Shapes["LogLine"];

const LEVELS = ["debug", "info", "warning", "error"];
const HEIGHT = 24;

function rank(level: string): number {
  const known = LEVELS.indexOf(level === "warn" ? "warning" : level);
  return known < 0 ? 1 : known;
}

export function Logs({ run, onSelect }: { run: RunWhole; onSelect: (path: string) => void }) {
  const live = !isOver(run);
  const logs = useLogs(run.id, live);
  return (
    <section className={css.sheet} aria-label="Logs">
      <Shown value={logs.data} error={logs.error} again={() => void logs.refetch()}>
        {(found) => (
          <>
            <Viewer run={run} lines={found.items} live={live} onSelect={onSelect} />
            {found.more && (
              <p className={css.bar}>
                <Button disabled={logs.isFetching} onClick={() => void logs.refetch()}>
                  More lines
                </Button>
                <span className="quiet">These are the first {found.items.length.toLocaleString("en")}.</span>
              </p>
            )}
          </>
        )}
      </Shown>
    </section>
  );
}

interface ViewerProps {
  run: RunWhole;
  lines: readonly Line[];
  live: boolean;
  onSelect: (path: string) => void;
}

function Viewer({ run, lines, live, onSelect }: ViewerProps) {
  const [filters, set] = useFilters();
  const [wrap, setWrap] = useState(false);
  const [follow, setFollow] = useState(true);
  const { level = "", q = "", of = "" } = filters;
  const shown = useMemo(() => {
    const text = q.toLowerCase();
    const least = level ? rank(level) : 0;
    return lines.filter(
      (line) =>
        rank(line.level) >= least &&
        (!of || line.step === of || line.step?.startsWith(`${of}.`) || line.step?.startsWith(`${of}[`)) &&
        (!text || `${line.step ?? ""} ${line.message}`.toLowerCase().includes(text)),
    );
  }, [lines, level, q, of]);
  const text = useMemo(() => shown.map(plain).join("\n"), [shown]);
  return (
    <>
      <div className={css.bar}>
        <SearchField label="Search the logs" value={q} onSearch={(next) => set({ q: next })} />
        <Choice
          label="Level"
          value={level}
          options={[
            ["", "All levels"],
            ["info", "Info and above"],
            ["warning", "Warnings and errors"],
            ["error", "Errors"],
          ]}
          onChange={(event) => set({ level: event.target.value })}
        />
        {of && (
          <button
            type="button"
            className={css.chip}
            onClick={() => set({ of: undefined })}
            aria-label={`Step ${of}: put this filter away`}
          >
            {of} ×
          </button>
        )}
        <Check label="Wrap" checked={wrap} onChange={(event) => setWrap(event.target.checked)} />
        {live && <Check label="Follow" checked={follow} onChange={(event) => setFollow(event.target.checked)} />}
        <span className="quiet">{shown.length.toLocaleString("en")} lines</span>
        <Copy text={text} label="Copy these lines" />
        <IconButton label="Download these lines" onClick={() => download(`${run.id}.log`, text, "text/plain")}>
          <Download aria-hidden />
        </IconButton>
      </div>
      {shown.length === 0 ? (
        <Empty title={lines.length === 0 ? "Nothing was said yet" : "No line is like that"} />
      ) : (
        <Lines
          key={String(wrap)}
          lines={shown}
          wrap={wrap}
          follow={live && follow}
          onLeave={() => setFollow(false)}
          onSelect={onSelect}
        />
      )}
    </>
  );
}

function plain(line: Line): string {
  return `${line.at} ${line.level.toUpperCase().padEnd(7)} ${line.step ?? "-"} ${line.message}`;
}

interface LinesProps {
  lines: readonly Line[];
  wrap: boolean;
  follow: boolean;
  onLeave: () => void;
  onSelect: (path: string) => void;
}

function Lines({ lines, wrap, follow, onLeave, onSelect }: LinesProps) {
  const frame = useRef<HTMLElement>(null);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => frame.current,
    estimateSize: () => HEIGHT,
    overscan: 30,
  });
  useEffect(() => {
    if (follow) virtual.scrollToIndex(lines.length - 1, { align: "end" });
  }, [follow, lines.length, virtual]);
  return (
    <section
      ref={frame}
      className={css.log}
      data-wrap={wrap}
      aria-label="Lines of the log"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
      tabIndex={0}
      // A hand that scrolls up wants to read, not to follow.
      onWheel={(event) => event.deltaY < 0 && onLeave()}
    >
      <div style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index] as Line;
          return (
            <div
              key={item.key}
              ref={wrap ? virtual.measureElement : undefined}
              data-index={item.index}
              className={css.logLine}
              data-level={line.level}
              style={{ transform: `translateY(${item.start}px)` }}
            >
              <time dateTime={line.at} title={line.at}>
                {clock(line.at, Date.parse(line.at))}.{line.at.slice(20, 23)}
              </time>
              <span className={css.level}>{line.level}</span>
              {line.step ? (
                <button
                  type="button"
                  className={css.logStep}
                  title={line.step}
                  onClick={() => onSelect(line.step ?? "")}
                >
                  {line.step}
                </button>
              ) : (
                <span className={css.logStep}>run</span>
              )}
              <span className={css.message}>{line.message}</span>
            </div>
          );
        })}
      </div>
    </section>
  );
}
