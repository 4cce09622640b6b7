/** What a rule would have said over the last day, and says now. */
import type { Shapes } from "@/api/client";
import { Status } from "@/design/status";
import { Time } from "@/design/time";
import { plural } from "@/format/text";
import css from "./alerts.module.css";
import { inUnit } from "./values";

const MOST = 8;

export function Previewed({ preview, unit }: { preview: Shapes["Preview"]; unit: string }) {
  const { looked_back, fired, alerts, now, note } = preview;
  return (
    <section className={`${css.preview} ${css.whole}`} aria-label="What it would have said" aria-live="polite">
      {looked_back && <strong>It would have fired {plural(fired, "time")} in the last 24 hours.</strong>}
      {note && <p className="quiet">{note}</p>}
      <ul>
        {alerts.slice(0, MOST).map((one) => (
          <li key={`${one.subject} ${one.fired_at}`}>
            <Status value={one.state} bare /> {one.subject || "the whole"}, <Time at={one.fired_at} />: {one.reason}
          </li>
        ))}
        {alerts.length > MOST && <li className="quiet">and {alerts.length - MOST} more</li>}
      </ul>
      <strong>Now</strong>
      <ul>
        {now.slice(0, MOST).map((one) => (
          <li key={one.subject}>
            <Status value={one.state} bare /> {one.subject || "the whole"}
            {unit && `, ${inUnit(one.value, unit)}`}: {one.reason}
          </li>
        ))}
        {now.length === 0 && <li className="quiet">There is nothing that it would look at.</li>}
        {now.length > MOST && <li className="quiet">and {now.length - MOST} more</li>}
      </ul>
    </section>
  );
}
