/** What of the run's time is in sight, and how hands move it. */
import { type PointerEvent, type RefObject, useEffect, useRef, useState } from "react";
import { panned, type View, zoomed } from "./scale";

const STEP = 0.8;

export interface Hands {
  view: View;
  fits: boolean;
  fit: () => void;
  zoom: (nearer: boolean) => void;
  pan: (share: number) => void;
  drag: { onPointerDown: (event: PointerEvent) => void };
}

/** `chart`: what the wheel and drags move. `whole` grows while the run is live; what fits goes on to fit. */
export function useView(whole: View, chart: RefObject<HTMLElement | null>): Hands {
  const [own, setOwn] = useState<View | null>(null);
  const now = useRef({ view: whole, whole });
  const view = own ?? whole;
  now.current = { view, whole };
  const become = (next: View) => {
    const { whole: all } = now.current;
    setOwn(next.from <= all.from && next.to >= all.to ? null : next);
  };
  useWheel(chart, now, become);
  return {
    view,
    fits: own === null,
    fit: () => setOwn(null),
    zoom: (nearer) => become(zoomed(now.current.view, now.current.whole, nearer ? STEP : 1 / STEP, 0.5)),
    pan: (share) => become(panned(now.current.view, now.current.whole, share)),
    drag: { onPointerDown: (event) => drag(event, now, become) },
  };
}

type Now = RefObject<{ view: View; whole: View }>;

/** Ctrl (⌘) and the wheel zoom, a sideways wheel or Shift pans; a plain wheel scrolls, as everywhere. */
function useWheel(chart: RefObject<HTMLElement | null>, now: Now, become: (view: View) => void): void {
  const last = useRef(become);
  last.current = become;
  useEffect(() => {
    const place = chart.current;
    if (!place) return;
    const onWheel = (event: WheelEvent) => {
      const lane = place.querySelector("[data-axis]")?.getBoundingClientRect();
      if (!lane || lane.width === 0 || !now.current) return;
      const { view, whole } = now.current;
      const sideways =
        Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
      if (event.ctrlKey || event.metaKey) {
        const at = Math.min(1, Math.max(0, (event.clientX - lane.left) / lane.width));
        last.current(zoomed(view, whole, Math.exp(event.deltaY / 300), at));
      } else if (sideways !== 0) last.current(panned(view, whole, sideways / lane.width));
      else return;
      event.preventDefault();
    };
    place.addEventListener("wheel", onWheel, { passive: false });
    return () => place.removeEventListener("wheel", onWheel);
  }, [chart, now]);
}

function drag(event: PointerEvent, now: Now, become: (view: View) => void): void {
  const place = event.currentTarget;
  const { view, whole } = now.current ?? {};
  if (!view || !whole || event.button !== 0 || event.pointerType === "touch") return;
  const begin = event.clientX;
  const width = place.getBoundingClientRect().width;
  const move = (next: globalThis.PointerEvent) => become(panned(view, whole, (begin - next.clientX) / width));
  const end = () => {
    window.removeEventListener("pointermove", move);
    window.removeEventListener("pointerup", end);
  };
  window.addEventListener("pointermove", move);
  window.addEventListener("pointerup", end);
}
