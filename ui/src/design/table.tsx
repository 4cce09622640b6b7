/**
 * The one table of all lists: rows are links, the arrow keys (or j and k) walk them, only those in sight are drawn, and
 * the width of columns does not depend on what is in them, so that nothing jumps when rows come in.
 */
import { useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type MouseEvent, type ReactNode, useEffect, useRef } from "react";
import { place } from "@/app/go";
import { Button } from "./button";
import { Failure, Loading } from "./states";
import css from "./table.module.css";

export interface Column<T> {
  name: string;
  /** CSS width; one column should have none and takes what is left. */
  width?: string;
  right?: boolean;
  /** Not shown on a phone. */
  secondary?: boolean;
  /** Shown only where there is much room. */
  wide?: boolean;
  cell: (row: T) => ReactNode;
}

interface Picking {
  chosen: ReadonlySet<string>;
  onChange: (chosen: ReadonlySet<string>) => void;
}

interface TableProps<T> {
  /** What the list is of, for screen readers. */
  label: string;
  columns: readonly Column<T>[];
  rows: readonly T[] | undefined;
  id: (row: T) => string;
  /** Where a row leads: a path below `/ui`. */
  to?: (row: T) => string;
  onOpen?: (row: T) => void;
  picking?: Picking;
  /** Rows that are open beside the list. */
  current?: ReadonlySet<string>;
  error?: Error | null;
  again?: () => void;
  empty: ReactNode;
  /** Asks for the next page; undefined: there is none. */
  more?: () => void;
  height?: string;
  /** Told when the top of the list comes into sight or leaves it. A function that stays the same. */
  onTop?: (there: boolean) => void;
}

const HEIGHT = 33;
const VIRTUAL_FROM = 150;

export function Table<T>(props: TableProps<T>) {
  const { rows, error, again, empty } = props;
  if (rows === undefined) return error ? <Failure error={error} again={again} /> : <Loading />;
  if (rows.length === 0) return <>{empty}</>;
  return <Rows {...props} rows={rows} />;
}

