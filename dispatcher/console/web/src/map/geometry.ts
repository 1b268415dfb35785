/** Places and plain shapes. Pure. Flat metres round a middle: a district is too small for the earth to be round. */

import type { Location } from "../api/shapes";

export type Travel = "walk" | "e_bike" | "car";

const EARTH_M = 6_371_008.8;
const DEGREE_M = (EARTH_M * Math.PI) / 180;

/** As the dispatcher reckons without roads: the great circle times a detour, at a speed by the means of travel. */
const DETOUR = 1.3;
const SPEEDS_M_S: Record<Travel, number> = { walk: 1.2, e_bike: 4.5, car: 7 };

/** How far off, as the crow flies, somebody may be who is there within so many seconds. */
export function reachMetres(travel: Travel, seconds: number): number {
  return (SPEEDS_M_S[travel] * seconds) / DETOUR;
}

export function metresBetween(a: Location, b: Location): number {
  const radians = Math.PI / 180;
  const half = Math.sin(((b.lat - a.lat) * radians) / 2) ** 2
    + Math.cos(a.lat * radians) * Math.cos(b.lat * radians) * Math.sin(((b.lon - a.lon) * radians) / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(1, Math.sqrt(half)));
}

export interface Point {
  x: number;
  y: number;
}

/** Flat metres east and north of a middle, and back. */
export class Flat {
  private readonly eastM: number;

  constructor(private readonly middle: Location) {
    this.eastM = DEGREE_M * Math.cos((middle.lat * Math.PI) / 180);
  }

  to(place: Location): Point {
    return { x: (place.lon - this.middle.lon) * this.eastM, y: (place.lat - this.middle.lat) * DEGREE_M };
  }

  from(point: Point): Location {
    return { lat: this.middle.lat + point.y / DEGREE_M, lon: this.middle.lon + point.x / this.eastM };
  }
}

export function middleOf(places: readonly Location[]): Location {
  let lat = 0;
  let lon = 0;
  for (const place of places) {
    lat += place.lat;
    lon += place.lon;
  }
  const count = Math.max(1, places.length);
  return { lat: lat / count, lon: lon / count };
}

/** A corner of a cell; `beyond` says what lies on the other side of the edge that begins here: a point's index, or the rim. */
export interface Corner extends Point {
  beyond: number;
}

export const RIM = -1;
const RIM_CORNERS = 30;

/**
 * What is nearest to each point, at most `rimM` away from it: convex polygons, counter-clockwise. Points on one spot
 * share their cell with the first of them (the others get none).
 */
export function cells(points: readonly Point[], rimM: number): Corner[][] {
  return points.map((point, own) => {
    let cell: Corner[] = Array.from({ length: RIM_CORNERS }, (_, place) => {
      const turn = (2 * Math.PI * place) / RIM_CORNERS;
      return { x: point.x + rimM * Math.cos(turn), y: point.y + rimM * Math.sin(turn), beyond: RIM };
    });
    points.forEach((other, index) => {
      if (index === own || cell.length === 0) return;
      const dx = other.x - point.x;
      const dy = other.y - point.y;
      const apart = Math.hypot(dx, dy);
      if (apart >= 2 * rimM) return;
      if (apart === 0) {
        if (index < own) cell = [];
        return;
      }
      cell = cut(cell, { x: (point.x + other.x) / 2, y: (point.y + other.y) / 2 }, { x: dx, y: dy }, index);
    });
    return cell;
  });
}

/** What of a convex polygon lies on the near side of the line through `at`, square to `away`. */
function cut(cell: readonly Corner[], at: Point, away: Point, beyond: number): Corner[] {
  const side = (corner: Point): number => (corner.x - at.x) * away.x + (corner.y - at.y) * away.y;
  const kept: Corner[] = [];
  cell.forEach((corner, place) => {
    const next = cell[(place + 1) % cell.length] ?? corner;
    const here = side(corner);
    const there = side(next);
    if (here <= 0) kept.push(corner);
    if (here <= 0 !== there <= 0) {
      const share = here / (here - there);
      const crossing = { x: corner.x + share * (next.x - corner.x), y: corner.y + share * (next.y - corner.y) };
      kept.push({ ...crossing, beyond: here <= 0 ? beyond : corner.beyond });
    }
  });
  return kept.length < 3 ? [] : kept;
}
