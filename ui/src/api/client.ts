/** The API, typed from its own OpenAPI document. Every refusal becomes a `Refusal` with the words of the server. */
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema";

export type Shapes = components["schemas"];

/** A problem document (RFC 9457), as an error that says what to show. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
    readonly problem: Record<string, unknown> = {},
  ) {
    super(detail || title);
  }
}

/** The server could not be reached at all. */
export class Unreachable extends Error {
  constructor() {
    super("Reactor cannot be reached. It may be starting again; this page goes on by itself when it is back.");
  }
}

const refusing: Middleware = {
  async onResponse({ response }) {
    if (response.ok) return;
    const problem = (await response.json().catch(() => ({}))) as Record<string, unknown>;
    if (response.status === 401) window.dispatchEvent(new Event("reactor:signed-out"));
    throw new Refusal(
      response.status,
      String(problem.title ?? response.statusText),
      String(problem.detail ?? ""),
      problem,
    );
  },
  onError({ error }) {
    return error instanceof Refusal || (error instanceof DOMException && error.name === "AbortError")
      ? error
      : new Unreachable();
  },
};

export const api = createClient<paths>({ baseUrl: "/", headers: { "X-Reactor": "1" } });
api.use(refusing);

/** The data of an answer; `api` has thrown where there is none. */
export async function data<T>(answer: Promise<{ data?: T }>): Promise<T> {
  return (await answer).data as T;
}

/** Where nothing typed fits: raw texts, and lines that the document does not know. */
export async function send(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: { "X-Reactor": "1", ...init.headers } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  await refusing.onResponse?.({ response } as never);
  return response;
}
