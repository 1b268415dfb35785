import { describe, expect, it } from "vitest";

import type { Answer } from "../src/api/problem";
import { OFFLINE } from "../src/api/problem";
import type { Call } from "../src/api/shapes";
import type { StepBody } from "../src/api/steps";
import { metresOff, NEAR_M, proofsFor } from "../src/console/card/arrival";
import { fromGcj02, toBd09, toGcj02 } from "../src/map/datum";
import { type KeptStep, KeptSteps, type Sender, withKept } from "../src/phone/kept";
import { mapApps, mapLink } from "../src/phone/maplinks";
import { T0, at, call } from "./made";

const metres = (a: { lat: number; lon: number }, b: { lat: number; lon: number }): number =>
  Math.hypot((a.lat - b.lat) * 111_320, (a.lon - b.lon) * 111_320 * Math.cos((a.lat * Math.PI) / 180));

describe("datums", () => {
  it.each([
    // WGS 84, and what the dispatcher's own conversion (dispatcher/core/geo.py) makes of it.
    ["Tian'anmen", { lat: 39.908_823, lon: 116.397_47 }, { lat: 39.910_226_498, lon: 116.403_713_582 }, { lat: 39.916_565_819, lon: 116.410_086_454 }],
    ["Xuchang", { lat: 34.0585, lon: 113.8255 }, { lat: 34.056_996_025, lon: 113.831_452_878 }, { lat: 34.062_708_762, lon: 113.838_019_332 }],
    ["Shenzhen", { lat: 22.543, lon: 114.057 }, { lat: 22.540_281_207, lon: 114.062_112_924 }, { lat: 22.545_937_783, lon: 114.068_663_285 }],
  ])("agree with the dispatcher's, to a centimetre: %s", (_name, wgs, gcj, bd) => {
    expect(metres(toGcj02(wgs), gcj)).toBeLessThan(0.01);
    expect(metres(toBd09(wgs), bd)).toBeLessThan(0.01);
  });

  it("agree with a published pair of Beijing's Tian'anmen", () => {
    expect(metres(toGcj02({ lat: 39.908_823, lon: 116.397_47 }), { lat: 39.910_226, lon: 116.403_714 })).toBeLessThan(1);
  });

  it("shift a home in Xuchang by some hundred metres", () => {
    const home = { lat: 34.0585, lon: 113.8255 };
    const shift = metres(home, toGcj02(home));
    expect(shift).toBeGreaterThan(300);
    expect(shift).toBeLessThan(800);
  });

  it("lead back to a centimetre", () => {
    for (const home of [{ lat: 34.0585, lon: 113.8255 }, { lat: 22.543, lon: 114.057 }, { lat: 51.5, lon: -0.12 }]) {
      expect(metres(fromGcj02(toGcj02(home)), home)).toBeLessThan(0.01);
    }
  });

  it("leave the rest of the world alone", () => {
    const london = { lat: 51.5, lon: -0.12 };
    expect(toGcj02(london)).toEqual(london);
    expect(toBd09(london)).toEqual(london);
  });
});

describe("links to map apps", () => {
  const home = { lat: 34.0585, lon: 113.8255 };

  it("use the datum of each, and name nobody", () => {
    const gcj = toGcj02(home);
    expect(mapLink("amap", home, "目的地")).toContain(`to=${gcj.lon.toFixed(6)},${gcj.lat.toFixed(6)},${encodeURIComponent("目的地")}`);
    expect(mapLink("baidu", home, "x")).toContain(`location=${toBd09(home).lat.toFixed(6)},`);
    expect(mapLink("baidu", home, "x")).toContain("coord_type=bd09ll");
    expect(mapLink("apple", home, "x")).toContain(`daddr=${gcj.lat.toFixed(6)},${gcj.lon.toFixed(6)}`);
    expect(mapLink("geo", home, "x")).toBe("geo:34.058500,113.825500?q=34.058500,113.825500(x)");
  });

  it("offer Apple's on Apple's phones, and the phone's own elsewhere", () => {
    expect(mapApps("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0)")).toContain("apple");
    expect(mapApps("Mozilla/5.0 (Linux; Android 13)")).toContain("geo");
  });
});

class Shelf {
  readonly kept = new Map<string, string>();
  full = false;
  getItem(name: string): string | null { return this.kept.get(name) ?? null; }
  setItem(name: string, value: string): void {
    if (this.full) throw new Error("full");
    this.kept.set(name, value);
  }
}

const step = (key: string, more: Partial<KeptStep> = {}): KeptStep => ({ key, call: "c-1", step: "en-route", body: {}, doneMs: T0, late: false, ...more });
const good = (state: Partial<Call> = {}): Answer<Call> => ({ ok: true, status: 200, body: call("c-1", 5, { state: "en_route", en_route: { by: "s", at: at(1) }, ...state }) });
const away: Answer<Call> = { ok: false, problem: OFFLINE };

function sender(answers: Answer<Call>[]): { send: Sender; sent: [string, StepBody][] } {
  const sent: [string, StepBody][] = [];
  return { sent, send: (one, body) => { sent.push([one.key, body]); return Promise.resolve(answers.shift() ?? away); } };
}

