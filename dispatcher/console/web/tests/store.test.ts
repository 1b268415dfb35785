import { describe, expect, it } from "vitest";

import { CLOSED_SHOWN_MS, LOST_SHOWN_MS, Store, laneOf } from "../src/live/store";
import { NO_FILTER, before, clockText, lanesOf, nextOf } from "../src/live/view";
import { T0, at, bare, call, event, kept } from "./made";

const never = (): boolean => false;
const holder = (station: string): NonNullable<ReturnType<typeof call>["accepted"]> => ({ by: "s-9", station, at: at(9), name: null });

describe("what the stream tells", () => {
  it("is taken once, however often it comes", () => {
    const store = new Store();
    const opened = event("call.opened", call("c-1", 10));
    expect(store.apply(opened, T0)).toMatchObject({ fact: "call.opened", fresh: true });
    expect(store.apply(opened, T0)).toBeNull();
    const accepted = event("call.accepted", call("c-1", 12, { state: "accepted", accepted: holder("st-01") }));
    expect(store.apply(accepted, T0)).toMatchObject({ fresh: false });
    expect(store.apply(opened, T0), "an old one after a reconnect").toBeNull();
    expect(store.calls.get("c-1")?.call.state).toBe("accepted");
  });

  it("may have gaps, because a reader sees only what is theirs", () => {
    const store = new Store();
    store.apply(event("call.opened", call("c-1", 10)), T0);
    expect(store.apply(event("call.opened", call("c-2", 900)), T0)).not.toBeNull();
    expect([...store.calls.keys()]).toEqual(["c-1", "c-2"]);
  });

  it("begins anew after a reset, with smaller numbers", () => {
    const store = new Store();
    store.apply(event("call.opened", call("c-1", 5000)), T0);
    store.reset();
    expect(store.calls.size).toBe(0);
    expect(store.apply(event("call.opened", call("c-2", 3)), T0)).toMatchObject({ fresh: true });
  });

  it("does not undo what an answer or a list told meanwhile", () => {
    const store = new Store();
    store.apply(event("call.opened", call("c-1", 10)), T0);
    store.take(call("c-1", 30, { state: "accepted", accepted: holder("st-01") }), T0);
    store.apply(event("call.seen", call("c-1", 20)), T0);
    expect(store.calls.get("c-1")?.call).toMatchObject({ seq: 30, state: "accepted" });
  });
});

describe("the lists, read while the stream goes on", () => {
  it("drop what is gone and keep what was opened meanwhile", () => {
    const store = new Store();
    store.take(call("c-old", 1), T0);
    store.take(call("c-stays", 2), T0);
    store.beginReading();
    store.apply(event("call.opened", call("c-new", 50)), T0);
    store.finishReading([call("c-stays", 2)], T0);
    expect([...store.calls.keys()].sort()).toEqual(["c-new", "c-stays"]);
  });

  it("do not bring back what was closed while they were read", () => {
    const store = new Store();
    store.take(call("c-1", 10), T0);
    store.beginReading();
    store.apply(event("call.closed", call("c-1", 12, { state: "closed", closed: { by: "s", at: at(1), outcome: "helped", evidence: "on_site", note: null, of: null } })), T0);
    store.finishReading([call("c-1", 10)], T0);
    expect(store.calls.get("c-1")?.call.state).toBe("closed");
    store.sweep(T0 + CLOSED_SHOWN_MS, null);
    store.beginReading();
    store.finishReading([call("c-1", 10)], T0);
    expect(store.calls.has("c-1")).toBe(false);
  });
});

describe("a call that another station takes", () => {
  const offered = call("c-1", 10);
  const taken = bare(offered, { seq: 14, state: "accepted", accepted: holder("st-02") });

  it("says so for a while, without the person, and then goes", () => {
    const store = new Store();
    store.apply(event("call.opened", offered), T0);
    store.apply(event("call.accepted", taken), T0 + 5000);
    const row = store.calls.get("c-1");
    expect(row).toMatchObject({ lost: true, overMs: T0 + 5000, maskedName: "张**" });
    expect(row?.call.resident).toBeNull();
    expect(store.sweep(T0 + 5000 + LOST_SHOWN_MS - 1, null)).toBe(false);
    expect(store.sweep(T0 + 5000 + LOST_SHOWN_MS, null)).toBe(true);
    expect(store.calls.size).toBe(0);
  });

  it("comes back when it is offered to us again", () => {
    const store = new Store();
    store.apply(event("call.opened", offered), T0);
    store.apply(event("call.accepted", taken), T0);
    store.apply(event("call.escalated", call("c-1", 20)), T0);
    expect(store.calls.get("c-1")).toMatchObject({ lost: false, overMs: 0 });
  });

  it("is nothing to show where it never was", () => {
    const store = new Store();
    expect(store.apply(event("call.accepted", taken), T0)?.call).toBeNull();
    expect(store.calls.size).toBe(0);
  });

  it("of an unknown device is shown as what it is: not as taken", () => {
    const store = new Store();
    store.apply(event("call.opened", call("c-9", 3, { resident: null })), T0);
    expect(store.calls.get("c-9")).toMatchObject({ lost: false, overMs: 0 });
  });
});

