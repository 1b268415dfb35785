/**
 * The district drawn plainly, from what the register has: no boundaries, but stations with their communities. Every place
 * belongs to the community of the nearest station, up to a distance; the lines between are a guess and are said to be one.
 */

import type { Area, Location, Station } from "../api/shapes";
import { type Corner, Flat, type Point, RIM, cells, middleOf } from "./geometry";

export interface Shape {
  code: string;
  street: string;
  rings: Location[][];
  middle: Location;
}

export interface Sketch {
  communities: Shape[];
  streets: { code: string; name: string; middle: Location; shade: number }[];
  /** Pieces of lines: between communities, between streets, and round the whole. */
  inner: Location[][];
  between: Location[][];
  rim: Location[][];
}

export const EMPTY_SKETCH: Sketch = { communities: [], streets: [], inner: [], between: [], rim: [] };
export const SHADES = 4;

/** A station's own ground ends at this many times the usual distance between neighbours. */
const RIM_FACTOR = 2.1;
const RIM_LEAST_M = 350;
const LEVELS_MAX = 8;

/** The area of that kind in which another lies; empty: none. */
export function above(areas: ReadonlyMap<string, Area>, code: string, kind: Area["kind"]): string {
  let at = code;
  for (let level = 0; level < LEVELS_MAX; level += 1) {
    const area = areas.get(at);
    if (area === undefined) return "";
    if (area.kind === kind) return at;
    at = area.parent ?? "";
  }
  return "";
}

interface Ground {
  point: Point;
  community: string;
  street: string;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function usualGap(points: readonly Point[]): number {
  return median(points.map((one, own) => {
    let nearest = Infinity;
    points.forEach((other, index) => {
      const apart = Math.hypot(one.x - other.x, one.y - other.y);
      if (index !== own && apart > 1 && apart < nearest) nearest = apart;
    });
    return nearest;
  }).filter((gap) => gap !== Infinity));
}

export function sketchOf(stations: Iterable<Station>, areas: ReadonlyMap<string, Area>): Sketch {
  const placed = [...stations].flatMap((station) => {
    const community = above(areas, station.area ?? "", "community");
    return station.location === undefined || community === "" ? [] : [{ at: station.location, community }];
  });
  if (placed.length === 0) return EMPTY_SKETCH;
  const flat = new Flat(middleOf(placed.map((one) => one.at)));
  const grounds: Ground[] = placed.map((one) => ({ point: flat.to(one.at), community: one.community, street: above(areas, one.community, "street") }));
  const points = grounds.map((ground) => ground.point);
  const drawn = cells(points, Math.max(RIM_LEAST_M, RIM_FACTOR * usualGap(points)));
  const communities = new Map<string, Shape & { places: Location[] }>();
  const lines: Pick<Sketch, "inner" | "between" | "rim"> = { inner: [], between: [], rim: [] };
  drawn.forEach((cell, own) => {
    const ground = grounds[own];
    if (ground === undefined || cell.length === 0) return;
    let shape = communities.get(ground.community);
    if (shape === undefined) communities.set(ground.community, shape = { code: ground.community, street: ground.street, rings: [], middle: { lat: 0, lon: 0 }, places: [] });
    shape.rings.push(cell.map((corner) => flat.from(corner)));
    shape.places.push(flat.from(ground.point));
    edges(cell, own, grounds, lines, flat);
  });
  const streets = [...new Set(grounds.map((ground) => ground.street))].filter((code) => code !== "").sort();
  return {
    communities: [...communities.values()].map(({ places, ...shape }) => ({ ...shape, middle: middleOf(places) })),
    streets: streets.map((code, place) => ({
      code,
      name: areas.get(code)?.name ?? code,
      middle: middleOf(placed.filter((_one, index) => grounds[index]?.street === code).map((one) => one.at)),
      shade: place % SHADES,
    })),
    ...lines,
  };
}

/** Each edge once: of two neighbours the first draws it. Edges of one kind in a row are one line. */
function edges(cell: readonly Corner[], own: number, grounds: readonly Ground[], lines: Pick<Sketch, "inner" | "between" | "rim">, flat: Flat): void {
  const ground = grounds[own];
  cell.forEach((corner, place) => {
    const next = cell[(place + 1) % cell.length];
    if (next === undefined) return;
    const line = [flat.from(corner), flat.from(next)];
    if (corner.beyond === RIM) {
      lines.rim.push(line);
      return;
    }
    const other = grounds[corner.beyond];
    if (other === undefined || corner.beyond < own || other.community === ground?.community) return;
    (other.street === ground?.street ? lines.inner : lines.between).push(line);
  });
}
