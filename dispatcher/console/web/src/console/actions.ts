/** Which steps can be taken of a call now. The server has the last word; this is what is offered. Pure. */

import type { Action } from "../api/steps";
import type { Call, Me, Station } from "../api/shapes";
import { isAsked, isHolder } from "../live/view";

export const REOPEN_MS = 300_000;

export interface Offered {
  /** What is likely next, one at most. */
  main: Action | null;
  /** The telephone's two answers. */
  spoke: Action[];
  others: Action[];
}

const SPOKE: Action[] = ["spoke-answered", "spoke-no-answer"];
const NOTHING: Offered = { main: null, spoke: [], others: [] };

/** Who acts for whom: a station for itself, a volunteer in person, everybody else for the stations in their sight. */
function actsForOthers(me: Me): boolean {
  return me.role !== "station" && me.role !== "volunteer";
}

export function offered(call: Call, me: Me, stations: ReadonlyMap<string, Station>, lost = false): Offered {
  if (lost) return NOTHING;
  if (call.state === "closed") return { ...NOTHING, others: ["note"] };
  const asked = isAsked(call, me, stations);
  const answers: Action[] = asked && (me.station !== "" || me.role === "volunteer") ? ["decline"] : [];
  const sends: Action[] = me.role === "volunteer" ? [] : ["transfer"];
  if (call.state === "received") return { main: "accept", spoke: SPOKE, others: [...answers, ...sends, "note"] };
  const holds = isHolder(call, me, stations) || actsForOthers(me);
  if (!holds) return asked ? { main: "accept", spoke: [], others: [...answers, "note"] } : { ...NOTHING, others: ["note"] };
  // A hand-over that somebody of ours was asked to can be taken from its holder.
  const takes: Action[] = asked && !isHolder(call, me, stations) ? ["accept"] : [];
  const ends: Action[] = ["release", ...sends, "note"];
  switch (call.state) {
    case "accepted":
      return { main: "en-route", spoke: SPOKE, others: ["on-scene", "close", ...takes, ...ends] };
    case "en_route":
      return { main: "on-scene", spoke: SPOKE, others: ["close", ...takes, ...ends] };
    case "on_scene":
      return { main: "close", spoke: SPOKE, others: [...takes, ...ends] };
  }
}

export function allOf(steps: Offered): Action[] {
  return [...(steps.main === null ? [] : [steps.main]), ...steps.spoke, ...steps.others];
}

/** How long it may still be reopened; 0: no more. */
export function reopenLeftMs(call: Call, nowMs: number): number {
  return call.closed === null ? 0 : Math.max(0, Date.parse(call.closed.at) + REOPEN_MS - nowMs);
}
