/**
 * The datums of Chinese maps. What we hold is WGS 84; AMap and Apple draw in GCJ-02, Baidu in BD-09. Unconverted, a pin
 * stands 300–700 m off, on the wrong side of the river. Pure; degrees in, degrees out; outside China nothing is shifted.
 */

import type { Location } from "../api/shapes";

/** Krasovsky 1940, as the national datum has it: semi-major axis in metres, eccentricity squared. */
const AXIS_M = 6_378_245;
const ECCENTRICITY2 = 0.006_693_421_622_965_943;
const BD_PI = (Math.PI * 3000) / 180;

function inChina({ lat, lon }: Location): boolean {
  return lon > 72.004 && lon < 137.8347 && lat > 0.8293 && lat < 55.8271;
}

const wave = (x: number): number => ((20 * Math.sin(6 * x * Math.PI) + 20 * Math.sin(2 * x * Math.PI)) * 2) / 3;

function shiftLat(x: number, y: number): number {
  return (
    -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * Math.sqrt(Math.abs(x)) + wave(x) +
    ((20 * Math.sin(y * Math.PI) + 40 * Math.sin((y / 3) * Math.PI)) * 2) / 3 +
    ((160 * Math.sin((y / 12) * Math.PI) + 320 * Math.sin((y * Math.PI) / 30)) * 2) / 3
  );
}

function shiftLon(x: number, y: number): number {
  return (
    300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * Math.sqrt(Math.abs(x)) + wave(x) +
    ((20 * Math.sin(x * Math.PI) + 40 * Math.sin((x / 3) * Math.PI)) * 2) / 3 +
    ((150 * Math.sin((x / 12) * Math.PI) + 300 * Math.sin((x / 30) * Math.PI)) * 2) / 3
  );
}

export function toGcj02(place: Location): Location {
  if (!inChina(place)) return { lat: place.lat, lon: place.lon };
  const x = place.lon - 105;
  const y = place.lat - 35;
  const radians = (place.lat * Math.PI) / 180;
  const magic = 1 - ECCENTRICITY2 * Math.sin(radians) ** 2;
  const root = Math.sqrt(magic);
  return {
    lat: place.lat + (shiftLat(x, y) * 180) / (((AXIS_M * (1 - ECCENTRICITY2)) / (magic * root)) * Math.PI),
    lon: place.lon + (shiftLon(x, y) * 180) / ((AXIS_M / root) * Math.cos(radians) * Math.PI),
  };
}

export function toBd09(place: Location): Location {
  if (!inChina(place)) return { lat: place.lat, lon: place.lon };
  const { lat, lon } = toGcj02(place);
  const far = Math.hypot(lon, lat) + 0.000_02 * Math.sin(lat * BD_PI);
  const angle = Math.atan2(lat, lon) + 0.000_003 * Math.cos(lon * BD_PI);
  return { lat: far * Math.sin(angle) + 0.006, lon: far * Math.cos(angle) + 0.0065 };
}

/** The way back: GCJ-02 as shifted again and again until it lands; 1 cm off at most. */
export function fromGcj02(place: Location): Location {
  let found = { lat: place.lat, lon: place.lon };
  for (let round = 0; round < 4; round += 1) {
    const shifted = toGcj02(found);
    found = { lat: found.lat + place.lat - shifted.lat, lon: found.lon + place.lon - shifted.lon };
  }
  return found;
}
