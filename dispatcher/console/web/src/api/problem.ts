/** What went wrong, as a value: nothing in the pages throws because a server said no. */

import type { Closing, Holder, State } from "./shapes";

/**
 * Whose fault it is decides what a person is told:
 * `offline` nobody answered · `unknown` who are you · `forbidden` not yours to do · `gone` no such thing in sight ·
 * `wrong` a field is wrong · `refused` does not fit now, or another was first · `busy` later · `broken` the server is wrong
 */
export type Fault = "offline" | "unknown" | "forbidden" | "gone" | "wrong" | "refused" | "busy" | "broken";

export interface Problem {
  fault: Fault;
  status: number;
  /** The server's own words, English. */
  detail: string;
  field?: string;
  /** Of a sheet: also in Chinese, and where it stands. */
  errors?: { path: string; error: string; zh?: string; sheet?: string; cell?: string; heading?: string }[];
  /** Of a refused step: where the call is by now, and who has it. */
  state?: State;
  accepted?: Holder | null;
  closed?: Closing | null;
  code?: string;
  /** Seconds after which asking again makes sense. */
  retryAfter?: number;
}

export type Answer<T> = { ok: true; status: number; body: T } | { ok: false; problem: Problem };

export const OFFLINE: Problem = { fault: "offline", status: 0, detail: "nobody answered" };

function faultOf(status: number): Fault {
  switch (status) {
    case 401:
      return "unknown";
    case 403:
      return "forbidden";
    case 404:
    case 405:
      return "gone";
    case 409:
      return "refused";
    case 408:
    case 425:
    case 429:
    case 503:
      return "busy";
    default:
      return status >= 500 ? "broken" : "wrong";
  }
}

function seconds(header: string | null): number | undefined {
  const value = Number(header);
  return header !== null && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** The problem an answer tells of; also where it is no problem+json, as a proxy's would be. */
export async function problemOf(response: Response): Promise<Problem> {
  let told: Record<string, unknown> = {};
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null) told = body as Record<string, unknown>;
  } catch {
    // Not JSON: the status says enough.
  }
  const problem: Problem = {
    fault: faultOf(response.status),
    status: response.status,
    detail: typeof told["detail"] === "string" ? told["detail"] : response.statusText,
  };
  const retryAfter = seconds(response.headers.get("Retry-After"));
  if (retryAfter !== undefined) problem.retryAfter = retryAfter;
  for (const name of ["field", "code", "state"] as const) {
    if (typeof told[name] === "string" && told[name] !== "") Object.assign(problem, { [name]: told[name] });
  }
  for (const name of ["errors", "accepted", "closed"] as const) {
    if (told[name] !== undefined && told[name] !== null) Object.assign(problem, { [name]: told[name] });
  }
  return problem;
}
