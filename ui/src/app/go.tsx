/** Links within the control room, and the filters that live in its URLs. */
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import type { AnchorHTMLAttributes, ReactNode } from "react";

/** A page's filters: names and texts, as they are in the URL. */
export type Filters = Readonly<Record<string, string>>;

/** What the router takes for an address such as `/runs?status=failed`. */
export function place(address: string): { to: string; search: Filters } {
  const [to = "/", query = ""] = address.split("?");
  return { to, search: parseSearch(query) };
}

/** An address with those filters that say something. */
export function address(path: string, filters: Record<string, string | number | null | undefined>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export function parseSearch(text: string): Filters {
  return Object.fromEntries(new URLSearchParams(text));
}

export function stringifySearch(search: Record<string, unknown>): string {
  const text = address("", search as Filters);
  return text;
}

/** A link to an address below `/ui`. Parts from outside are to be given through `encodeURIComponent`. */
export function Go({
  to,
  children,
  ...rest
}: { to: string; children: ReactNode } & Omit<AnchorHTMLAttributes<HTMLAnchorElement>, "href">) {
  return (
    <Link {...(place(to) as { to: "/" })} {...rest}>
      {children}
    </Link>
  );
}

/** The filters in the URL, and how to change some of them (undefined or empty: away with it). */
export function useFilters(): [Filters, (change: Record<string, string | undefined>) => void] {
  const filters = useSearch({ strict: false }) as Filters;
  const navigate = useNavigate();
  const set = (change: Record<string, string | undefined>) => {
    const next = Object.fromEntries(Object.entries({ ...filters, ...change }).filter(([, value]) => value));
    void navigate({ to: ".", search: next, replace: true } as never);
  };
  return [filters, set];
}
