/** Keys that work on every page. What they are is said once, here, and shown by `?`. */
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { PLACES } from "./pages";

const IS_MAC = /Mac|iP(hone|ad)/.test(navigator.platform);
export const MOD = IS_MAC ? "⌘" : "Ctrl";
const PATIENCE = 1_000;

export const KEYS: readonly { title: string; keys: readonly (readonly [string, string])[] }[] = [
  {
    title: "Everywhere",
    keys: [
      [`${MOD} K`, "Search everything, go anywhere, do it"],
      ["/", "Search the list on this page"],
      ["?", "Show these keys"],
      ["Esc", "Close what is on top"],
    ],
  },
  {
    title: "In a list",
    keys: [
      ["↓ or j", "Next row"],
      ["↑ or k", "Row before"],
      ["Enter", "Open the row"],
      [`${MOD} click`, "Open the row in a new tab"],
      ["x", "Choose the row"],
    ],
  },
  {
    title: "In a chart",
    keys: [
      ["← and →", "Walk the points"],
      ["Enter", "Open the runs of a point"],
      ["drag", "Zoom in; a double click goes back"],
    ],
  },
  {
    title: "Go to",
    keys: PLACES.flat().map(({ key, name }) => [`g ${key}`, name] as const),
  },
];

function isTyping(event: KeyboardEvent): boolean {
  return (
    event.target instanceof HTMLElement &&
    event.target.closest("input, textarea, select, [contenteditable='true'], [role='dialog']") !== null
  );
}

export function useKeys(does: { palette: () => void; keys: () => void }): void {
  const navigate = useNavigate();
  const current = useRef(does);
  current.current = does;
  useEffect(() => {
    let armed = Number.NEGATIVE_INFINITY;
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
        event.preventDefault();
        current.current.palette();
        return;
      }
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "?") {
        event.preventDefault();
        current.current.keys();
        return;
      }
      const isArmed = event.timeStamp - armed < PATIENCE;
      armed = event.key === "g" && !isArmed ? event.timeStamp : Number.NEGATIVE_INFINITY;
      if (!isArmed) return;
      const place = PLACES.flat().find((each) => each.key === event.key);
      if (place) void navigate({ to: place.to } as never);
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [navigate]);
}
