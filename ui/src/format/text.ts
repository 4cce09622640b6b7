/** How values are written: times, spans, counts, sizes. Always the same width where they change. */

const COUNT = new Intl.NumberFormat("en");
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const FULL = new Intl.DateTimeFormat("en-GB", {
  year: "numeric",
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short",
});
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "2-digit", month: "short" });

export function count(value: number): string {
  return value < 100_000 ? COUNT.format(value) : SHORT.format(value);
}

export function percent(part: number): string {
  if (part === 1) return "100 %";
  // 99.97 must not be rounded to a success that is not there.
  return `${(Math.floor(part * 10_000) / 100).toFixed(part > 0.99 ? 2 : 1)} %`;
}

/** A span of milliseconds: `8 ms`, `1.2 s`, `3 m 04 s`, `2 h 10 m`, `3 d 4 h`. */
export function span(millis: number): string {
  if (millis < 1) return millis <= 0 ? "0 ms" : "<1 ms";
  if (millis < 1_000) return `${Math.round(millis)} ms`;
  if (millis < 10_000) return `${(millis / 1_000).toFixed(1)} s`;
  const seconds = Math.round(millis / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const pad = (n: number) => String(n).padStart(2, "0");
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ${pad(Math.floor((seconds % 3_600) / 60))} m`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h`;
}

/** How long ago, or how far ahead: `12 s ago`, `in 3 m`. */
export function ago(at: string, now: number): string {
  const millis = now - Date.parse(at);
  const away = Math.abs(millis);
  if (away < 1_000) return "now";
  const unit =
    away < 60_000
      ? `${Math.floor(away / 1_000)} s`
      : away < 3_600_000
        ? `${Math.floor(away / 60_000)} m`
        : away < 86_400_000
          ? `${Math.floor(away / 3_600_000)} h`
          : `${Math.floor(away / 86_400_000)} d`;
  return millis >= 0 ? `${unit} ago` : `in ${unit}`;
}

export function fullTime(at: string): string {
  return FULL.format(new Date(at));
}

/** The time of day, with the day where it is not today. */
export function clock(at: string, now: number): string {
  const date = new Date(at);
  const today = new Date(now).toDateString() === date.toDateString();
  return today ? CLOCK.format(date) : `${DAY.format(date)} ${CLOCK.format(date)}`;
}

const UNITS = ["B", "KB", "MB", "GB", "TB"];

export function bytes(size: number): string {
  let value = size;
  let unit = 0;
  while (value >= 1_000 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

const TURNING = /[\u202a-\u202e\u2066-\u2069]/g;

/** A text that others have written, inside of a sentence of ours: marks that turn the direction of what follows are shown. */
export function unturned(text: string): string {
  return text.replace(TURNING, "\ufffd");
}
