/** A table of what is followed live (`useFollowed`): rows come in at the top while it is in sight, else they are told. */
import { type ComponentProps, useCallback, useEffect, useState } from "react";
import type { useFollowed } from "@/api/followed";
import { Button } from "./button";
import css from "./followed-table.module.css";
import { Table } from "./table";

type Row = { id: string };
type List<T extends Row> = ReturnType<typeof useFollowed<T>>;
type TableProps<T extends Row> = ComponentProps<typeof Table<T>>;

export function FollowedTable<T extends Row>({
  list,
  of,
  held = false,
  ...table
}: {
  list: List<T> /** What other list this is: another filter begins at its top. */;
  of: string /** Nothing may move now: rows are chosen. */;
  held?: boolean;
} & Omit<TableProps<T>, "rows" | "id" | "error" | "again" | "more" | "onTop">) {
  const [top, setTop] = useState(true);
  const { atTop, again, torn } = list;
  const free = top && !held;
  // biome-ignore lint/correctness/useExhaustiveDependencies: only a change of these holds or lets go
  useEffect(() => atTop(free), [free, of]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list begins at its top
  useEffect(() => list.release(), [of]);
  useEffect(() => {
    if (torn && free) void again();
  }, [torn, free, again]);
  return (
    <div className={css.list} data-stale={list.stale}>
      <News list={list} />
      <Table
        {...(table as TableProps<T>)}
        rows={list.items}
        id={(row) => row.id}
        error={list.error}
        again={() => void again()}
        onTop={useCallback((there: boolean) => setTop(there), [])}
        more={list.more}
      />
    </div>
  );
}

function News<T extends Row>({ list }: { list: List<T> }) {
  const show = () => {
    list.release();
    if (list.torn) void list.again();
    document.querySelector("[data-table-frame]")?.scrollTo({ top: 0 });
    window.scrollTo({ top: 0 });
  };
  if (list.news === 0) return null;
  return (
    <div className={css.news} role="status">
      <Button onClick={show}>{list.torn ? `More than ${list.news} new` : `${list.news} new`}</Button>
    </div>
  );
}
