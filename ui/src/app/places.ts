/** Which page an address is of: for the side bar, and for the way back above a page. */
import { PLACES, type Place } from "./pages";

/** The path below `/ui`. */
export function below(path: string): string {
  return path.replace(/^\/ui/, "").replace(/\/$/, "") || "/";
}

export function isAt(path: string, to: string): boolean {
  const there = below(path);
  return to === "/" ? there === "/" : there === to || there.startsWith(`${to}/`);
}

/** The place of the side bar that a path belongs to, and what comes after it: the name or id of one thing. */
export function whereabouts(path: string): { place: Place; rest: string } | null {
  const there = below(path);
  const place = PLACES.flat().find(({ to }) => to !== "/" && isAt(path, to));
  if (!place) return null;
  const [rest = ""] = there.slice(place.to.length + 1).split("/");
  return { place, rest: readable(rest) };
}

function readable(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
