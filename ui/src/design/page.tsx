/** The frame of every page: its name, what it says in a sentence, what can be done, and sections. */
import { type ReactNode, useEffect, useId } from "react";
import css from "./page.module.css";

export function Page({
  title,
  mark,
  says,
  actions,
  children,
}: {
  title: string;
  /** Beside the title: a state, most often. */
  mark?: ReactNode;
  /** One sentence in plain words. */
  says?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Reactor`;
  }, [title]);
  return (
    <div className={css.page}>
      <header className={css.head}>
        <div className={css.titles}>
          <h1>
            {title} {mark}
          </h1>
          {says && <p className={css.says}>{says}</p>}
        </div>
        {actions && <div className={css.actions}>{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** A part of a page with its name. `tools` stand at the right of the name. */
export function Section({
  title,
  tools,
  padded,
  children,
}: {
  title?: string;
  tools?: ReactNode;
  padded?: boolean;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <section className={css.section} aria-labelledby={title ? id : undefined}>
      {(title || tools) && (
        <div className={css.bar}>
          {title && <h2 id={id}>{title}</h2>}
          {tools}
        </div>
      )}
      <div className={padded ? css.padded : undefined}>{children}</div>
    </section>
  );
}

/** Pairs of a name and a value. */
export function Facts({ items }: { items: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className={css.facts}>
      {items.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