describe("memory", () => {
  it("stays flat: ten thousand calls come and go", () => {
    const store = new Store();
    for (let turn = 0; turn < 10_000; turn += 1) {
      const now = T0 + turn * 1000;
      store.apply(event("call.opened", call(`c-${turn}`, turn * 2)), now);
      store.apply(event("call.closed", call(`c-${turn}`, turn * 2 + 1, { state: "closed" })), now);
      store.sweep(now, null);
    }
    expect(store.calls.size).toBeLessThanOrEqual(CLOSED_SHOWN_MS / 1000 + 1);
  });

  it("keeps the call somebody looks at", () => {
    const store = new Store();
    store.take(call("c-1", 1), T0);
    store.take(call("c-1", 2, { state: "closed" }), T0);
    store.sweep(T0 + 10 * CLOSED_SHOWN_MS, "c-1");
    expect(store.calls.has("c-1")).toBe(true);
  });
});

describe("faults", () => {
  it("come with the stream and go when they are restored", () => {
    const store = new Store();
    store.apply(event("device.fault", null, 5, { device: "btn-1", id: "f-1", fault: "offline", station: "st-01", area: "411002009" }), T0);
    expect([...store.faults.values()]).toMatchObject([{ id: "f-1", fault: "offline", station: "st-01", overdue: false }]);
    store.apply(event("device.restored", null, 6, { device: "btn-1", id: "f-1", fault: "offline" }), T0);
    expect(store.faults.size).toBe(0);
  });

  it("of one area are one, with its list", () => {
    const store = new Store();
    const more = { id: "f-2", area: "411002009", kind: "power", station: "st-01", count: 3, devices: ["a", "b", "c"], residents: ["r-1", "r-2"] };
    store.apply(event("area.incident", null, 7, more), T0);
    expect([...store.faults.values()]).toMatchObject([
      { id: "f-2", fault: "area_incident", detail: "power", area: "411002009", device: null, count: 3, devices: ["a", "b", "c"], residents: ["r-1", "r-2"] },
    ]);
    store.apply(event("area.incident_ended", null, 8, { id: "f-2", area: "411002009", kind: "power" }), T0);
    expect(store.faults.size).toBe(0);
  });
});

describe("lanes", () => {
  it("are by key, tests apart, and a key nobody knows is an emergency", () => {
    expect(laneOf(call("a", 1, { key: "service" }))).toBe("service");
    expect(laneOf(call("a", 1, { test: true }))).toBe("test");
    expect(laneOf(call("a", 1, { key: "purple" as never }))).toBe("emergency");
  });

  it("have first what nobody has taken, then age, then what is over", () => {
    const rows = [
      kept(call("held-old", 1, { state: "accepted", opened_at: at(-100) })),
      kept(call("waits-new", 2, { opened_at: at(50) })),
      kept(call("over", 3, { opened_at: at(-500) }), { overMs: 1 }),
      kept(call("waits-old", 4, { opened_at: at(10) })),
    ];
    expect([...rows].sort(before).map((one) => one.call.id)).toEqual(["waits-old", "waits-new", "held-old", "over"]);
  });

  it("can be narrowed to a station, an area, or what waits", () => {
    const calls = [kept(call("a", 1)), kept(call("b", 2, { state: "accepted", accepted: holder("st-02"), dispatches: [] })), kept(call("c", 3, { area: "411002001", dispatches: [] }))];
    const ids = (filter: Partial<typeof NO_FILTER>): string[] => lanesOf(calls, { ...NO_FILTER, ...filter }, (code, above) => code === above).emergency.map((one) => one.call.id);
    expect(ids({ station: "st-02" })).toEqual(["b"]);
    expect(ids({ area: "411002001" })).toEqual(["c"]);
    expect(ids({ waiting: true })).toEqual(["a", "c"]);
  });

  it("take a thousand open calls in a few milliseconds", () => {
    const many = Array.from({ length: 1000 }, (_, n) => kept(call(`c-${n}`, n, { opened_at: at(-(n * 37) % 5000) })));
    lanesOf(many, NO_FILTER, never);
    const from = performance.now();
    for (let turn = 0; turn < 10; turn += 1) lanesOf(many, NO_FILTER, never);
    expect((performance.now() - from) / 10).toBeLessThan(25);
  });
});

describe("countdowns", () => {
  it("read like a clock", () => {
    expect([0, 9, 75, 3600, 3723, -5].map(clockText)).toEqual(["0:00", "0:09", "1:15", "1:00:00", "1:02:03", "0:00"]);
  });

  it("say whom the next step asks, by the policy", () => {
    const policies = new Map([["emergency", { key: "emergency" as const, steps: [{ after: 0, to: "nearest" }, { after: 60, to: "next" }], repeat: 60 }]]);
    expect(nextOf(call("a", 1), policies)).toMatchObject({ kind: "step", to: "next", atMs: T0 + 60_000 });
    expect(nextOf(call("a", 1, { step: 1 }), policies)?.to).toBe("repeat");
    expect(nextOf(call("a", 1, { deadline: { kind: "arrive_goal", at: at(900) } }), policies)).toMatchObject({ kind: "arrive_goal", to: "" });
    expect(nextOf(call("a", 1, { deadline: null }), policies)).toBeNull();
  });
});
