/** Values as they are: ids, JSON, small series. Everything is text: nothing from an event is ever markup. */
import { Check, Copy as CopyIcon } from "lucide-react";
import { type ReactNode, useState } from "react";
import css from "./data.module.css";

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1_500);
  };
  return (
    <button type="button" className={css.copy} aria-label={done ? "Copied" : label} title={label} onClick={copy}>
      {done ? <Check aria-hidden /> : <CopyIcon aria-hidden />}
    </button>
  );
}

/** An id: its end is what differs, so a long one is cut in the middle. `children`: a link in its place. */
export function Id({ id, children, copy = true }: { id: string; children?: ReactNode; copy?: boolean }) {
  return (
    <span className={css.id}>
      {children ?? <span title={id}>{shortId(id)}</span>}
      {copy && <Copy text={id} label={`Copy ${id}`} />}
    </span>
  );
}

/** `run_01k9…x7q2`: enough to know it again on one page. */
export function shortId(id: string): string {
  return id.length > 18 ? `${id.slice(0, 6)}…${id.slice(-6)}` : id;
}

const MOST = 200;

/** JSON as a tree. Deep and long parts are folded, and drawn when they are opened. */
export function Json({ value, label, open = 2 }: { value: unknown; label: string; open?: number }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
    <section className={css.tree} aria-label={label} tabIndex={0}>
      <Value value={value} open={open} />
    </section>
  );
}

function Value({ value, name, open }: { value: unknown; name?: string; open: number }) {
  const key = name === undefined ? null : <span className={css.key}>{name}: </span>;
  if (value === null || typeof value !== "object") {
    return (
      <div>
        {key}
        <Scalar value={value} />
      </div>
    );
  }
  const entries = Array.isArray(value) ? value.map((each, n) => [String(n), each] as const) : Object.entries(value);
  const shape = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  if (entries.length === 0) {
    return (
      <div>
        {key}
        {Array.isArray(value) ? "[]" : "{}"}
      </div>
    );
  }
  return <Branch {...{ name, shape, entries, open }} />;
}

function Branch({
  name,
  shape,
  entries,
  open,
}: {
  name?: string;
  shape: string;
  entries: readonly (readonly [string, unknown])[];
  open: number;
}) {
  const [isOpen, setOpen] = useState(open > 0 && entries.length <= MOST);
  const [most, setMost] = useState(MOST);
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {name !== undefined && <span className={css.key}>{name}: </span>}
        <span className="quiet">{shape}</span>
      </summary>
      {isOpen && (
        <div className={css.inner}>
          {entries.slice(0, most).map(([key, value]) => (
            <Value key={key} name={key} value={value} open={open - 1} />
          ))}
          {entries.length > most && (
            <button type="button" className="link" onClick={() => setMost(most + MOST * 5)}>
              {entries.length - most} more
            </button>
          )}
        </div>
      )}
    </details>
  );
}

function Scalar({ value }: { value: unknown }) {
  const [whole, setWhole] = useState(false);
  if (typeof value === "string") {
    const cut = !whole && value.length > 2_000;
    return (
      <>
        <span className={css.string}>{JSON.stringify(cut ? value.slice(0, 2_000) : value)}</span>
        {cut && (
          <button type="button" className="link" onClick={() => setWhole(true)}>
            all {value.length.toLocaleString("en")} characters
          </button>
        )}
      </>
    );
  }
  return <span className={typeof value === "number" ? css.number : css.word}>{String(value)}</span>;
}

/** A small series without axes; `label` says in words what it shows. */
export function Sparkline({
  values,
  marks,
  label,
}: {
  values: readonly number[];
  marks?: readonly number[];
  label: string;
}) {
  const most = Math.max(1, ...values);
  const width = 100 / Math.max(1, values.length);
  return (
    <svg className={css.spark} viewBox="0 0 100 22" preserveAspectRatio="none" role="img" aria-label={label}>
      {values.map((value, n) => {
        const height = (value / most) * 21;
        const failed = ((marks?.[n] ?? 0) / most) * 21;
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: places in a series are their identity
          <g key={n}>
            <rect
              x={n * width}
              y={22 - Math.max(height, value ? 1.5 : 0.5)}
              width={width * 0.75}
              height={Math.max(height, value ? 1.5 : 0.5)}
              fill={value ? "var(--accent)" : "var(--line-strong)"}
              opacity={0.75}
            />
            {failed > 0 && (
              <rect
                x={n * width}
                y={22 - Math.max(failed, 2)}
                width={width * 0.75}
                height={Math.max(failed, 2)}
                fill="var(--bad)"
              />
            )}
          </g>
        );
      })}
    </svg>
  );
}
