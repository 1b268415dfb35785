/** What the phone remembers for the time without a network: who we are, and our open calls as last heard. No more, no longer. */

import type { Call, Me, Station } from "../api/shapes";

const PLACE = "yijian.phone";
const CALLS_MAX = 12;
const KEPT_MS = 12 * 3_600_000;

export interface Memory {
  me: Me;
  calls: Call[];
  /** Those that the calls name. */
  stations: Station[];
  heardMs: number;
}

export function remember(memory: Memory): void {
  try {
    localStorage.setItem(PLACE, JSON.stringify({ ...memory, calls: memory.calls.filter((call) => call.state !== "closed").slice(0, CALLS_MAX) }));
  } catch {
    // Then there is nothing to show without a network.
  }
}

export function recall(nowMs: number): Memory | null {
  try {
    const found = JSON.parse(localStorage.getItem(PLACE) ?? "null") as Memory | null;
    if (found === null) return null;
    if (nowMs - found.heardMs <= KEPT_MS) return found;
  } catch {
    // Damaged: as if nothing were there.
  }
  forget();
  return null;
}

export function forget(): void {
  try {
    localStorage.removeItem(PLACE);
  } catch {
    // Nothing is kept there either.
  }
}
