/** The facts a wall tells, each a sentence of `wall.fact`: which station, never which person. Null: not for a wall. */

import type { Call, StreamEvent } from "../api/shapes";
import { nameIn } from "../words/names";

const TOLD: Record<string, string> = {
  "call.joined": "joined",
  "call.cancel_requested": "cancel",
  "call.accepted": "accepted",
  "call.declined": "declined",
  "call.lapsed": "lapsed",
  "call.en_route": "enRoute",
  "call.on_scene": "onScene",
  "call.overdue": "overdue",
  "call.transferred": "transferred",
  "call.closed": "closed",
  "call.reopened": "reopened",
  "test.passed": "test",
  "device.fault": "fault",
  "device.restored": "restored",
  "coverage.lost": "coverLost",
  "coverage.restored": "coverRestored",
  "area.incident": "incident",
  "area.incident_ended": "incidentEnded",
};

export interface Told {
  /** Below `wall.fact`. */
  word: string;
  station: string;
  /** The station's name as the call tells it: a street's wall shows calls that a neighbour took. */
  name: string | null;
  /** Further codes of the fact: its key, its outcome, its fault. */
  code: string;
}

/** A fact with its place and time, as the ticker shows it. */
export interface Said extends Told {
  id: string;
  at: string;
  area: string | null;
}

/** The last of what the day's calls went through: a wall that has just been turned on has something to tell too. */
export function recent(calls: readonly Call[], most: number): Said[] {
  const all: Said[] = [];
  for (const call of calls) {
    if (call.test) continue;
    const station = call.accepted?.station ?? "";
    const name = nameIn(call, station);
    const add = (word: string, at: string | undefined, code = ""): void => {
      if (at !== undefined) all.push({ id: `${call.id}/${word}`, word, station, name, code, at, area: call.area });
    };
    add("opened", call.opened_at, call.key);
    add("accepted", call.accepted?.at);
    add("enRoute", call.en_route?.at);
    add("onScene", call.on_scene?.at);
    if (call.closed !== null && call.closed.outcome !== "test") add("closed", call.closed.at, call.closed.outcome);
  }
  return all.sort((a, b) => Date.parse(b.at) - Date.parse(a.at)).slice(0, most);
}

const text = (event: StreamEvent, name: string): string => {
  const value = event[name];
  return typeof value === "string" ? value : "";
};

export function told(event: StreamEvent): Told | null {
  const call = event.state ?? null;
  const station = text(event, "station") === "" ? (call?.accepted?.station ?? "") : text(event, "station");
  if (event.fact === "call.opened") return { word: "opened", station: "", name: null, code: call?.test === true ? "test" : (call?.key ?? "emergency") };
  if (event.fact === "call.escalated") return { word: "escalated", station: "", name: null, code: "" };
  const word = TOLD[event.fact];
  if (word === undefined) return null;
  // A test closes itself: "passed" has said it.
  if (word === "closed" && text(event, "outcome") === "test") return null;
  return { word, station, name: nameIn(call, station), code: text(event, "outcome") || text(event, "fault") };
}
