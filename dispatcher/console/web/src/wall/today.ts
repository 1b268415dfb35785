/** Today's figures, made of the day's calls as the list and the stream tell them. Pure; all values are milliseconds. */

import type { Call, Key } from "../api/shapes";

export const KEYS: readonly Key[] = ["emergency", "service", "family"];
/** An emergency ought to be answered within this. */
export const GOAL_MS = 60_000;
/** Upper ends of the accept times' classes, in seconds; what is longer is in the last one. */
export const CLASSES_S = [10, 20, 30, 60, 120, 300] as const;
/** A day of a district has some hundred calls; a flood must not eat the memory of a page that runs for months. */
export const CALLS_MAX = 50_000;

interface Kept {
  key: Key;
  openedMs: number;
  hour: number;
  acceptedMs: number | null;
  thereMs: number | null;
}

export interface Figures {
  byKey: Record<Key, number>;
  total: number;
  /** Of the emergencies that have been answered, or have waited longer than the goal: the share within it. Null: none yet. */
  inTime: number | null;
  medianAcceptMs: number | null;
  medianThereMs: number | null;
  perHour: Record<Key, number[]>;
  /** Emergencies by how long their accept took: one more than there are classes. */
  accepts: number[];
}

const ms = (moment: string): number => Date.parse(moment);

export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

export class Today {
  private readonly calls = new Map<string, Kept>();
  private startMs = 0;

  /** `minuteOfDay` says what the clock on the district's wall shows. */
  constructor(private readonly minuteOfDay: (atMs: number) => number) {}

  /** When the present day began. */
  start(nowMs: number): number {
    return nowMs - this.minuteOfDay(nowMs) * 60_000 - (nowMs % 60_000);
  }

  /** A new day begins empty. Whether it is one. */
  turn(nowMs: number): boolean {
    const startMs = this.start(nowMs);
    if (startMs <= this.startMs) return false;
    this.startMs = startMs;
    for (const [id, kept] of this.calls) if (kept.openedMs < startMs) this.calls.delete(id);
    return true;
  }

  take(call: Call): void {
    const openedMs = ms(call.opened_at);
    if (call.test || call.closed?.outcome === "test" || openedMs < this.startMs) {
      this.calls.delete(call.id);
      return;
    }
    const before = this.calls.get(call.id);
    if (before === undefined && this.calls.size >= CALLS_MAX) return;
    this.calls.set(call.id, {
      key: KEYS.includes(call.key) ? call.key : "emergency",
      openedMs,
      hour: before?.hour ?? Math.floor(this.minuteOfDay(openedMs) / 60),
      // The first answer counts, also where the call was given back later.
      acceptedMs: before?.acceptedMs ?? (call.accepted === null ? null : ms(call.accepted.at)),
      thereMs: before?.thereMs ?? (call.on_scene === null ? null : ms(call.on_scene.at)),
    });
  }

  figures(nowMs: number): Figures {
    const byKey: Record<Key, number> = { emergency: 0, service: 0, family: 0 };
    const hours = (): number[] => Array.from({ length: 24 }, () => 0);
    const perHour: Record<Key, number[]> = { emergency: hours(), service: hours(), family: hours() };
    const accepts = Array.from({ length: CLASSES_S.length + 1 }, () => 0);
    const acceptTimes: number[] = [];
    const thereTimes: number[] = [];
    let judged = 0;
    let inTime = 0;
    for (const kept of this.calls.values()) {
      byKey[kept.key] += 1;
      const row = perHour[kept.key];
      row[kept.hour] = (row[kept.hour] ?? 0) + 1;
      if (kept.key !== "emergency") continue;
      const tookMs = kept.acceptedMs === null ? null : Math.max(0, kept.acceptedMs - kept.openedMs);
      if (tookMs !== null) {
        acceptTimes.push(tookMs);
        const found = CLASSES_S.findIndex((end) => tookMs <= end * 1000);
        const place = found < 0 ? CLASSES_S.length : found;
        accepts[place] = (accepts[place] ?? 0) + 1;
      }
      if (tookMs !== null || nowMs - kept.openedMs > GOAL_MS) {
        judged += 1;
        if (tookMs !== null && tookMs <= GOAL_MS) inTime += 1;
      }
      if (kept.thereMs !== null) thereTimes.push(Math.max(0, kept.thereMs - kept.openedMs));
    }
    return {
      byKey,
      total: byKey.emergency + byKey.service + byKey.family,
      inTime: judged === 0 ? null : inTime / judged,
      medianAcceptMs: median(acceptTimes),
      medianThereMs: median(thereTimes),
      perHour,
      accepts,
    };
  }
}
