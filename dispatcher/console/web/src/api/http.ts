/** The one way to the API: reads and writes with their answers as values. A write is never done twice. */

import { clock } from "./clock";
import { OFFLINE, type Answer, problemOf } from "./problem";
import { credentials } from "./session";
import type { Page } from "./shapes";

const BASE = "/api/v1";
const READ_MS = 15_000;
/** The desk decides within 3 s or answers 503. */
const WRITE_MS = 8_000;
/** How long a person is kept waiting for one step before they are told that it did not go out. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 800;
const FILE_MS = 330_000;
/** How long a browser may take to ask where a file shall go. */
const KEPT_MS = 60_000;
const PAGES_MAX = 40;

/** Steps that are on their way now: whoever takes over waits until they are known to be the other's. */
let underWay = 0;

export function writesUnderWay(): number {
  return underWay;
}

let onUnknown: () => void = () => undefined;

/** Told when the server knows us no more. */
export function whenUnknown(listener: () => void): void {
  onUnknown = listener;
}

async function once<T>(path: string, init: RequestInit, limitMs: number): Promise<Answer<T>> {
  const sent = Date.now();
  let response: Response;
  try {
    response = await fetch(BASE + path, { cache: "no-store", ...init, signal: AbortSignal.timeout(limitMs) });
    clock.heard(response.headers.get("Date"), sent, Date.now());
    if (response.ok) {
      const body = response.status === 204 ? null : ((await response.json()) as unknown);
      return { ok: true, status: response.status, body: body as T };
    }
  } catch {
    return { ok: false, problem: OFFLINE };
  }
  const problem = await problemOf(response);
  if (problem.fault === "unknown") onUnknown();
  return { ok: false, problem };
}

export function read<T>(path: string): Promise<Answer<T>> {
  return once<T>(path, { headers: credentials(false) }, READ_MS);
}

/** All pages of a list, one after the other. */
export async function readAll<T>(path: string): Promise<Answer<T[]>> {
  const items: T[] = [];
  let cursor = "";
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const sign = path.includes("?") ? "&" : "?";
    const answer = await read<Page<T>>(`${path}${sign}limit=500${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`);
    if (!answer.ok) return answer;
    items.push(...answer.body.items);
    if (answer.body.next === null) break;
    cursor = answer.body.next;
  }
  return { ok: true, status: 200, body: items };
}

export interface Writing {
  /** The same for every try of one step, also over a reload. */
  key?: string;
  patienceMs?: number;
  method?: "POST" | "PUT" | "DELETE";
  /** Add only: what is there under this id is not replaced. */
  anew?: boolean;
  /** Told when it is not decided yet and is asked again. */
  onWaiting?: () => void;
}

/**
 * One step, one key: asked again with the same key while nobody answers or the desk has not decided, so that it is
 * never done twice. Gives up after `patienceMs`; the key may then be asked again later.
 */
export async function write<T>(path: string, body: unknown, options: Writing = {}): Promise<Answer<T>> {
  underWay += 1;
  try {
    return await writing<T>(path, body, options);
  } finally {
    underWay -= 1;
  }
}

async function writing<T>(path: string, body: unknown, options: Writing): Promise<Answer<T>> {
  const { key = newKey(), patienceMs = PATIENCE_MS, method = "POST", anew = false, onWaiting } = options;
  const until = Date.now() + patienceMs;
  for (;;) {
    const answer = await once<T>(
      path,
      {
        method,
        headers: { "Content-Type": "application/json", "Idempotency-Key": key, ...(anew ? { "If-None-Match": "*" } : {}), ...credentials(true) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
      WRITE_MS,
    );
    if (answer.ok || (answer.problem.fault !== "busy" && answer.problem.fault !== "offline")) return answer;
    const pauseMs = Math.max(PAUSE_MS, (answer.problem.retryAfter ?? 0) * 1000);
    if (Date.now() + pauseMs >= until) return answer;
    onWaiting?.();
    await pause(pauseMs);
  }
}

/** A file as it is; large ones take their time. Asked once: whoever sends it sees what came of it. */
export function upload<T>(path: string, file: Blob): Promise<Answer<T>> {
  return once<T>(path, { method: "POST", headers: { "Content-Type": "application/octet-stream", ...credentials(true) }, body: file }, FILE_MS);
}

/** A file the server makes, handed to the browser to keep. */
export async function download(path: string, name: string): Promise<Answer<null>> {
  let response: Response;
  try {
    response = await fetch(BASE + path, { cache: "no-store", headers: credentials(false), signal: AbortSignal.timeout(FILE_MS) });
    if (response.ok) {
      const address = URL.createObjectURL(await response.blob());
      const link = document.createElement("a");
      link.href = address;
      link.download = name;
      link.click();
      setTimeout(() => { URL.revokeObjectURL(address); }, KEPT_MS);
      return { ok: true, status: response.status, body: null };
    }
  } catch {
    return { ok: false, problem: OFFLINE };
  }
  const problem = await problemOf(response);
  if (problem.fault === "unknown") onUnknown();
  return { ok: false, problem };
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** `crypto.randomUUID` exists on secure origins only; a console on a plain-HTTP intranet is none. */
export function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
