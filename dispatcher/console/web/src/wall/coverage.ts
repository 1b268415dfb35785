/** Who could come where, now: `GET /coverage`, by street, for the wall. */

import type { Area } from "../api/shapes";
import { above } from "../map/sketch";

export interface Cover {
  area: string;
  name: string | null;
  able: { station: string; tier: number; travel_seconds: number; on_call: boolean }[];
  count: number;
  state: "covered" | "thin" | "lost";
  since: string;
}

export interface StreetCover {
  street: string;
  name: string;
  communities: Cover[];
  /** Stations that lie in it and could come now; of these, how many have the phone at home. */
  able: number;
  onCall: number;
}

export const WORST: Record<Cover["state"], number> = { lost: 0, thin: 1, covered: 2 };

/** Streets by their code; their communities too. `stationArea` says where a station lies. */
export function byStreet(covers: readonly Cover[], areas: ReadonlyMap<string, Area>, stationArea: (id: string) => string): StreetCover[] {
  const streets = new Map<string, StreetCover & { seen: Set<string> }>();
  const street = (code: string): StreetCover & { seen: Set<string> } => {
    let found = streets.get(code);
    if (found === undefined) streets.set(code, found = { street: code, name: areas.get(code)?.name ?? "", communities: [], able: 0, onCall: 0, seen: new Set() });
    return found;
  };
  for (const cover of covers) street(above(areas, cover.area, "street")).communities.push(cover);
  for (const cover of covers) {
    for (const one of cover.able) {
      const home = streets.get(above(areas, stationArea(one.station), "street"));
      if (home === undefined || home.seen.has(one.station)) continue;
      home.seen.add(one.station);
      home.able += 1;
      if (one.on_call) home.onCall += 1;
    }
  }
  return [...streets.values()]
    .map(({ street: code, name, communities, able, onCall }) => ({ street: code, name, able, onCall, communities: communities.sort((a, b) => (a.area < b.area ? -1 : 1)) }))
    .sort((a, b) => (a.street < b.street ? -1 : 1));
}

/** All stations that could come now, each once. */
export function ableNow(covers: readonly Cover[]): { all: Set<string>; onCall: Set<string> } {
  const all = new Set<string>();
  const onCall = new Set<string>();
  for (const cover of covers) {
    for (const one of cover.able) {
      all.add(one.station);
      if (one.on_call) onCall.add(one.station);
    }
  }
  return { all, onCall };
}
