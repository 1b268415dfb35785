import { describe, expect, it } from "vitest";

import type { Fact } from "../src/api/shapes";
import { requestOf } from "../src/api/steps";
import { allOf, offered, reopenLeftMs } from "../src/console/actions";
import { merged } from "../src/console/card/journal";
import { milestonesOf } from "../src/console/card/milestones";
import { outcomesFor, wrongIn } from "../src/console/card/rules";
import { checklistOf, readOutOf, scriptOf } from "../src/console/card/script";
import { setTongue } from "../src/words";
import { STATIONS, T0, at, call, me } from "./made";

const ours = { by: "s-2", station: "st-01", at: at(5), name: null };
const theirs = { by: "s-9", station: "st-02", at: at(5), name: null };
const desk = me({ role: "district", station: "", staff: "" });

describe("which steps are offered", () => {
  it("to a station that was asked: accept first, decline too", () => {
    const steps = offered(call("c", 1), me(), STATIONS);
    expect(steps.main).toBe("accept");
    expect(allOf(steps)).toEqual(["accept", "spoke-answered", "spoke-no-answer", "decline", "transfer", "note"]);
  });

  it("to its holder: the next of the life, and the way back", () => {
    const state = { accepted: ours, dispatches: [] };
    expect(offered(call("c", 1, { ...state, state: "accepted" }), me(), STATIONS).main).toBe("en-route");
    expect(offered(call("c", 1, { ...state, state: "en_route" }), me(), STATIONS).main).toBe("on-scene");
    const there = offered(call("c", 1, { ...state, state: "on_scene" }), me(), STATIONS);
    expect(there.main).toBe("close");
    expect(there.others).toContain("release");
    expect(allOf(there)).not.toContain("decline");
  });

  it("to others: a note, and the call itself once they are asked to it", () => {
    const held = call("c", 1, { state: "accepted", accepted: theirs, dispatches: [] });
    expect(allOf(offered(held, me(), STATIONS))).toEqual(["note"]);
    const transferred = { ...held, dispatches: call("c", 1).dispatches };
    expect(offered(transferred, me(), STATIONS)).toMatchObject({ main: "accept", spoke: [] });
  });

  it("to the desk, which acts for anyone and declines for nobody", () => {
    expect(allOf(offered(call("c", 1), desk, STATIONS))).not.toContain("decline");
    expect(offered(call("c", 1, { state: "accepted", accepted: theirs }), desk, STATIONS).main).toBe("en-route");
  });

  it("of a call that another station took, or that is closed: next to none", () => {
    expect(allOf(offered(call("c", 1), me(), STATIONS, true))).toEqual([]);
    const closed = call("c", 1, { state: "closed", closed: { by: "s-2", at: at(100), outcome: "helped", evidence: "on_site", note: null, of: null } });
    expect(allOf(offered(closed, me(), STATIONS))).toEqual(["note"]);
    expect(reopenLeftMs(closed, T0 + 100_000)).toBe(300_000);
    expect(reopenLeftMs(closed, T0 + 400_001)).toBe(0);
    expect(reopenLeftMs(call("c", 1), T0)).toBe(0);
  });
});

describe("closing", () => {
  const form = { outcome: "helped", evidence: "on_site", note: "", of: "" } as const;

  it("of an emergency needs an outcome and evidence", () => {
    expect(wrongIn(call("c", 1), { ...form, outcome: "", evidence: "" })).toEqual({ outcome: "act.outcomePick", evidence: "act.evidencePick" });
    expect(wrongIn(call("c", 1), form)).toEqual({});
  });

  it("of anything else needs none, but no contact needs somebody who was there", () => {
    const service = call("c", 1, { key: "service" });
    expect(wrongIn(service, { ...form, evidence: "" })).toEqual({});
    expect(wrongIn(call("c", 1, { test: true }), { ...form, outcome: "test", evidence: "" })).toEqual({});
    expect(wrongIn(service, { ...form, outcome: "no_contact", evidence: "" })).toEqual({ evidence: "act.evidenceNoContact" });
    expect(wrongIn(call("c", 1), { ...form, outcome: "no_contact", evidence: "relative_confirmed" })).toEqual({ evidence: "act.evidenceNoContact" });
    expect(wrongIn(call("c", 1), { ...form, outcome: "no_contact" })).toEqual({});
  });

  it("as a duplicate names the other call, which is not itself", () => {
    expect(wrongIn(call("c", 1), { ...form, outcome: "duplicate" })).toEqual({ of: "act.ofPick" });
    expect(wrongIn(call("c", 1), { ...form, outcome: "duplicate", of: "c" })).toEqual({ of: "act.ofPick" });
    expect(wrongIn(call("c", 1), { ...form, outcome: "duplicate", of: "c-2" })).toEqual({});
  });

  it("offers the likely outcomes first", () => {
    expect(outcomesFor(call("c", 1))[0]).toBe("helped");
    expect(outcomesFor(call("c", 1, { key: "service" }))[0]).toBe("service_done");
    expect(outcomesFor(call("c", 1, { test: true }))[0]).toBe("test");
  });
});

