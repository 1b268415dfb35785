/** Who is where now, as the page of those on duty shows it. Pure. */

import type { Staff, Station } from "../api/shapes";

/** `nobody`: open, and nobody on duty there; `closed`: by its hours or for a while; `unnamed`: open, and the register has no staff of it. */
export type DutyState = "nobody" | "there" | "unnamed" | "closed";

export interface DutyLine {
  id: string;
  name: string;
  area: string;
  state: DutyState;
  people: Staff[];
}

const ORDER: readonly DutyState[] = ["nobody", "there", "unnamed", "closed"];

/** A line for each station, and one for whoever is on duty without one. A station without staff in the register names nobody. */
export function linesOf(stations: readonly Station[], staff: readonly Staff[]): DutyLine[] {
  const on = staff.filter((one) => one.on_duty === true);
  const known = new Set(stations.map((one) => one.id));
  const lines = stations.map((one): DutyLine => {
    const people = on.filter((person) => person.station === one.id);
    const has = staff.some((person) => person.station === one.id);
    return { id: one.id, name: one.name, area: one.area ?? "", state: people.length > 0 ? "there" : one.open_now !== true ? "closed" : has ? "nobody" : "unnamed", people };
  });
  for (const person of on) {
    if (known.has(person.station ?? "")) continue;
    lines.push({ id: `person/${person.id}`, name: person.name, area: person.area ?? "", state: "there", people: [person] });
  }
  return lines.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || a.name.localeCompare(b.name, "zh-CN"));
}
