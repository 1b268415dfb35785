import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, it } from "vitest";

import { ACTIONS } from "../src/api/steps";
import { register } from "../src/live/register";
import { messages, say, setTongue, word } from "../src/words";
import { factWords } from "../src/words/facts";
import { holderName } from "../src/words/names";
import { spanText, timeOf } from "../src/words/times";
import { at, call } from "./made";

type Tree = string | Tree[] | { [key: string]: Tree };

function leaves(tree: Tree, path = ""): Map<string, string> {
  if (typeof tree === "string") return new Map([[path, tree]]);
  const entries: [string, Tree][] = Array.isArray(tree) ? tree.map((one, place) => [String(place), one]) : Object.entries(tree);
  return new Map(entries.flatMap(([key, value]) => [...leaves(value, path === "" ? key : `${path}.${key}`)]));
}

const zh = leaves(messages["zh-CN"]);
const en = leaves(messages.en);
const slots = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1] ?? "").sort();

describe("the two languages", () => {
  it("say the same things, with the same values put in", () => {
    expect([...en.keys()].sort()).toEqual([...zh.keys()].sort());
    for (const [key, text] of zh) expect(new Set(slots(en.get(key) ?? "")), key).toEqual(new Set(slots(text)));
  });

  it("are what they claim to be, and nothing is empty", () => {
    for (const [key, text] of zh) expect(text.trim(), key).not.toBe("");
    for (const [key, text] of en) {
      expect(text.trim(), key).not.toBe("");
      // The way to the other language is in the other language; a name to search for is an example.
      if (!["app.language", "app.languageHint", "register.pickHint"].includes(key)) expect(/[\u4e00-\u9fff]/.test(text), `${key} is Chinese: ${text}`).toBe(false);
    }
  });

  it("have no sign that the formatter would take for its own", () => {
    for (const text of [...zh.values(), ...en.values()]) expect(text).not.toMatch(/[@|]/);
  });

  it("have a word for every key that the sources ask for", () => {
    const files = readdirSync("src", { recursive: true }).map(String).filter((name) => /\.(ts|vue)$/.test(name));
    const asked = new Set<string>();
    for (const name of files) {
      const text = readFileSync(join("src", name), "utf8");
      for (const found of text.matchAll(/\b(?:say|sayList|t|tm)\("([a-z][\w]*(?:\.[\w-]+)+)"/gi)) asked.add(found[1] ?? "");
    }
    const known = [...zh.keys()];
    const missing = [...asked].filter((key) => !known.some((one) => one === key || one.startsWith(`${key}.`)));
    expect(asked.size).toBeGreaterThan(120);
    expect(missing).toEqual([]);
  });
});

/** One of each kind, as the server writes them. */
const FACTS: Record<string, Record<string, unknown>[]> = {
  "call.opened": [{ kind: "press", key: "emergency" }, { kind: "fall" }, { kind: "manual", by: "s-1" }],
  "call.joined": [{ kind: "press" }],
  "call.cancel_requested": [{}],
  "call.dispatched": [{ step: 0, asked: [{ to: "st-01", reason: "nearest+by_area" }, { to: "r-c-1/1", reason: "contacts", person: true }] }],
  "call.escalated": ["time", "declined", "expired", "lapsed", "released", "nobody", "reopened", "opened"].map((because) => ({ because, step: 1, repeat: 0 })).concat([{ because: "time", step: 3, repeat: 2 }]),
  "call.skipped": [{ step: 1, reason: "nobody_else" }],
  "call.accepted": [{ by: "s-1", station: "st-01" }, { by: "admin", station: "" }],
  "call.declined": [{ by: "s-1", station: "st-01", note: "人手不足" }],
  "call.lapsed": ["en_route_within", "repress_within", "released"].map((because) => ({ because, station: "st-01" })),
  "call.spoke": [{ by: "s-1", result: "answered" }, { by: "s-1", result: "no_answer" }],
  "call.en_route": [{ by: "s-1", happened_at: at(5) }],
  "call.on_scene": ["", "manual", "seen", "code", "location", "device", "photo"].map((proof) => ({ by: "s-1", proof })),
  "call.overdue": ["arrive_goal", "arrive_limit", "close_within"].map((limit) => ({ limit })),
  "call.transferred": [{ by: "s-1", station: "st-02" }],
  "call.noted": [{ by: "s-1", note: "老人很好" }, { by: "s-1", step: "en_route" }, { by: "device", step: "helper_arrived" }],
  "call.seen": [{ by: "s-1" }],
  "call.closed": [{ by: "s-1", outcome: "helped", evidence: "on_site" }, { by: "test", outcome: "test" }],
  "call.reopened": [{ by: "s-1" }],
  "call.followed_up": ["well", "needs_care", "hospital", "moved", "died", "declined", "not_reached"].map((result) => ({ by: "s-1", result, attempt: 1 })),
  "test.passed": [{}],
  "alert.sent": [{ channel: "sms", to: "r-c-1/0" }, { channel: "webhook", to: "wh-1" }],
  "alert.delivered": [{ channel: "voice", to: "s-1" }],
  "alert.failed": [{ channel: "pager", to: "s-1" }],
  "device.fault": [{ fault: "offline" }],
  "device.restored": [{ fault: "battery" }],
};

describe("every fact of the journal", () => {
  for (const tongue of ["zh-CN", "en"] as const) {
    it(`is told in words (${tongue})`, () => {
      setTongue(tongue);
      register.staff.set("s-1", { id: "s-1", name: "任超", role: "station" });
      for (const [fact, kinds] of Object.entries(FACTS)) {
        for (const more of kinds) {
          const words = factWords({ seq: 1, at: at(0), fact, district: "411002", cause: { kind: "command", device: null, id: "x", by: "s-1" }, call: "c-1", device: null, ...more }, call("c-1", 1));
          expect(words.text, `${fact} ${JSON.stringify(more)}`).not.toMatch(/facts\.|[{}]|undefined|^\s*$/);
          expect(words.text).not.toBe(fact);
        }
      }
    });
  }

  it("shows what somebody wrote, and when it really happened", () => {
    setTongue("zh-CN");
    const words = factWords({ seq: 1, at: at(60), fact: "call.en_route", district: "411002", cause: { kind: "command", device: null, id: "x", by: "s-1" }, call: "c-1", device: null, by: "s-1", note: "堵车", happened_at: at(5) }, null);
    expect(words).toEqual({ text: "任超 出发", more: "堵车 · 实际时间 03:16:20", main: true });
  });

  it("names a station that is not in our register as the call does, and by its id where it is gone", () => {
    setTongue("zh-CN");
    const ours = call("c-1", 3, {
      accepted: { by: "s-7", station: "st-77", at: at(9), station_name: "邻街托老站" },
      passed_over: [{ station: "st-78", reason: "full", station_name: "城北日间照料" }, { station: "st-79", reason: "closed", station_name: null }],
    });
    expect(holderName(ours)).toBe("邻街托老站");
    const told = (station: string): string => factWords({ seq: 1, at: at(0), fact: "call.declined", district: "411002", cause: { kind: "command", device: null, id: "x", by: "s-1" }, call: "c-1", device: null, station }, ours).text;
    expect(told("st-78")).toContain("城北日间照料");
    expect(told("st-79")).toContain("st-79");
  });

  it("that is new to us is shown by its name, not hidden", () => {
    expect(factWords({ seq: 1, at: at(0), fact: "call.blessed", district: "d", cause: { kind: "command", device: null, id: "x", by: null }, call: "c-1", device: null }, null).text).toBe("call.blessed");
  });
});

it("codes have words, and one that is unknown is shown as it is", () => {
  setTongue("en");
  for (const action of ACTIONS) expect(word("step", action)).not.toContain(".");
  expect(word("why", "nobody_on_duty")).toBe("nobody on duty");
  expect(word("why", "struck_by_lightning")).toBe("struck by lightning");
  expect(word("relation", "女儿")).toBe("女儿");
  expect(word("state", null)).toBe("");
  setTongue("zh-CN");
  expect(say("state.received")).toBe("待受理");
});

it("times are the district's, whatever this computer thinks", () => {
  expect(timeOf("2026-11-24T19:16:15.000Z")).toBe("03:16:15");
  expect([4, 400, 12_400, 200_000].map(spanText)).toEqual(["4 ms", "0.4 s", "12 s", "3:20"]);
});
