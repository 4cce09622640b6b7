/** A payload, seen as text, as JSON or byte by byte. Whatever is in it stays text. */
import { useState } from "react";
import { Button } from "@/design/button";
import { Copy, Json } from "@/design/data";
import { Tabs } from "@/design/overlays";
import { bytes as size } from "@/format/text";
import css from "./letters.module.css";
import { bytesOf, hexLines, jsonOf, type Letter, textOf } from "./payload";

const FIRST = 4_096;

export function Viewer({ letter }: { letter: Letter }) {
  const json = jsonOf(letter);
  const [seen, setSeen] = useState(json ? "json" : letter.text === null ? "hex" : "text");
  const text = textOf(letter);
  const tabs = [
    { value: "text", label: "Text", content: <Long label="Payload as text" text={text} /> },
    { value: "hex", label: "Bytes", content: <Hex letter={letter} /> },
  ];
  if (json)
    tabs.unshift({ value: "json", label: "JSON", content: <Json value={json.value} label="Payload as JSON" /> });
  return (
    <section className={css.viewer} aria-label="Payload">
      <div className={css.head}>
        <h3>Payload</h3>
        <Copy text={text} label="Copy the payload" />
      </div>
      <div className={css.sheet}>
        <Tabs label="How it is read" value={seen} onChange={setSeen} tabs={tabs} />
      </div>
    </section>
  );
}

function Long({ label, text }: { label: string; text: string }) {
  const [most, setMost] = useState(FIRST);
  if (text === "") return <p className="quiet">It is empty.</p>;
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
      <section className={css.text} aria-label={label} tabIndex={0}>
        {text.slice(0, most)}
      </section>
      {text.length > most && (
        <Button look="plain" onClick={() => setMost(most * 16)}>
          {size(text.length - most)} more
        </Button>
      )}
    </>
  );
}

function Hex({ letter }: { letter: Letter }) {
  const [most, setMost] = useState(FIRST / 4);
  const bytes = bytesOf(letter);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard */}
      <section className={css.hex} aria-label="Payload as bytes" tabIndex={0}>
        {hexLines(bytes, most).join("\n")}
      </section>
      {bytes.length > most && (
        <Button look="plain" onClick={() => setMost(most * 16)}>
          {size(bytes.length - most)} more
        </Button>
      )}
    </>
  );
}
