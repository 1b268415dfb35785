import { describe, expect, it } from "vitest";

import type { Staff, Station } from "../src/api/shapes";
import { linesOf } from "../src/shift/duty";

const station = (id: string, open_now: boolean): Station => ({ id, name: id, kind: "care_station", open_now });
const person = (id: string, at: string, on_duty: boolean): Staff => ({ id, name: id, role: "station", station: at, on_duty });

describe("who is on duty", () => {
  it("begins with the stations that are open with nobody there, then those with somebody, the closed ones last", () => {
    const lines = linesOf(
      [station("closed", false), station("staffed", true), station("empty", true), station("unknown", true)],
      [person("a", "staffed", true), person("b", "staffed", false), person("c", "empty", false), person("d", "closed", false)],
    );
    expect(lines.map((one) => [one.id, one.state, one.people.map((who) => who.id)])).toEqual([
      ["empty", "nobody", []], ["staffed", "there", ["a"]], ["unknown", "unnamed", []], ["closed", "closed", []],
    ]);
  });

  it("shows whoever is on duty where it is closed, and who has no station", () => {
    const volunteer: Staff = { id: "v", name: "志愿者", role: "volunteer", on_duty: true, area: "411002001" };
    const lines = linesOf([station("closed", false)], [person("a", "closed", true), volunteer]);
    expect(lines.map((one) => [one.name, one.state, one.area])).toContainEqual(["志愿者", "there", "411002001"]);
    expect(lines.find((one) => one.id === "closed")?.people.map((who) => who.id)).toEqual(["a"]);
  });
});