describe("an arrival", () => {
  const home = { lat: 34.0585, lon: 113.8255 };
  const found = (north: number, accuracy = 20): number | null => metresOff(home, { latitude: home.lat + north / 111_195, longitude: home.lon, accuracy });

  it("is shown by where the phone is only while the phone itself is sure", () => {
    expect([found(0), found(150), found(900)]).toEqual([0, 150, 900]);
    expect(found(0, NEAR_M + 1)).toBeNull();
  });

  it("is shown by its place on a phone alone, where there is a place to be at", () => {
    expect(proofsFor(home, true, true)).toContain("location");
    for (const without of [proofsFor(null, true, true), proofsFor(home, false, true), proofsFor(home, true, false)]) expect(without).toEqual(["seen", "code"]);
  });
});

describe("steps taken without a network", () => {
  it("are kept over a reload and go out in order, with the time they were really done", async () => {
    const shelf = new Shelf();
    const steps = new KeptSteps(shelf, () => undefined);
    steps.add(step("k1", { doneMs: T0 + 3000 }));
    steps.add(step("k2", { late: true, step: "on-scene", doneMs: T0 + 9000 }));
    const again = new KeptSteps(shelf, () => undefined);
    expect(again.all.map((one) => one.key)).toEqual(["k1", "k2"]);
    const { send, sent } = sender([good(), good({ state: "on_scene", on_scene: { by: "s", at: at(9) } })]);
    expect((await again.flush(send)).map((one) => one.fate)).toEqual(["sent", "sent"]);
    expect(sent).toEqual([["k1", { at: at(3) }], ["k2", { at: at(9) }]]);
    expect(new KeptSteps(shelf, () => undefined).all).toEqual([]);
  });

  it("go out as they are while there is a network, so that a refusal is told at once", async () => {
    const steps = new KeptSteps(new Shelf(), () => undefined);
    steps.add(step("k1", { step: "accept" }));
    const refused: Answer<Call> = { ok: false, problem: { fault: "refused", status: 409, detail: "was first" } };
    const { send, sent } = sender([refused]);
    expect(await steps.flush(send)).toMatchObject([{ fate: "dropped", answer: refused }]);
    expect(sent).toEqual([["k1", {}]]);
    expect(steps.all).toEqual([]);
  });

  it("stay when nobody answers, and stop those behind them", async () => {
    const steps = new KeptSteps(new Shelf(), () => undefined);
    steps.add(step("k1"));
    steps.add(step("k2"));
    const { send, sent } = sender([]);
    expect(await steps.flush(send)).toEqual([]);
    expect(sent.map(([key]) => key)).toEqual(["k1"]);
    expect(steps.all.map((one) => [one.key, one.late])).toEqual([["k1", true], ["k2", true]]);
  });

  it("are asked for their outcome where the first try had arrived after all", async () => {
    const steps = new KeptSteps(new Shelf(), () => undefined);
    steps.add(step("k1"));
    await steps.flush(sender([away]).send);
    const reused: Answer<Call> = { ok: false, problem: { fault: "wrong", status: 422, detail: "used", field: "Idempotency-Key" } };
    const { send, sent } = sender([reused, good()]);
    expect((await steps.flush(send)).map((one) => one.fate)).toEqual(["sent"]);
    expect(sent).toEqual([["k1", { at: at(0) }], ["k1", {}]]);
  });

  it("say so where they no longer fitted and became a note", async () => {
    const steps = new KeptSteps(new Shelf(), () => undefined);
    steps.add(step("k1", { late: true }));
    const { send } = sender([good({ state: "received", en_route: null })]);
    expect((await steps.flush(send)).map((one) => one.fate)).toEqual(["noted"]);
  });

  it("run once at a time", async () => {
    const steps = new KeptSteps(new Shelf(), () => undefined);
    steps.add(step("k1"));
    const { send, sent } = sender([good()]);
    await Promise.all([steps.flush(send), steps.flush(send)]);
    expect(sent).toHaveLength(1);
  });

  it("are not swallowed where nothing can be kept", () => {
    const shelf = new Shelf();
    shelf.full = true;
    expect(new KeptSteps(shelf, () => undefined).add(step("k1"))).toBe(false);
  });

  it("survive a damaged shelf", () => {
    const shelf = new Shelf();
    shelf.setItem("yijian.kept-steps", "{not json");
    expect(new KeptSteps(shelf, () => undefined).all).toEqual([]);
  });

  it("already count for the next button", () => {
    const by = { id: "s-1", station: "st-01" };
    const one = withKept(call("c-1", 1), [step("a", { step: "accept" }), step("b")], by);
    expect(one).toMatchObject({ state: "en_route", accepted: { by: "s-1", station: "st-01" } });
    expect(withKept(call("c-2", 1), [step("a", { step: "accept" })], by).state, "another call").toBe("received");
    expect(withKept(call("c-1", 1), [step("c", { step: "on-scene", body: { proof: "seen" } })], by).on_scene?.proof).toBe("seen");
  });
});
