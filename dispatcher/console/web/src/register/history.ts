/** What was changed in the register, in plain words: whom a line tells of, and each value as people read it. */

import { clock } from "../api/clock";
import { register } from "../live/register";
import { say, word } from "../words";
import { whoDid } from "../words/names";
import { dayTimeOf, yearOf } from "../words/times";
import { weekOf } from "./hours";
import { spanOf } from "./policy";
import type { ContactItem, Hours, Place } from "./shapes";

export interface ChangedField {
  field: string;
  before?: unknown;
  after?: unknown;
  /** That it was changed is all there is. */
  secret?: boolean;
}

export interface HistoryLine {
  seq: number;
  at: string;
  by: string | null;
  by_name: string | null;
  section: string;
  id: string;
  name: string | null;
  act: "added" | "changed" | "removed";
  changes: ChangedField[];
  erased: boolean;
}

export const SECTIONS = ["residents", "devices", "stations", "staff", "areas", "policies", "webhooks", "districts"] as const;

/** Rooms of the words that a field's codes have; the kind of an area is another than that of a station. */
const ROOMS: Record<string, string> = { kind: "stationKind", travel: "map.travel", language: "tongue", role: "role" };
const SECONDS = new Set(["heartbeat", "repeat", "en_route_within", "repress_within", "arrive_goal", "arrive_limit", "close_within"]);
const TEXT_MAX = 200;

const joined = (parts: (string | undefined)[]): string => parts.filter((one) => one !== undefined && one !== "").join(" ");
const list = (parts: string[]): string => parts.join(say("register.history.and"));
const span = (seconds: number): string => {
  const { n, unit } = spanOf(seconds);
  return say(`register.unit.${unit}`, { n });
};

export function whoOf(line: HistoryLine): string {
  if (line.by_name !== null) return line.by_name;
  if (line.by === "cli") return say("register.history.cli");
  if (line.by === null) return say("people.audit.hidden");
  return line.by === "" ? say("register.history.itself") : whoDid(line.by);
}

/** `11月24日 22:10`, with the year where it is another than this. */
export function whenOf(line: HistoryLine): string {
  const year = yearOf(Date.parse(line.at));
  return year === yearOf(clock.now()) ? dayTimeOf(line.at) : `${year} ${dayTimeOf(line.at)}`;
}

export function itemOf(line: HistoryLine): string {
  if (line.section === "policies") return word("lane", line.id);
  return line.name === null ? line.id : say("app.withId", { name: line.name, id: line.id });
}

/** Where the item's own page is; empty: there is none. */
export function pageOf(line: HistoryLine): string {
  if (line.section === "policies") return "#/policies";
  return line.section === "districts" ? "" : `#/${line.section}/${encodeURIComponent(line.id)}`;
}

/** One change as a sentence without who and when. */
export function sentence(line: HistoryLine, change: ChangedField): string {
  const field = fieldOf(line.section, change.field);
  if (change.secret === true) return say("register.history.secret", { field });
  const [before, after] = [valueOf(line.section, change.field, change.before), valueOf(line.section, change.field, change.after)];
  // Masked numbers may look alike.
  return before === after ? say("register.history.secret", { field }) : say("register.history.from", { field, before, after });
}

export function fieldOf(section: string, field: string): string {
  if (field === "name" && (section === "residents" || section === "staff")) return word("register.nameOf", section);
  if (field === "address" && section === "devices") return word("register.addressOf", section);
  if (field === "holidays") return say("register.section.holidays");
  return word("register.field", field);
}

export function valueOf(section: string, field: string, value: unknown): string {
  if (value === null || value === undefined || value === "") return say("register.none");
  if (Array.isArray(value) && value.length === 0) return say("register.none");
  const plain = typeof value === "string" ? value : JSON.stringify(value);
  switch (field) {
    case "area":
    case "parent": return register.areaPath(plain) || plain;
    case "station": return register.stationName(plain);
    case "location": { const at = value as Place; return `${at.lat}, ${at.lon}`; }
    case "contacts": return list((value as ContactItem[]).map((one) => joined([one.name, one.relation, one.phone])));
    case "hours": return hoursOf(value);
    case "on_call": { const own = value as { phone?: string; hours?: Hours }; return joined([own.phone, hoursOf(own.hours ?? "always")]); }
    case "closed": { const own = value as { until?: string | null; reason?: string }; return joined([say("register.closedOn"), own.reason, typeof own.until === "string" ? dayTimeOf(own.until) : ""]); }
    case "keys": { const keys = Object.entries(value as Record<string, string>); return keys.length === 0 ? say("register.none") : list(keys.map(([code, key]) => `${code} → ${word("lane", key)}`)); }
    case "steps": return list((value as { after: number; to: string }[]).map((one) => `${span(one.after)} ${word("register.asks", one.to)}`));
  }
  if (SECONDS.has(field) && typeof value === "number") return span(value);
  const room = field === "kind" && section === "areas" ? "register.areaKind" : ROOMS[field];
  if (room !== undefined && typeof value === "string") return word(room, value);
  const text = Array.isArray(value) ? list(value.map(String)) : plain;
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

function hoursOf(hours: Hours): string {
  if (hours === "always") return say("register.always");
  return list(weekOf(hours).map((one) => {
    const days = one.from === one.to ? say(`register.day.${one.from}`) : say("register.dayTo", { from: say(`register.day.${one.from}`), to: say(`register.day.${one.to}`) });
    return `${days} ${one.spans.length === 0 ? say("register.dayClosed") : one.spans.join(" ")}`;
  }));
}
