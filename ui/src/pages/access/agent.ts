/** `Firefox on Linux`: what people know their browsers by. What is not known is shown as it is. */
const BROWSERS: readonly (readonly [RegExp, string])[] = [
  [/Edg\//, "Edge"],
  [/OPR\//, "Opera"],
  [/Firefox\//, "Firefox"],
  [/Chrom(e|ium)\//, "Chrome"],
  [/Safari\//, "Safari"],
  [/^curl\//, "curl"],
];

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/Android/, "Android"],
  [/iPhone|iPad/, "iOS"],
  [/Mac OS X/, "macOS"],
  [/Windows/, "Windows"],
  [/Linux/, "Linux"],
];

export function browserOf(agent: string): string {
  const name = BROWSERS.find(([known]) => known.test(agent))?.[1];
  const system = SYSTEMS.find(([known]) => known.test(agent))?.[1];
  if (!name) return agent.slice(0, 60) || "an unknown program";
  return system ? `${name} on ${system}` : name;
}
