/** Which sound a screen makes, from what it shows. Pure: a table of reasons, and the loudest one wins. */

import type { Call, Me, Policy, Station } from "../api/shapes";
import type { Kept } from "../live/store";
import { isAsked, isHolder } from "../live/view";

export type Sound = "emergency" | "family" | "service";

/** `own`: what we are asked to, or hold; `all`: everything in sight. */
export type RingScope = "own" | "all";

export interface Ringing {
  sound: Sound | null;
  /** The calls that ring, the loudest first. */
  calls: string[];
}

/** The default where the policy cannot be read (contract, section 7: `service` is silent at night). */
const SILENT = "21:00-07:00";

const LOUDNESS: Record<Sound, number> = { emergency: 3, family: 2, service: 1 };

export function soundOf(call: Call): Sound {
  return call.key === "family" || call.key === "service" ? call.key : "emergency";
}

/** Whether a span like `21:00-07:00` holds a minute of the day; it may cross midnight. */
export function inSpan(span: string | undefined, minute: number): boolean {
  const found = /^(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})$/.exec(span ?? "");
  if (found === null) return false;
  const [from, to] = [Number(found[1]) * 60 + Number(found[2]), Number(found[3]) * 60 + Number(found[4])];
  return from <= to ? minute >= from && minute < to : minute >= from || minute < to;
}

export interface Hearing {
  me: Me;
  stations: ReadonlyMap<string, Station>;
  policies: ReadonlyMap<string, Policy>;
  scope: RingScope;
  /** Minutes since midnight where the district is. */
  minute: number;
  /** The server's clock, milliseconds. */
  nowMs: number;
}

/** Whether a call rings here now: it waits for our answer, she pressed again while we hold it, or we are late. */
export function rings(kept: Kept, hearing: Hearing): boolean {
  const { call } = kept;
  const { me, stations, policies, scope, minute, nowMs } = hearing;
  if (kept.overMs > 0 || call.test || call.state === "closed") return false;
  if (soundOf(call) !== "emergency" && inSpan(policies.get(call.key)?.silent ?? SILENT, minute)) return false;
  const holder = isHolder(call, me, stations);
  if (call.deadlines.repress_within !== undefined && (holder || scope === "all")) return true;
  if (holder && call.state !== "on_scene" && late(call, nowMs)) return true;
  if (call.state === "received") return scope === "all" || isAsked(call, me, stations);
  // Asked although somebody holds it: a transfer, or the holder is past the limit.
  return !holder && isAsked(call, me, stations);
}

function late(call: Call, nowMs: number): boolean {
  const limit = call.deadline?.kind;
  if (call.key !== "emergency" || (limit !== "arrive_goal" && limit !== "arrive_limit" && limit !== "en_route_within")) return false;
  return call.deadline !== null && Date.parse(call.deadline.at) <= nowMs;
}

export function ringing(calls: Iterable<Kept>, hearing: Hearing): Ringing {
  const heard = [...calls].filter((kept) => rings(kept, hearing));
  heard.sort((a, b) => LOUDNESS[soundOf(b.call)] - LOUDNESS[soundOf(a.call)] || a.openedMs - b.openedMs);
  const first = heard[0];
  return { sound: first === undefined ? null : soundOf(first.call), calls: heard.map((kept) => kept.call.id) };
}
