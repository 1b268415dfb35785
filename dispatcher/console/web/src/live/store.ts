/**
 * The calls as they stand, fed by the stream and the lists. Plain values, no framework, no clock of its own.
 *
 *     list read     seq 41 of c-1: received            kept
 *     event 43      c-1 accepted                       newer: taken
 *     event 43      again, after a reconnect           known: ignored
 *     list, late    seq 41 of c-1                      older than what we have: ignored
 */

import type { Call, Fault, Key, Moment, StreamEvent } from "../api/shapes";

/** A call that is over stays on the screen so long, so that nobody wonders where it went. */
export const CLOSED_SHOWN_MS = 90_000;
/** So does one that another station took. */
export const LOST_SHOWN_MS = 60_000;
/** How many finished calls are remembered, so that an older list does not bring one back. */
const FINISHED_MAX = 5_000;

export type Lane = "emergency" | "service" | "family" | "test" | "fault";
export const CALL_LANES = ["emergency", "service", "family", "test"] as const;

/** A call, and what this screen knows about it. */
export interface Kept {
  call: Call;
  openedMs: number;
  /** When it was closed or taken by another station, on the server's clock; 0 while it is ours to see. */
  overMs: number;
  /** Another station has it, and we see it no more: shown with a masked name for a while. */
  lost: boolean;
  maskedName: string;
  /** When the last press came in, on the server's clock. */
  pressedMs: number;
}

/** What an event did: what a screen may want to say aloud. */
export interface Change {
  fact: string;
  call: Call | null;
  /** The call was not on this screen before. */
  fresh: boolean;
}

export function laneOf(call: Call): (typeof CALL_LANES)[number] {
  if (call.test) return "test";
  return (["emergency", "service", "family"] as Key[]).includes(call.key) ? call.key : "emergency";
}

const ms = (moment: Moment): number => Date.parse(moment);

/** Without anything about a person: so the server tells a station that a call is no longer its own to see. */
function bare(call: Call): boolean {
  return call.resident === null && call.caller === null && call.device === null && (call.source ?? null) === null;
}

function masked(call: Call): string {
  const name = call.resident?.name ?? call.caller?.name ?? "";
  const first = [...name][0];
  return first === undefined ? "" : `${first}**`;
}

export class Store {
  readonly calls = new Map<string, Kept>();
  readonly faults = new Map<string, Fault>();
  private readonly finished = new Map<string, number>();
  private readonly heardTo = new Map<string, number>();
  private readonly touched = new Set<string>();
  private reading = false;

  /** Take an event. Null: it was known. */
  apply(event: StreamEvent, nowMs: number): Change | null {
    if (event.seq <= (this.heardTo.get(event.district) ?? -1)) return null;
    this.heardTo.set(event.district, event.seq);
    if (event.fact.startsWith("device.") || event.fact.startsWith("area.")) this.applyFault(event);
    const state = event.state ?? null;
    if (state === null) return { fact: event.fact, call: null, fresh: false };
    const fresh = !this.calls.has(state.id);
    // What was never here and is told only to say that it is over for us, is nothing to show.
    if (fresh && bare(state) && state.state !== "received") return { fact: event.fact, call: null, fresh: false };
    const taken = this.take(state, nowMs);
    const kept = this.calls.get(state.id);
    if (taken && kept && (event.fact === "call.joined" || event.fact === "call.opened")) kept.pressedMs = ms(event.at);
    return { fact: event.fact, call: taken ? state : null, fresh: fresh && taken };
  }

  /** Take a call as an answer, a list or an event told it. False: we know something newer, or it is over. */
  take(call: Call, nowMs: number): boolean {
    const before = this.calls.get(call.id);
    if (before !== undefined && before.call.seq > call.seq) return false;
    if ((this.finished.get(call.id) ?? -1) > call.seq) return false;
    this.touched.add(call.id);
    const lost = before !== undefined && (before.lost || !bare(before.call)) && bare(call);
    const over = call.state === "closed" || lost;
    if (over) {
      this.remember(call);
      if (before === undefined) return false;
    } else this.finished.delete(call.id);
    this.calls.set(call.id, {
      call,
      openedMs: before?.openedMs ?? ms(call.opened_at),
      overMs: !over ? 0 : before !== undefined && before.overMs > 0 ? before.overMs : nowMs,
      lost,
      maskedName: !lost ? "" : before.lost ? before.maskedName : masked(before.call),
      pressedMs: before?.pressedMs ?? ms(call.pressed_at),
    });
    return true;
  }

  /** A list is about to be read: what events say meanwhile counts more than what it may not know yet. */
  beginReading(): void {
    this.touched.clear();
    this.reading = true;
  }

  /** All open calls in sight, as the list tells. What it does not name and no event named meanwhile is gone. */
  finishReading(listed: readonly Call[], nowMs: number): void {
    const present = new Set(listed.map((call) => call.id));
    for (const [id, kept] of this.calls) {
      if (kept.overMs === 0 && !present.has(id) && !this.touched.has(id)) {
        this.remember(kept.call);
        this.calls.delete(id);
      }
    }
    for (const call of listed) {
      // A list gives only what may be seen; what was taken from us and is given back is new.
      if (this.finished.get(call.id) === call.seq) this.finished.delete(call.id);
      this.take(call, nowMs);
    }
    this.reading = false;
    this.touched.clear();
  }

  /** The journal is another one: its numbers begin anew. */
  reset(): void {
    this.heardTo.clear();
    this.finished.clear();
    this.calls.clear();
    this.faults.clear();
  }

  /** Open faults, as the list tells. */
  setFaults(listed: readonly Fault[]): void {
    this.faults.clear();
    for (const fault of listed) this.faults.set(fault.id, fault);
  }

  /** Let go of what is over for long enough, but not of the call somebody is looking at. Whether anything went. */
  sweep(nowMs: number, lookedAt: string | null): boolean {
    let gone = false;
    for (const [id, kept] of this.calls) {
      if (kept.overMs === 0 || id === lookedAt) continue;
      if (nowMs - kept.overMs >= (kept.lost ? LOST_SHOWN_MS : CLOSED_SHOWN_MS)) gone = this.calls.delete(id) || gone;
    }
    if (!this.reading) this.touched.clear();
    return gone;
  }

  private remember(call: Call): void {
    this.finished.delete(call.id);
    this.finished.set(call.id, call.seq);
    if (this.finished.size > FINISHED_MAX) {
      const oldest = this.finished.keys().next();
      if (oldest.done === false) this.finished.delete(oldest.value);
    }
  }

  private applyFault(event: StreamEvent): void {
    const id = event["id"];
    if (typeof id !== "string" || id === "") return;
    if (event.fact === "device.restored" || event.fact === "area.incident_ended") {
      this.faults.delete(id);
      return;
    }
    const before = this.faults.get(id);
    const text = (name: string): string | null => {
      const value = event[name];
      return typeof value === "string" && value !== "" ? value : null;
    };
    const list = (name: string): string[] => {
      const value = event[name];
      return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
    };
    this.faults.set(id, {
      id,
      district: event.district,
      device: event.device,
      resident: before?.resident ?? null,
      area: text("area"),
      fault: text("fault") ?? (event.fact === "area.incident" ? "area_incident" : ""),
      detail: text("detail") ?? text("kind"),
      station: text("station") ?? "",
      since: before?.since ?? event.at,
      deadline: text("due_at") ?? before?.deadline ?? null,
      overdue: event["overdue"] === true,
      ended: null,
      count: typeof event["count"] === "number" ? event["count"] : 1,
      devices: list("devices"),
      residents: list("residents"),
    });
  }
}
