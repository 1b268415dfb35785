/** What of the store a screen shows, and in which order. Pure. */

import type { Call, Due, Me, Policy, Station } from "../api/shapes";
import { CALL_LANES, type Kept, laneOf } from "./store";

export interface Filter {
  station: string;
  area: string;
  /** Only what nobody has taken yet. */
  waiting: boolean;
}

export const NO_FILTER: Filter = { station: "", area: "", waiting: false };

/** Whether the one who sits here answers for that station: their own, or the desk's people for the desk. */
export function standsFor(me: Me, stations: ReadonlyMap<string, Station>, id: string | undefined): boolean {
  if (id === undefined || id === "") return false;
  if (me.station !== "") return id === me.station;
  return (me.role === "admin" || me.role === "district") && stations.get(id)?.kind === "district_desk";
}

export function isHolder(call: Call, me: Me, stations: ReadonlyMap<string, Station>): boolean {
  if (call.accepted === null) return false;
  if (me.staff !== "" && call.accepted.by === me.staff) return true;
  return standsFor(me, stations, call.accepted.station);
}

/** Whether it was offered to us and waits for our answer. */
export function isAsked(call: Call, me: Me, stations: ReadonlyMap<string, Station>): boolean {
  return call.dispatches.some(
    (one) => one.state === "offered" && (standsFor(me, stations, one.station) || (one.person !== undefined && one.person === me.staff)),
  );
}

/** Whether a step of this call is ours to take: we hold it, were asked to it, or see everybody's. */
export function isOurs(call: Call, me: Me, stations: ReadonlyMap<string, Station>): boolean {
  return isHolder(call, me, stations) || isAsked(call, me, stations);
}

/** What nobody has taken comes first, then by age; in each lane. The order of equals never changes. */
export function before(a: Kept, b: Kept): number {
  const rank = (one: Kept): number => (one.overMs > 0 ? 2 : one.call.state === "received" ? 0 : 1);
  return rank(a) - rank(b) || a.openedMs - b.openedMs || (a.call.id < b.call.id ? -1 : 1);
}

export type Lanes = Record<(typeof CALL_LANES)[number], Kept[]>;

export function lanesOf(calls: Iterable<Kept>, filter: Filter, within: (area: string | null, above: string) => boolean): Lanes {
  const lanes: Lanes = { emergency: [], service: [], family: [], test: [] };
  for (const kept of calls) if (passes(kept, filter, within)) lanes[laneOf(kept.call)].push(kept);
  for (const lane of CALL_LANES) lanes[lane].sort(before);
  return lanes;
}

function passes(kept: Kept, filter: Filter, within: (area: string | null, above: string) => boolean): boolean {
  const { call } = kept;
  if (filter.waiting && call.state !== "received") return false;
  if (filter.area !== "" && !within(call.area, filter.area)) return false;
  if (filter.station === "") return true;
  return (
    call.accepted?.station === filter.station ||
    call.dispatches.some((one) => one.station === filter.station && one.state === "offered")
  );
}

/** What happens by itself next, and when (milliseconds of the server's clock). */
export interface Next {
  kind: Due;
  atMs: number;
  /** Of a step: whom it asks, `repeat` when it rings all of them again; empty when the policy is not known. */
  to: string;
}

export function nextOf(call: Call, policies: ReadonlyMap<string, Policy>): Next | null {
  if (call.deadline === null) return null;
  const { kind, at } = call.deadline;
  const steps = policies.get(call.key)?.steps;
  const to = kind !== "step" || steps === undefined ? "" : (steps[call.step + 1]?.to ?? "repeat");
  return { kind, atMs: Date.parse(at), to };
}

/** 75 s is `1:15`, an hour and more `1:02:03`. Never negative. */
export function clockText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number): string => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
