import { describe, expect, it } from "vitest";

import { PATTERNS, samplesOf } from "../src/sound/patterns";
import { type Hearing, inSpan, ringing, rings } from "../src/sound/policy";
import { STATIONS, T0, at, call, kept, me } from "./made";

const SILENT = "21:00-07:00";
const policies = new Map((["emergency", "service", "family"] as const).map((key) => [key, { key, steps: [], repeat: 60, silent: key === "emergency" ? "" : SILENT }]));
const hearing = (more: Partial<Hearing> = {}): Hearing => ({ me: me(), stations: STATIONS, policies, scope: "own", minute: 12 * 60, nowMs: T0 + 10_000, ...more });
const accepted = { by: "s-2", station: "st-01", at: at(5), name: null };

describe("what rings", () => {
  it("is a call that waits for our answer, until somebody accepts it", () => {
    expect(rings(kept(call("a", 1)), hearing())).toBe(true);
    expect(rings(kept(call("a", 2, { state: "accepted", accepted, dispatches: [] })), hearing())).toBe(false);
  });

  it("is not what others were asked to, unless somebody wants to hear all", () => {
    const other = kept(call("a", 1, { dispatches: [{ ...call("a", 1).dispatches[0]!, station: "st-02" }] }));
    expect(rings(other, hearing())).toBe(false);
    expect(rings(other, hearing({ scope: "all" }))).toBe(true);
  });

  it("is the desk's where the desk was asked", () => {
    const desk = kept(call("a", 1, { dispatches: [{ ...call("a", 1).dispatches[0]!, station: "desk" }] }));
    expect(rings(desk, hearing({ me: me({ role: "district", station: "", staff: "" }) }))).toBe(true);
    expect(rings(desk, hearing({ me: me({ role: "street", station: "", staff: "" }) }))).toBe(false);
  });

  it("is what we hold when she presses again, and stops when that was seen", () => {
    const held = call("a", 5, { state: "on_scene", accepted, dispatches: [], presses: 2, deadlines: { repress_within: at(70) } });
    expect(rings(kept(held), hearing())).toBe(true);
    expect(rings(kept({ ...held, deadlines: {} }), hearing())).toBe(false);
  });

  it("is what we hold and are late with", () => {
    const late = call("a", 5, { state: "accepted", accepted, dispatches: [], deadline: { kind: "arrive_goal", at: at(5) } });
    expect(rings(kept(late), hearing())).toBe(true);
    expect(rings(kept(late), hearing({ nowMs: T0 }))).toBe(false);
  });

  it("is never a test, a closed call, or one that another took", () => {
    expect(rings(kept(call("a", 1, { test: true })), hearing({ scope: "all" }))).toBe(false);
    expect(rings(kept(call("a", 1, { state: "closed" })), hearing({ scope: "all" }))).toBe(false);
    expect(rings(kept(call("a", 1), { overMs: 5, lost: true }), hearing({ scope: "all" }))).toBe(false);
  });

  it("is silent at night for service and family, and never for an emergency", () => {
    const night = hearing({ minute: 3 * 60 });
    expect(rings(kept(call("a", 1, { key: "service" })), hearing())).toBe(true);
    expect(rings(kept(call("a", 1, { key: "service" })), night)).toBe(false);
    expect(rings(kept(call("a", 1, { key: "family" })), night)).toBe(false);
    expect(rings(kept(call("a", 1)), night)).toBe(true);
    expect(rings(kept(call("a", 1, { key: "service" })), hearing({ minute: 3 * 60, policies: new Map() })), "where the policy cannot be read").toBe(false);
  });

  it("is the loudest of all that ring: one sound at a time", () => {
    const calls = [kept(call("s", 1, { key: "service" })), kept(call("f", 2, { key: "family" })), kept(call("e", 3))];
    expect(ringing(calls, hearing())).toEqual({ sound: "emergency", calls: ["e", "f", "s"] });
    expect(ringing([], hearing())).toEqual({ sound: null, calls: [] });
  });
});

it("a span may cross midnight, and nonsense is no span", () => {
  expect([20 * 60 + 59, 21 * 60, 0, 6 * 60 + 59, 7 * 60].map((minute) => inSpan(SILENT, minute))).toEqual([false, true, true, true, false]);
  expect(inSpan("08:00-12:00", 9 * 60)).toBe(true);
  expect(inSpan("whenever", 9 * 60)).toBe(false);
  expect(inSpan(undefined, 9 * 60)).toBe(false);
});

describe("the sounds", () => {
  const RATE = 8000;
  const energy = (samples: Float32Array): number => samples.reduce((sum, one) => sum + one * one, 0) / RATE;

  it("are loud without clipping, and end softly so that the loop does not click", () => {
    for (const pattern of Object.values(PATTERNS)) {
      const samples = samplesOf(pattern, RATE);
      expect(samples).toHaveLength(Math.round(pattern.every * RATE));
      const peak = samples.reduce((most, one) => Math.max(most, Math.abs(one)), 0);
      expect(peak).toBeGreaterThan(0.35);
      expect(peak).toBeLessThanOrEqual(1.001);
      expect(Math.abs(samples[0] ?? 1)).toBeLessThan(0.05);
      expect(Math.abs(samples.at(-1) ?? 1)).toBeLessThan(0.05);
    }
  });

  it("say how urgent it is: an emergency sounds most of the time, a service call hardly ever", () => {
    const loudness = Object.fromEntries(Object.entries(PATTERNS).map(([name, pattern]) => [name, energy(samplesOf(pattern, RATE)) / pattern.every]));
    expect(loudness["emergency"]).toBeGreaterThan(4 * (loudness["family"] ?? 9));
    expect(loudness["family"]).toBeGreaterThan(2 * (loudness["service"] ?? 9));
  });
});
