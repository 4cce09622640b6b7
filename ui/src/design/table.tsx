/**
 * The one table of all lists: rows are links, the arrow keys (or j and k) walk them, only those in sight are drawn, and
 * the width of columns does not depend on what is in them, so that nothing jumps when rows come in.
 */
import { useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type MouseEvent, type ReactNode, useRef } from "react";
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
  error?: Error | null;
  again?: () => void;
  empty: ReactNode;
  /** Asks for the next page; undefined: there is none. */
  more?: () => void;
  height?: string;
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
  more,
  height,
}: TableProps<T> & { rows: readonly T[] }) {
  const frame = useRef<HTMLDivElement>(null);
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
        className={css.frame}
        style={size ? { maxHeight: size } : undefined}
        {...(drawn ? { tabIndex: 0, "aria-label": label } : {})}
      >
        <table className={css.table} aria-label={label} aria-rowcount={more ? -1 : rows.length + 1}>
          <thead>
            <tr>
              {picking && <PickAll rows={rows} id={id} picking={picking} />}
              {columns.map((column) => (
                <th
                  key={column.name}
                  scope="col"
                  style={{ width: column.width }}
                  className={`${column.right ? css.right : ""} ${column.secondary ? css.secondary : ""}`}
                >
                  {column.name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {first > 0 && <Pad height={first} span={span} />}
            {shown.map((index) => {
              const row = rows[index] as T;
              return <Row key={id(row)} {...{ row, columns, id, to, onOpen, picking, index }} />;
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
  index,
}: Pick<TableProps<T>, "columns" | "id" | "to" | "onOpen" | "picking"> & { row: T; index: number }) {
  const navigate = useNavigate();
  const key = id(row);
  const leads = Boolean(to || onOpen);
  const open = () => {
    if (to) void navigate(place(to(row)) as never);
    else onOpen?.(row);
  };
  const onClick = (event: MouseEvent) => {
    const own = event.target instanceof Element && event.target.closest("a, button, input, select, label");
    if (own || window.getSelection()?.toString()) return;
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
    else if (event.key === "x" && picking) pick(picking, key);
    else return;
    event.preventDefault();
  };
  const chosen = picking?.chosen.has(key);
  return (
    <tr
      className={`${css.row} ${leads ? css.linked : ""} ${chosen ? css.chosen : ""}`}
      tabIndex={leads ? 0 : undefined}
      onClick={leads ? onClick : undefined}
      onKeyDown={leads ? onKeyDown : undefined}
      aria-rowindex={index + 2}
      data-id={key}
    >
      {picking && (
        <td className={css.pick}>
          <input type="checkbox" aria-label={`Choose ${key}`} checked={chosen} onChange={() => pick(picking, key)} />
        </td>
      )}
      {columns.map((column) => (
        <td
          key={column.name}
          style={{ maxWidth: column.width ?? 0 }}
          className={`${column.right ? css.right : ""} ${column.secondary ? css.secondary : ""}`}
        >
          {column.cell(row)}
        </td>
      ))}
    </tr>
  );
}

function pick({ chosen, onChange }: Picking, key: string): void {
  const next = new Set(chosen);
  if (!next.delete(key)) next.add(key);
  onChange(next);
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