function Rows<T>({
  label,
  columns,
  rows,
  id,
  to,
  onOpen,
  picking,
  current,
  more,
  height,
  onTop,
}: TableProps<T> & { rows: readonly T[] }) {
  const frame = useRef<HTMLDivElement>(null);
  const top = useTop(onTop);
  const choose = useRange(rows, id, picking);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    estimateSize: () => HEIGHT,
    overscan: 20,
    enabled: rows.length > VIRTUAL_FROM,
  });
  const drawn = rows.length > VIRTUAL_FROM ? virtual.getVirtualItems() : null;
  const first = drawn?.[0]?.start ?? 0;
  const after = drawn ? virtual.getTotalSize() - (drawn.at(-1)?.end ?? 0) : 0;
  const shown = drawn ? drawn.map((item) => item.index) : rows.map((_, index) => index);
  const span = columns.length + (picking ? 1 : 0);
  // A list that is long scrolls in itself; a short one with the page.
  const size = drawn ? (height ?? "min(70vh, 900px)") : height;
  return (
    <>
      {/* What scrolls must be reachable by the keyboard. */}
      <section
        ref={frame}
        data-table-frame
        className={css.frame}
        style={size ? { maxHeight: size } : undefined}
        {...(drawn ? { tabIndex: 0, "aria-label": label } : {})}
      >
        <div ref={top} className={css.top} />
        <table className={css.table} aria-label={label} aria-rowcount={more ? -1 : rows.length + 1}>
          <thead>
            <tr>
              {picking && <PickAll rows={rows} id={id} picking={picking} />}
              {columns.map((column) => (
                <th key={column.name} scope="col" style={{ width: column.width }} className={classOf(column)}>
                  {column.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {first > 0 && <Pad height={first} span={span} />}
            {shown.map((index) => {
              const row = rows[index] as T;
              return (
                <Row
                  key={id(row)}
                  {...{ row, columns, id, to, onOpen, picking, current, choose, index }}
                  measure={drawn ? virtual.measureElement : undefined}
                />
              );
            })}
            {after > 0 && <Pad height={after} span={span} />}
          </tbody>
        </table>
      </section>
      {more && (
        <div className={css.more}>
          <span>{rows.length.toLocaleString("en")} shown</span>
          <Button onClick={more}>Show more</Button>
        </div>
      )}
    </>
  );
}

function classOf<T>({ right, secondary, wide }: Column<T>): string {
  return `${right ? css.right : ""} ${secondary ? css.secondary : ""} ${wide ? css.wide : ""}`;
}

function Pad({ height, span }: { height: number; span: number }) {
  return (
    <tr className={css.pad} aria-hidden>
      <td colSpan={span} style={{ height }} />
    </tr>
  );
}

function Row<T>({
  row,
  columns,
  id,
  to,
  onOpen,
  picking,
  current,
  choose,
  index,
  measure,
}: Pick<TableProps<T>, "columns" | "id" | "to" | "onOpen" | "picking" | "current"> & {
  row: T;
  index: number;
  choose: (index: number, range: boolean) => void;
  /** Told of a row that is drawn, where not all are: rows may have different heights. */
  measure?: (row: HTMLTableRowElement | null) => void;
}) {
  const navigate = useNavigate();
  const key = id(row);
  const leads = Boolean(to || onOpen);
  const open = () => {
    if (to) void navigate(place(to(row)) as never);
    else onOpen?.(row);
  };
  const onClick = (event: MouseEvent) => {
    const own = event.target instanceof Element && event.target.closest("a, button, input, select, label");
    // A menu of the row stands elsewhere in the document, yet React tells the row of clicks in it.
    const elsewhere = !(event.target instanceof Node && event.currentTarget.contains(event.target));
    if (own || elsewhere || window.getSelection()?.toString()) return;
    if (to && (event.metaKey || event.ctrlKey)) window.open(`/ui${to(row)}`, "_blank", "noopener");
    else open();
  };
  const onKeyDown = (event: KeyboardEvent<HTMLTableRowElement>) => {
    if (event.target !== event.currentTarget) return;
    const there = event.currentTarget;
    if (event.key === "Enter") open();
    else if (event.key === "ArrowDown" || event.key === "j") (there.nextElementSibling as HTMLElement | null)?.focus();
    else if (event.key === "ArrowUp" || event.key === "k")
      (there.previousElementSibling as HTMLElement | null)?.focus();
    else if (event.key.toLowerCase() === "x" && picking) choose(index, event.shiftKey);
    else return;
    event.preventDefault();
  };
  const chosen = picking?.chosen.has(key);
  return (
    <tr
      ref={measure}
      data-index={index}
      className={`${css.row} ${leads ? css.linked : ""} ${chosen ? css.chosen : ""}`}
      tabIndex={leads ? 0 : undefined}
      onClick={leads ? onClick : undefined}
      onKeyDown={leads ? onKeyDown : undefined}
      aria-rowindex={index + 2}
      aria-current={current?.has(key) ? "true" : undefined}
      data-id={key}
    >
      {picking && (
        <td className={css.pick}>
          <input
            type="checkbox"
            aria-label={`Choose ${key}`}
            checked={chosen}
            onChange={(event) => choose(index, (event.nativeEvent as globalThis.MouseEvent).shiftKey)}
          />
        </td>
      )}
      {columns.map((column) => (
        <td key={column.name} className={classOf(column)}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}

/** Whether the list is at its top, whatever scrolls, and nobody walks its rows by keys (they would move away). */
function useTop(onTop: ((there: boolean) => void) | undefined) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const frame = place.current?.parentElement;
    if (!onTop || !place.current || !frame) return;
    let seen = true;
    let walked = false;
    const watcher = new IntersectionObserver(([entry]) => {
      seen = entry?.isIntersecting ?? true;
      onTop(seen && !walked);
    });
    const walking = (event: FocusEvent) => {
      const there = event.type === "focusin" ? event.target : event.relatedTarget;
      walked = there instanceof Element && there.matches("tbody tr:focus-visible") && frame.contains(there);
      onTop(seen && !walked);
    };
    watcher.observe(place.current);
    frame.addEventListener("focusin", walking);
    frame.addEventListener("focusout", walking);
    return () => {
      watcher.disconnect();
      frame.removeEventListener("focusin", walking);
      frame.removeEventListener("focusout", walking);
    };
  }, [onTop]);
  return place;
}

/** Chooses a row; with shift all from the one that was chosen before. */
function useRange<T>(rows: readonly T[], id: (row: T) => string, picking: Picking | undefined) {
  const last = useRef<string | null>(null);
  return (index: number, range: boolean) => {
    const row = rows[index];
    if (!picking || row === undefined) return;
    const key = id(row);
    const next = new Set(picking.chosen);
    const from = range ? rows.findIndex((each) => id(each) === last.current) : -1;
    if (from >= 0) {
      for (const each of rows.slice(Math.min(from, index), Math.max(from, index) + 1)) next.add(id(each));
    } else if (!next.delete(key)) next.add(key);
    last.current = key;
    picking.onChange(next);
  };
}

function PickAll<T>({ rows, id, picking }: { rows: readonly T[]; id: (row: T) => string; picking: Picking }) {
  const all = rows.every((row) => picking.chosen.has(id(row)));
  return (
    <th scope="col" className={css.pick}>
      <input
        type="checkbox"
        aria-label="Choose all that are shown"
        checked={all}
        ref={(box) => {
          if (box) box.indeterminate = !all && picking.chosen.size > 0;
        }}
        onChange={() => picking.onChange(all ? new Set() : new Set(rows.map(id)))}
      />
    </th>
  );
}
