/** The bytes of a payload, and how they can be read. Pure. */

export interface Letter {
  text: string | null;
  base64: string | null;
}

export function bytesOf({ text, base64 }: Letter): Uint8Array {
  if (base64 !== null) return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new TextEncoder().encode(text ?? "");
}

/** The text: as it came, or what UTF-8 makes of it with marks where it is none. */
export function textOf(letter: Letter): string {
  return letter.text ?? new TextDecoder().decode(bytesOf(letter));
}

/** The JSON in it, or undefined. */
export function jsonOf(letter: Letter): { value: unknown } | undefined {
  if (letter.text === null) return undefined;
  try {
    return { value: JSON.parse(letter.text) };
  } catch {
    return undefined;
  }
}

const ROW = 16;

/** Lines such as `00000010  7b 22 61 …  {"a…`. */
export function hexLines(bytes: Uint8Array, most: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, most); at += ROW) {
    const part = [...bytes.subarray(at, at + ROW)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const seen = part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(ROW * 3 - 1)}  ${seen}`);
  }
  return lines;
}

/** What an edit begins with: the JSON, where it is some; else the text as it is, to be mended. */
export function draftOf(letter: Letter): string {
  const json = jsonOf(letter);
  return json ? JSON.stringify(json.value, null, 2) : textOf(letter);
}
