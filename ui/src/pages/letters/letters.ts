/** Messages that made no event: the list, and what can be done with them. */
import { api, data, type Shapes } from "@/api/client";
import { useFollowed } from "@/api/followed";

export type LetterRow = Shapes["LetterRow"];

export function useLetters(trigger: string | undefined) {
  return useFollowed<LetterRow>(
    ["letters", trigger ?? ""],
    (cursor, signal) => data(api.GET("/api/v1/dead-letters", { params: { query: { trigger, cursor } }, signal })),
    // A trigger tells how many it has left; what is decided elsewhere is told so, too.
    { kinds: ["trigger", "letter"] },
  );
}

export function retry(id: string, given?: { data: unknown }) {
  const params = { params: { path: { id } } };
  return data(api.POST("/api/v1/dead-letters/{id}/retry", { ...params, body: (given ?? {}) as never }));
}

export function drop(id: string) {
  return data(api.DELETE("/api/v1/dead-letters/{id}", { params: { path: { id } } }));
}

export interface Done {
  done: number;
  refused: number;
  /** Why the first of those was refused. */
  why: string;
}

/** The same with many, one after the other; one that is refused does not stop the others. */
export async function each(ids: Iterable<string>, work: (id: string) => Promise<unknown>): Promise<Done> {
  const told: Done = { done: 0, refused: 0, why: "" };
  for (const id of ids) {
    try {
      await work(id);
      told.done += 1;
    } catch (error) {
      told.refused += 1;
      told.why ||= error instanceof Error ? error.message : String(error);
    }
  }
  return told;
}
