/** What was looked at last, for the palette. In this browser only, and only what has an address of its own. */
const KEY = "reactor-recent";
const MOST = 8;

export interface Recent {
  to: string;
  name: string;
}

export function recent(): readonly Recent[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isRecent).slice(0, MOST) : [];
  } catch {
    return [];
  }
}

export function remember(one: Recent): void {
  const others = recent().filter((each) => each.to !== one.to);
  localStorage.setItem(KEY, JSON.stringify([one, ...others].slice(0, MOST)));
}

function isRecent(value: unknown): value is Recent {
  const { to, name } = (value ?? {}) as Record<string, unknown>;
  return typeof to === "string" && to.startsWith("/") && typeof name === "string";
}
