/** Who is meant by an id, in words. */

import type { Call, Dispatch } from "../api/shapes";
import { register } from "../live/register";
import { say, word } from "./index";

/** Whoever did it: a person by name, the desk, a device, a token. */
export function whoDid(by: string | null | undefined): string {
  if (by === null || by === undefined || by === "") return say("system");
  if (by === "device") return say("device");
  if (by === "test") return say("system");
  if (by === "admin") return say("role.admin");
  if (by.startsWith("token:")) return say("token", { id: by.slice("token:".length) });
  return register.staffName(by);
}

/** A station by name; nothing named is the desk. `known`: its name as the call tells it, where the register is not ours to read. */
export function stationName(id: string | null | undefined, known?: string | null): string {
  if (id === null || id === undefined || id === "") return say("desk");
  const name = register.stationName(id);
  return name === id ? (known ?? id) : name;
}

/** The name that a call gives to one of its stations; null where it names none. */
export function nameIn(call: Call | null, id: string): string | null {
  if (call === null || id === "") return null;
  const parts = [call.accepted, ...call.dispatches, ...call.passed_over];
  return parts.find((one) => one?.station === id && typeof one.station_name === "string")?.station_name ?? null;
}

/** `r-01/1`: the resident's second contact, they count from 0; else a member of staff. */
export function personName(id: string, call: Call | null): string {
  const [resident = "", place] = id.split("/");
  if (place === undefined) return register.staffName(id);
  const contact = call !== null && call.resident?.id === resident ? call.resident.contacts?.[Number(place)] : undefined;
  if (contact?.name !== undefined && contact.name !== "") return contact.name;
  return say("facts.contact", { n: Number(place) + 1 });
}

export function askedName(offer: Dispatch, call: Call): string {
  return offer.station === undefined ? personName(offer.person ?? "", call) : stationName(offer.station, offer.station_name);
}

/** Who holds it: the station, and the person where their name is known. */
export function holderName(call: Call): string {
  if (call.accepted === null) return "";
  const person = call.accepted.name ?? "";
  const station = stationName(call.accepted.station, call.accepted.station_name);
  return person === "" ? station : `${station} · ${person}`;
}

/** Who needs help; empty where nobody is known. */
export function residentName(call: Call): string {
  return call.resident?.name ?? call.caller?.name ?? "";
}

/** The language she speaks, in words; empty where it is Mandarin, which everybody here does. */
export function tongueOf(call: Call): string {
  const language = call.resident?.language ?? "";
  return language === "" || language === "zh-CN" ? "" : word("tongue", language);
}

export function addressOf(call: Call): string {
  const written = call.resident?.address ?? call.caller?.address ?? "";
  return written === "" ? register.areaPath(call.area) : written;
}

/** Reasons may be several at once: `nearest+by_area`. */
export function reasonText(reason: string): string {
  return reason.split("+").map((code) => word("why", code)).join(" · ");
}

export function travelText(seconds: number | null, metres: number | null): string {
  const parts: string[] = [];
  if (seconds !== null) parts.push(say("card.minutes", { n: Math.max(1, Math.round(seconds / 60)) }));
  if (metres !== null) {
    parts.push(metres < 1000 ? say("card.metres", { n: Math.round(metres) }) : say("card.kilometres", { n: (metres / 1000).toFixed(1) }));
  }
  return parts.join(" · ");
}
