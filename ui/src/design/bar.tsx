/** The bar above a list: its filters, which live in the address, and what can be done with what is chosen. */
import { X } from "lucide-react";
import type { ReactNode } from "react";
import css from "./bar.module.css";

export function Bar({ children, label }: { children: ReactNode; label?: string }) {
  return (
    <div className={css.bar} {...(label ? { role: "group", "aria-label": label } : {})}>
      {children}
    </div>
  );
}

/** One of several that exclude one another, each with how many there are of it. */
export function Toggles({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: string;
  options: readonly { value: string; label: ReactNode; count?: number }[];
  onChange: (value: string) => void;
}) {
  return (
    <fieldset className={css.toggles} aria-label={label}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          className={css.toggle}
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value === value ? "" : option.value)}
        >
          {option.label}
          {option.count !== undefined && <span className={css.count}>{option.count.toLocaleString("en")}</span>}
        </button>
      ))}
    </fieldset>
  );
}

/** A filter that is on and has no field of its own; clicking takes it away. */
export function Chip({ name, value, onRemove }: { name: string; value: string; onRemove: () => void }) {
  return (
    <button type="button" className={css.chip} aria-label={`Without ${name} ${value}`} title={value} onClick={onRemove}>
      <span className="quiet">{name}</span>
      <span className={css.value}>{value}</span>
      <X aria-hidden />
    </button>
  );
}
