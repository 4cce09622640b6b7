/** A value as a tree, or raw: to copy, to take home. What the server has cut is fetched whole when it is wanted. */
import { Download } from "lucide-react";
import { useMemo, useState } from "react";
import { send } from "@/api/client";
import { Button, IconButton } from "@/design/button";
import { Copy, Json } from "@/design/data";
import { doing } from "@/design/overlays";
import { bytes } from "@/format/text";
import css from "./run.module.css";

const LONG = 20_000;
/** Bytes above which a value is not laid out in the page, only handed out as a file. */
const HUGE = 4_000_000;

interface ValueProps {
  title: string;
  value: unknown;
  name: string;
  open?: number;
}

export function Value(props: ValueProps) {
  const [whole, setWhole] = useState<unknown>(undefined);
  const cut = whole === undefined ? cutOf(props.value) : null;
  if (cut) return <CutValue {...props} cut={cut} onWhole={setWhole} />;
  const value = whole === undefined ? props.value : whole;
  if (value === null || value === undefined) {
    return (
      <div className={css.panelPart}>
        <h3>{props.title}</h3>
        <p className="quiet">none</p>
      </div>
    );
  }
  return <WholeValue {...props} value={value} />;
}

interface Cut {
  size: number;
  preview: string;
  raw: string;
}

/** What stands in the place of a value that is too large for an answer. */
function cutOf(value: unknown): Cut | null {
  if (typeof value !== "object" || value === null || Object.keys(value).join() !== "$cut") return null;
  const { size, preview, raw } = (value as { $cut: Record<string, unknown> }).$cut ?? {};
  const ours = typeof raw === "string" && raw.startsWith("/api/v1/runs/");
  return ours ? { size: Number(size), preview: String(preview), raw } : null;
}

/** Whether only its beginning is there: then it cannot be edited here. */
export function isCut(value: unknown): boolean {
  return cutOf(value) !== null;
}

function CutValue({ title, name, cut, onWhole }: ValueProps & { cut: Cut; onWhole: (value: unknown) => void }) {
  const load = () =>
    doing(
      send(cut.raw)
        .then((answer) => answer.json())
        .then(onWhole),
      "This is all of it.",
    );
  const save = () =>
    doing(
      send(cut.raw)
        .then((answer) => answer.text())
        .then((text) => download(`${name}.json`, text)),
      "It is in your downloads.",
    );
  return (
    <div className={css.panelPart}>
      <div className={css.valueHead}>
        <h3>{title}</h3>
        <span className="quiet">{bytes(cut.size)}, of which this is the beginning</span>
      </div>
      <Raw text={cut.preview} title={title} />
      <p className={css.line}>
        {cut.size <= HUGE && <Button onClick={load}>Show all of it</Button>}
        <Button onClick={save}>
          <Download aria-hidden /> Download {bytes(cut.size)}
        </Button>
      </p>
    </div>
  );
}

function WholeValue({ title, value, name, open }: ValueProps) {
  const [raw, setRaw] = useState(false);
  const text = useMemo(() => JSON.stringify(value, null, 2) ?? "null", [value]);
  return (
    <div className={css.panelPart}>
      <div className={css.valueHead}>
        <h3>{title}</h3>
        <span className="quiet">{bytes(text.length)}</span>
        <button type="button" className="link" aria-pressed={raw} onClick={() => setRaw(!raw)}>
          {raw ? "as a tree" : "raw"}
        </button>
        <Copy text={text} label={`Copy ${title.toLowerCase()}`} />
        <IconButton label={`Download ${title.toLowerCase()}`} onClick={() => download(`${name}.json`, text)}>
          <Download aria-hidden />
        </IconButton>
      </div>
      {raw ? <Raw text={text} title={title} /> : <Json value={value} label={title} open={open ?? 2} />}
    </div>
  );
}

function Raw({ text, title }: { text: string; title: string }) {
  const [whole, setWhole] = useState(text.length <= LONG);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
      <section className={css.raw} tabIndex={0} aria-label={`${title}, raw`}>
        <pre>{whole ? text : text.slice(0, LONG)}</pre>
      </section>
      {!whole && (
        <button type="button" className="link" onClick={() => setWhole(true)}>
          all {bytes(text.length)}
        </button>
      )}
    </>
  );
}

/** Hands a text to the browser as a file. */
export function download(name: string, text: string, type = "application/json"): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name.replace(/[^\w.-]+/g, "_").slice(-120);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
