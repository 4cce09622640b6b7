/** Which of some named things are meant by a few typed letters, the likeliest first. */
export interface Found {
  /** One of its kind among all that are offered. */
  id: string;
  name: string;
  /** More about it, which is searched too, for less. */
  says?: string;
}

function words(text: string): string[] {
  return text.toLowerCase().split(/\s+/).filter(Boolean);
}

/** How well it fits: 0: not at all. Every word has to be somewhere; the beginning of a word of the name counts most. */
export function fitness({ name, says = "" }: Found, text: string): number {
  const low = name.toLowerCase();
  const more = says.toLowerCase();
  let sum = 1;
  for (const word of words(text)) {
    const at = low.indexOf(word);
    if (at === 0) sum += 8;
    else if (at > 0 && !/[a-z0-9]/.test(low[at - 1] ?? "")) sum += 5;
    else if (at > 0) sum += 3;
    else if (more.includes(word)) sum += 1;
    else return 0;
  }
  // Of two that fit the same, the shorter name is nearer to what was typed.
  return sum + 1 / (1 + name.length);
}

export function fits(found: Found, text: string): boolean {
  return fitness(found, text) > 0;
}

export function ranked<T extends Found>(all: readonly T[], text: string, most: number): T[] {
  if (words(text).length === 0) return all.slice(0, most);
  return all
    .map((each) => [fitness(each, text), each] as const)
    .filter(([fit]) => fit > 0)
    .sort(([one], [other]) => other - one)
    .slice(0, most)
    .map(([, each]) => each);
}
