/** Fields of forms. Each has a label that is seen, and says in place what is wrong with what is in it. */
import { Search } from "lucide-react";
import { type ComponentProps, type ReactNode, useEffect, useId, useRef, useState } from "react";
import css from "./fields.module.css";

interface About {
  label: string;
  hint?: ReactNode;
  /** What is wrong; the words of the server where it has refused. */
  wrong?: string | null;
}

function Field({ id, label, hint, wrong, children }: About & { id: string; children: ReactNode }) {
  return (
    <div className={css.field}>
      <label className={css.label} htmlFor={id}>
        {label}
      </label>
      {children}
      {wrong ? (
        <p className={css.wrong} id={`${id}-more`} role="alert">
          {wrong}
        </p>
      ) : (
        hint && (
          <p className={css.hint} id={`${id}-more`}>
            {hint}
          </p>
        )
      )}
    </div>
  );
}

function described(id: string, { hint, wrong }: About) {
  return { id, "aria-invalid": wrong ? true : undefined, "aria-describedby": hint || wrong ? `${id}-more` : undefined };
}

export function Input({ label, hint, wrong, ...rest }: About & ComponentProps<"input">) {
  const id = useId();
  const about = { label, hint, wrong };
  return (
    <Field id={id} {...about}>
      <input className={css.input} {...described(id, about)} {...rest} />
    </Field>
  );
}

export function TextArea({ label, hint, wrong, ...rest }: About & ComponentProps<"textarea">) {
  const id = useId();
  const about = { label, hint, wrong };
  return (
    <Field id={id} {...about}>
      <textarea className={css.input} spellCheck={false} {...described(id, about)} {...rest} />
    </Field>
  );
}

export function Select({
  label,
  hint,
  wrong,
  options,
  ...rest
}: About & ComponentProps<"select"> & { options: readonly (readonly [string, string])[] }) {
  const id = useId();
  const about = { label, hint, wrong };
  return (
    <Field id={id} {...about}>
      <select className={css.input} {...described(id, about)} {...rest}>
        {options.map(([value, shown]) => (
          <option key={value} value={value}>
            {shown}
          </option>
        ))}
      </select>
    </Field>
  );
}

export function Check({ label, ...rest }: { label: ReactNode } & ComponentProps<"input">) {
  return (
    <label className={css.check}>
      <input type="checkbox" {...rest} />
      <span>{label}</span>
    </label>
  );
}

/** A select without a label of its own, in a bar of filters; `label` is for screen readers. */
export function Choice({
  label,
  options,
  ...rest
}: { label: string } & ComponentProps<"select"> & { options: readonly (readonly [string, string])[] }) {
  return (
    <select className={css.input} style={{ width: "auto" }} aria-label={label} {...rest}>
      {options.map(([value, shown]) => (
        <option key={value} value={value}>
          {shown}
        </option>
      ))}
    </select>
  );
}

/** A search that tells when typing has paused. `/` leads here. */
export function SearchField({
  label,
  value,
  onSearch,
}: {
  label: string;
  value: string;
  onSearch: (text: string) => void;
}) {
  const [text, setText] = useState(value);
  const told = useRef(value);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (value !== told.current) {
      told.current = value;
      setText(value);
    }
  }, [value]);
  useEffect(() => {
    if (text === told.current) return;
    const timer = setTimeout(() => {
      told.current = text;
      onSearch(text);
    }, 200);
    return () => clearTimeout(timer);
  }, [text, onSearch]);
  useEffect(() => {
    const lead = (event: KeyboardEvent) => {
      const typing =
        event.target instanceof HTMLElement && event.target.closest("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      field.current?.focus();
    };
    window.addEventListener("keydown", lead);
    return () => window.removeEventListener("keydown", lead);
  }, []);
  return (
    <div className={css.search}>
      <Search aria-hidden />
      <input
        ref={field}
        className={css.input}
        type="search"
        aria-label={label}
        placeholder={label}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
    </div>
  );
}
