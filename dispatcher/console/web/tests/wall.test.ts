import { describe, expect, it } from "vitest";

import type { Area, Call, StreamEvent } from "../src/api/shapes";
import { ableNow, byStreet, type Cover } from "../src/wall/coverage";
import { initials, shiftAt } from "../src/wall/discreet";
import { recent, told } from "../src/wall/facts";
import { CALLS_MAX, Today, median } from "../src/wall/today";

const DAY = Date.parse("2026-11-25T00:00:00+08:00");
const minuteOfDay = (at: number): number => Math.floor((((at + 8 * 3_600_000) % 86_400_000) + 86_400_000) % 86_400_000 / 60_000);
const at = (seconds: number): string => new Date(DAY + seconds * 1000).toISOString();
const call = (id: string, opened: number, accepted: number | null, more: Partial<Call> = {}): Call => ({
  id, key: "emergency", test: false, opened_at: at(opened), accepted: accepted === null ? null : { by: "s", station: "st", at: at(accepted) }, on_scene: null, closed: null,
  dispatches: [], passed_over: [], ...more,
}) as unknown as Call;

function day(): Today {
  const today = new Today(minuteOfDay);
  today.turn(DAY + 3_600_000);
  return today;
}

describe("today's figures", () => {
  it("begins the day by the district's clock", () => {
    expect(new Today(minuteOfDay).start(DAY + 12_345_678)).toBe(DAY);
  });

  it("has no share and no median before anything happened", () => {
    const figures = day().figures(DAY);
    expect([figures.inTime, figures.medianAcceptMs, figures.medianThereMs, figures.total]).toEqual([null, null, null, 0]);
  });

  it("counts by key and hour, tests apart", () => {
    const today = day();
    today.take(call("a", 60, 70));
    today.take(call("b", 3 * 3600 + 1, 3 * 3600 + 9, { key: "family" }));
    today.take(call("c", 60, null, { test: true }));
    const figures = today.figures(DAY + 4 * 3_600_000);
    expect(figures.byKey).toEqual({ emergency: 1, service: 0, family: 1 });
    expect([figures.perHour.emergency[0], figures.perHour.family[3]]).toEqual([1, 1]);
  });

  it("judges an emergency only once it was answered or its minute is over", () => {
    const today = day();
    today.take(call("quick", 0, 30));
    today.take(call("slow", 0, 90));
    today.take(call("waits", 100, null));
    expect(today.figures(DAY + 110_000).inTime).toBe(1 / 2);
    expect(today.figures(DAY + 161_000).inTime).toBe(1 / 3);
  });

  it("counts the first answer, also where the call was given back", () => {
    const today = day();
    today.take(call("a", 0, 20));
    today.take(call("a", 0, null));
    today.take(call("a", 0, 500));
    expect(today.figures(DAY + 600_000).medianAcceptMs).toBe(20_000);
  });

  it("sorts accept times into classes, the last of them open", () => {
    const today = day();
    [5, 10, 11, 299, 301, 5000].forEach((seconds, place) => { today.take(call(`c${place}`, 0, seconds)); });
    expect(today.figures(DAY + 6_000_000).accepts).toEqual([2, 1, 0, 0, 0, 1, 2]);
  });

  it("lets go of yesterday at midnight, and of a call that turns out to be a test", () => {
    const today = day();
    today.take(call("a", 60, 70));
    today.take(call("t", 60, 70));
    today.take(call("t", 60, 70, { closed: { outcome: "test" } as Call["closed"] }));
    expect(today.figures(DAY + 100_000).total).toBe(1);
    expect(today.turn(DAY + 86_400_000 + 1000)).toBe(true);
    today.take(call("late", 80_000, 80_010));
    expect(today.figures(DAY + 86_401_000).total).toBe(0);
  });

  it("stays within its bound", () => {
    const today = day();
    for (let n = 0; n < CALLS_MAX + 10; n += 1) today.take(call(`c${n}`, 10, null));
    expect(today.figures(DAY + 20_000).total).toBe(CALLS_MAX);
  });

  it("has a median of even and odd many", () => {
    expect([median([]), median([3]), median([1, 9]), median([9, 1, 2])]).toEqual([null, 3, 5, 2]);
  });
});

