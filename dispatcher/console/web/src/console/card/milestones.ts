/** The ledger's line: pressed → stored → dispatched → seen → accepted → en route → on scene → closed. Pure. */

import type { Call, Fact, Moment } from "../../api/shapes";

export const MILESTONES = ["pressed", "stored", "dispatched", "seen", "accepted", "en_route", "on_scene", "closed"] as const;
export type Milestone = (typeof MILESTONES)[number];

export interface Reached {
  name: Milestone;
  at: Moment | null;
  /** Milliseconds since the last milestone that was reached; null where there is none. */
  afterMs: number | null;
}

export function milestonesOf(call: Call, facts: readonly Fact[]): Reached[] {
  const first = (name: string): Moment | null => facts.find((fact) => fact.fact === name)?.at ?? null;
  const at: Record<Milestone, Moment | null> = {
    pressed: call.pressed_at,
    stored: call.opened_at,
    dispatched: first("call.dispatched") ?? call.dispatches[0]?.at ?? null,
    seen: first("call.seen"),
    accepted: call.accepted?.at ?? null,
    en_route: call.en_route?.at ?? null,
    on_scene: call.on_scene?.at ?? null,
    closed: call.closed?.at ?? null,
  };
  let last: number | null = null;
  return MILESTONES.map((name) => {
    const moment = at[name];
    if (moment === null) return { name, at: null, afterMs: null };
    const ms = Date.parse(moment);
    const afterMs: number | null = last === null ? null : Math.max(0, ms - last);
    last = Math.max(last ?? ms, ms);
    return { name, at: moment, afterMs };
  });
}
