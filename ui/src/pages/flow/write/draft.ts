/** A text that is being written: what it was made from, kept in the tab until it is saved or put away. */
import { useCallback, useEffect, useState } from "react";

export interface Base {
  text: string;
  /** What the server knows this text by; empty: it is new. */
  etag: string;
}

interface Kept extends Base {
  draft: string;
}

const NAME = (key: string) => `reactor:draft:${key}`;

function read(key: string): Kept | null {
  try {
    const kept = JSON.parse(sessionStorage.getItem(NAME(key)) ?? "null") as Partial<Kept> | null;
    const fits = typeof kept?.draft === "string" && typeof kept.text === "string" && typeof kept.etag === "string";
    return fits ? (kept as Kept) : null;
  } catch {
    return null;
  }
}

function keep(key: string, kept: Kept | null): void {
  try {
    if (kept) sessionStorage.setItem(NAME(key), JSON.stringify(kept));
    else sessionStorage.removeItem(NAME(key));
  } catch {
    // The tab's memory is full or closed to us: `beforeunload` still asks.
  }
}

export function useDraft(key: string, there: Base) {
  const [first] = useState(() => read(key));
  const [base, setBase] = useState<Base>(first ?? there);
  const [text, setText] = useState(first?.draft ?? there.text);
  const changed = text !== base.text;
  // What nobody has touched follows the server; what somebody writes is theirs.
  const follows = !changed && base.etag !== there.etag;
  useEffect(() => {
    if (!follows) return;
    setBase({ text: there.text, etag: there.etag });
    setText(there.text);
  }, [follows, there.text, there.etag]);
  useEffect(() => {
    keep(key, changed ? { ...base, draft: text } : null);
  }, [key, changed, base, text]);
  useEffect(() => {
    if (!changed) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [changed]);
  const take = useCallback((next: Base, written?: string) => {
    setBase(next);
    setText(written ?? next.text);
  }, []);
  return {
    base,
    text,
    setText,
    changed,
    take,
    restored: first !== null,
    elsewhere: changed && base.etag !== there.etag,
  };
}
