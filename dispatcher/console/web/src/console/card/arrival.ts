/** How an arrival is shown. By hand one of these; `manual` where nobody says; `device` only the helper's button itself says. */

import type { Location } from "../../api/shapes";
import { metresBetween } from "../../map/geometry";

export type Proof = "seen" | "code" | "location";

/** A phone that is so near is at the home: indoors, between tall houses, it knows no better where it is. */
export const NEAR_M = 200;
const PATIENCE_MS = 10_000;
const FRESH_MS = 30_000;

/** Where a phone can be asked where it is, that shows an arrival too; a desk's computer shows nothing. */
export function proofsFor(home: Location | null, phone: boolean, locates: boolean): Proof[] {
  return home !== null && phone && locates ? ["seen", "code", "location"] : ["seen", "code"];
}

/** How far from the home; null where the phone itself is not sure of it. */
export function metresOff(home: Location, found: { latitude: number; longitude: number; accuracy: number }): number | null {
  return found.accuracy > NEAR_M ? null : Math.round(metresBetween(home, { lat: found.latitude, lon: found.longitude }));
}

/** Asks this phone, and the person whether it may. Where it is stays here; null: not allowed, or not known. */
export function askMetresOff(home: Location): Promise<number | null> {
  return new Promise((resolve) => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => { resolve(metresOff(home, coords)); },
      () => { resolve(null); },
      { enableHighAccuracy: true, timeout: PATIENCE_MS, maximumAge: FRESH_MS },
    );
  });
}