it("buttons become what the API takes", () => {
  expect(requestOf("spoke-no-answer", {})).toEqual({ path: "spoke", body: { result: "no_answer" } });
  expect(requestOf("spoke-answered", { at: at(1) })).toEqual({ path: "spoke", body: { result: "answered", at: at(1) } });
  expect(requestOf("on-scene", {})).toEqual({ path: "on-scene", body: { proof: "manual" } });
  expect(requestOf("on-scene", { proof: "seen" })).toEqual({ path: "on-scene", body: { proof: "seen" } });
  expect(requestOf("decline", { reason: "x" })).toEqual({ path: "decline", body: { reason: "x" } });
});

describe("the ledger", () => {
  const fact = (seq: number, name: string, seconds: number): Fact => ({ seq, at: at(seconds), fact: name, district: "d", cause: { kind: "command", device: null, id: "x", by: null }, call: "c", device: null });

  it("is one list, whatever comes twice or late", () => {
    const listed = [fact(1, "call.opened", 0), fact(3, "call.seen", 4)];
    expect(merged([fact(3, "call.seen", 4), fact(5, "call.accepted", 9)], [...listed, fact(2, "call.dispatched", 1)]).map((one) => one.seq)).toEqual([1, 2, 3, 5]);
  });

  it("goes from the press to the close, with the time between", () => {
    const line = milestonesOf(
      call("c", 9, { pressed_at: at(-12), opened_at: at(0), accepted: ours, en_route: { by: "s-2", at: at(60) } }),
      [fact(1, "call.dispatched", 0), fact(2, "call.seen", 3)],
    );
    expect(line.map((one) => [one.name, one.afterMs])).toEqual([
      ["pressed", null], ["stored", 12_000], ["dispatched", 0], ["seen", 3000], ["accepted", 2000], ["en_route", 55_000], ["on_scene", null], ["closed", null],
    ]);
  });
});

describe("the script", () => {
  it("is that of the call's kind, and always says something", () => {
    for (const tongue of ["zh-CN", "en"] as const) {
      setTongue(tongue);
      for (const kind of ["press", "fall", "inactivity", "hazard", "manual"] as const) for (const key of ["emergency", "service", "family"] as const) expect(checklistOf(call("c", 1, { kind, key })).length).toBeGreaterThan(1);
    }
    expect(scriptOf(call("c", 1, { kind: "fall" }))).toBe("fall");
    expect(scriptOf(call("c", 1, { key: "service" }))).toBe("service");
    expect(scriptOf(call("c", 1, { kind: "manual", resident: null }))).toBe("manual");
  });

  it("says to 120 who, how old, where and what, in one breath", () => {
    setTongue("zh-CN");
    const said = readOutOf(call("c", 1, { kind: "fall", spoke: { by: "s", at: at(1), result: "no_answer" }, state: "en_route" }), "魏都区", T0);
    expect(said).toBe("您好，这里是魏都区养老应急值班。需要救护车。地址：文庙社区2号楼301。老人：张树林，70 岁。情况：老人疑似跌倒，电话无应答。老人电话：13800000000。我们的人正在赶去。");
  });

  it("does not pretend to know what it does not", () => {
    setTongue("zh-CN");
    expect(readOutOf(call("c", 1, { resident: null, area: null }), "魏都区", T0)).toContain("地址：地址不详。老人：姓名不详。");
  });
});
