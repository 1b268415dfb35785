/** What a call's map shows, the same for the drawing and for the list beside it. Pure. */

import type { Call, Dispatch, Location, OfferState, Station } from "../api/shapes";
import type { IconName } from "../parts/icons";
import { type Travel, metresBetween, reachMetres } from "./geometry";

export interface Offer {
  /** Counted from one: the number in the mark and before its name in the list. */
  number: number;
  station: string;
  name: string;
  at: Location | null;
  state: OfferState;
  seconds: number | null;
  /** By road as the dispatcher reckoned; null where it did not know a place. */
  metres: number | null;
  holds: boolean;
}

/** A shape for every state: it is never told by colour alone. */
export const SIGNS: Record<OfferState, IconName> = { offered: "received", accepted: "accepted", declined: "cross", expired: "closed", withdrawn: "undo" };

/** From how near people can be there in time, and how they travel. */
export const CIRCLE_SECONDS = 900;

type Placed = Station & { travel?: Travel };

export function homeOf(call: Call): Location | null {
  return call.location ?? call.resident?.location ?? null;
}

/** The stations that were asked, whoever holds it first, then the nearest. */
export function offersOf(call: Call, stations: ReadonlyMap<string, Station>): Offer[] {
  const holder = call.accepted?.station ?? "";
  const asked: Dispatch[] = call.dispatches.filter((one) => one.station !== undefined && one.station !== "");
  const offers = asked.map((one) => offer(one.station ?? "", one.station_name, one, stations, holder));
  // Accepted without having been asked.
  if (holder !== "" && !offers.some((one) => one.station === holder)) offers.push(offer(holder, call.accepted?.station_name, null, stations, holder));
  offers.sort((a, b) => Number(b.holds) - Number(a.holds) || (a.seconds ?? Infinity) - (b.seconds ?? Infinity) || (a.station < b.station ? -1 : 1));
  return offers.map((one, place) => ({ ...one, number: place + 1 }));
}

function offer(id: string, named: string | null | undefined, one: Dispatch | null, stations: ReadonlyMap<string, Station>, holder: string): Offer {
  const station = stations.get(id);
  return {
    number: 0,
    station: id,
    name: station?.name ?? named ?? id,
    at: station?.location ?? null,
    state: id === holder ? "accepted" : (one?.state ?? "accepted"),
    seconds: one?.travel_seconds ?? null,
    metres: one?.distance_m ?? null,
    holds: id === holder,
  };
}

/** The circle goes by how the one who comes, or is first asked, travels. */
export function circleOf(offers: readonly Offer[], stations: ReadonlyMap<string, Station>): { travel: Travel; metres: number } {
  const first = offers.find((one) => one.holds) ?? offers.find((one) => one.state === "offered") ?? offers[0];
  const station: Placed | undefined = first === undefined ? undefined : stations.get(first.station);
  const travel = station?.travel ?? "e_bike";
  return { travel, metres: reachMetres(travel, CIRCLE_SECONDS) };
}

const WAYS = [[0, "n"], [45, "ne"], [90, "e"], [135, "se"], [180, "s"], [225, "sw"], [270, "w"], [315, "nw"], [360, "n"]] as const;

/** In which of eight directions a place lies, seen from another: for the list, which must say what the drawing shows. */
export function wayTo(from: Location, to: Location): (typeof WAYS)[number][1] | null {
  if (metresBetween(from, to) < 20) return null;
  const east = (to.lon - from.lon) * Math.cos((from.lat * Math.PI) / 180);
  const degrees = ((Math.atan2(east, to.lat - from.lat) * 180) / Math.PI + 360) % 360;
  return WAYS.find(([middle]) => Math.abs(degrees - middle) <= 22.5)?.[1] ?? "n";
}
