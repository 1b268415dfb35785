/** Calls, facts and people made up for the tests. */

import type { Call, Me, Station, StreamEvent } from "../src/api/shapes";
import type { Kept } from "../src/live/store";

export const T0 = Date.parse("2026-11-24T19:16:15.000Z");
export const at = (seconds: number): string => new Date(T0 + seconds * 1000).toISOString();

export function call(id: string, seq: number, more: Partial<Call> = {}): Call {
  return {
    id, district: "411002", state: "received", key: "emergency", kind: "press", test: false, device: `btn-${id}`, source: `native/btn-${id}`,
    resident: { id: `r-${id}`, name: "张树林", phone: "13800000000", address: "文庙社区2号楼301", area: "411002009", birth_year: 1956, contacts: [] },
    caller: null, area: "411002009", location: { lat: 34.03, lon: 113.82 }, pressed_at: at(0), opened_at: at(0), late_seconds: 0, presses: 1,
    cancel_requested: false, step: 0, repeats: 0,
    dispatches: [{ station: "st-01", at: at(0), last_at: at(0), offers: 1, travel_seconds: 300, distance_m: 1200, reason: "nearest", state: "offered" }],
    passed_over: [], seen_by: [], spoke: null, accepted: null, en_route: null, on_scene: null, closed: null,
    deadline: { kind: "step", at: at(60) }, deadlines: { step: at(60) }, seq, ...more,
  };
}

export function event(fact: string, state: Call | null, seq = state?.seq ?? 0, more: Partial<StreamEvent> = {}): StreamEvent {
  return { seq, at: at(seq), fact, district: "411002", cause: { kind: "signal", device: null, id: "x", by: null }, call: state?.id ?? null, device: null, state, ...more };
}

export function bare(of: Call, more: Partial<Call>): Call {
  return { ...of, resident: null, caller: null, location: null, device: null, source: null, ...more };
}

export function kept(of: Call, more: Partial<Kept> = {}): Kept {
  return { call: of, openedMs: Date.parse(of.opened_at), overMs: 0, lost: false, maskedName: "", pressedMs: Date.parse(of.pressed_at), ...more };
}

export function me(more: Partial<Me> = {}): Me {
  return { id: "t-1", name: "", role: "station", station: "st-01", area: "", staff: "s-1", session: "", start: false, district: { code: "411002", name: "魏都区", timezone: "Asia/Shanghai" }, ...more };
}

export const STATIONS: ReadonlyMap<string, Station> = new Map([
  ["st-01", { id: "st-01", name: "文庙社区托老站", kind: "care_station" }],
  ["st-02", { id: "st-02", name: "光明社区托老站", kind: "care_station" }],
  ["desk", { id: "desk", name: "区级值班台", kind: "district_desk" }],
]);