describe("what a wall may say of somebody", () => {
  it.each([["李秀英", "李**"], ["王芳", "王*"], ["欧阳明", "欧阳*"], ["Anna Maria Schmidt", "A. M. S."], ["", ""], ["  ", ""], ["<b>x", ""]])("%s is %s", (name, shown) => {
    expect(initials(name)).toBe(shown);
  });

  it("moves by at most two points and comes back", () => {
    const seen = Array.from({ length: 20 }, (_, minute) => shiftAt(minute));
    expect(Math.max(...seen.flatMap(({ x, y }) => [Math.abs(x), Math.abs(y)]))).toBe(2);
    expect(shiftAt(20)).toEqual(shiftAt(0));
    expect(new Set(seen.map(({ x, y }) => `${x} ${y}`)).size).toBe(20);
  });

  it("tells which station, never which person", () => {
    const event = { seq: 1, at: "", fact: "call.accepted", district: "d", cause: { kind: "command", device: null, id: "", by: "s-1" }, call: "c", device: null, by: "s-1", station: "st-1", note: "王瑞兰", state: { accepted: { by: "s-1", station: "st-1", at: "", name: "张三" }, dispatches: [], passed_over: [] } } as unknown as StreamEvent;
    expect(told(event)).toEqual({ word: "accepted", station: "st-1", name: null, code: "" });
    expect(told({ ...event, fact: "call.noted" })).toBeNull();
    expect(told({ ...event, fact: "alert.sent" })).toBeNull();
    expect(told({ ...event, fact: "call.closed", outcome: "test" })).toBeNull();
  });
});

describe("a wall that has just been turned on", () => {
  it("tells the last of what the day's calls went through, tests apart", () => {
    const calls = [
      call("a", 10, 20, { area: "11", closed: { by: "s", at: at(100), outcome: "helped", evidence: null, note: "王瑞兰", of: null }, en_route: { by: "s", at: at(30) } }),
      call("b", 50, null, { area: "21" }),
      call("t", 200, 201, { test: true }),
    ];
    expect(recent(calls, 3).map((one) => [one.id, one.word, one.code])).toEqual([["a/closed", "closed", "helped"], ["b/opened", "opened", "emergency"], ["a/enRoute", "enRoute", ""]]);
    expect(JSON.stringify(recent(calls, 9))).not.toContain("王瑞兰");
  });
});

describe("coverage by street", () => {
  const areas = new Map<string, Area>([["1", { code: "1", name: "东街", kind: "street" }], ["2", { code: "2", name: "西街", kind: "street" }], ["11", { code: "11", name: "光明", kind: "community", parent: "1" }], ["21", { code: "21", name: "张庄", kind: "community", parent: "2" }]]);
  const able = (id: string, onCall = false) => ({ station: id, tier: 0, travel_seconds: 60, on_call: onCall });
  const covers: Cover[] = [
    { area: "21", name: "张庄", able: [able("east"), able("west", true)], count: 2, state: "thin", since: "" },
    { area: "11", name: "光明", able: [able("east")], count: 1, state: "covered", since: "" },
  ];

  it("counts a station once, in the street where it is", () => {
    const streets = byStreet(covers, areas, (id) => (id === "east" ? "11" : "21"));
    expect(streets.map((street) => [street.name, street.able, street.onCall, street.communities.map((one) => one.state)])).toEqual([["东街", 1, 0, ["covered"]], ["西街", 1, 1, ["thin"]]]);
    expect(ableNow(covers)).toEqual({ all: new Set(["east", "west"]), onCall: new Set(["west"]) });
  });
});
