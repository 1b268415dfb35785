import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import type { Problem } from "../src/api/problem";
import { firstOf, wrongFrom, wrongIn } from "../src/register/checks";
import { datesOf, isDate } from "../src/register/dates";
import { draftOf, newId, numberOf, pairOf, remasked, same, sent, unmasked } from "../src/register/draft";
import { masked } from "../src/parts/unmask";
import { errorAt } from "../src/register/errors";
import { hoursFaults, isSpan, spansOf, weekOf } from "../src/register/hours";
import { policyFaults, sentences, spanOf } from "../src/register/policy";
import type { PolicyItem } from "../src/register/shapes";
import { strangerFaults } from "../src/register/stranger";
import { momentOf, wallOf } from "../src/register/wallclock";
import { en, zh } from "../src/register/words";

describe("what the server has masked", () => {
  const draft = { id: "r-1", phone: "138****0001", door_code: "****", contacts: [{ name: "王强", phone: "139****0002" }, { name: "李娟", phone: "136****0003" }, { name: "新", phone: "0371-5" }] };
  const told = { id: "r-1", phone: "13800000001", door_code: "0123#", contacts: [{ name: "李娟", phone: "13600000003" }, { name: "王强", phone: "13900000002" }] };

  it("is put into the form when asked for: the numbers, by name, and what was typed stays", () => {
    const now = unmasked(draft, told, "phone");
    expect([now["phone"], now["door_code"]]).toEqual(["13800000001", "****"]);
    expect(now["contacts"]).toEqual([{ name: "王强", phone: "13900000002" }, { name: "李娟", phone: "13600000003" }, { name: "新", phone: "0371-5" }]);
  });

  it("is put into the form when asked for: the door's code alone", () => {
    expect(unmasked(draft, told, "door_code")).toEqual({ ...draft, door_code: "0123#" });
    expect(unmasked({ ...draft, door_code: "99#" }, told, "door_code")["door_code"]).toBe("99#");
  });
});

describe("what was shown for a minute", () => {
  const starred = { id: "r-1", phone: "138****0001", door_code: "****", contacts: [{ name: "王强", phone: "139****0002" }, { name: "李娟", phone: "136****0003" }] };
  const told = { phone: "13800000001", contacts: [{ name: "王强", phone: "13900000002" }, { name: "李娟", phone: "13600000003" }] };

  it("is masked again, and what was typed meanwhile stays", () => {
    const draft = unmasked(starred, told, "phone");
    expect(remasked(draft, told, starred, "phone")).toEqual(starred);
    const typed = { ...draft, phone: "13711112222", contacts: [...(draft["contacts"] as object[]).slice(1), { name: "新", phone: "0371-5" }] };
    expect(remasked(typed, told, starred, "phone")).toEqual({ ...starred, phone: "13711112222", contacts: [{ name: "李娟", phone: "136****0003" }, { name: "新", phone: "0371-5" }] });
    expect(remasked({ identity_number: "11010519491231002X" }, { identity_number: "11010519491231002X" }, { identity_number: "1****************X" }, "identity_number")).toEqual({ identity_number: "1****************X" });
  });
});

describe("a moment by the district's clock", () => {
  it.each([
    ["2026-11-24T18:30", "Asia/Shanghai", "2026-11-24T18:30:00+08:00"],
    ["2026-07-01T08:30", "Europe/Berlin", "2026-07-01T08:30:00+02:00"],
    ["2026-12-01T08:30", "Europe/Berlin", "2026-12-01T08:30:00+01:00"],
    ["2026-07-01T08:30", "America/St_Johns", "2026-07-01T08:30:00-02:30"],
    ["2026-07-01T08:30", "Asia/Kathmandu", "2026-07-01T08:30:00+05:45"],
    ["2026-01-15T08:30", "Australia/Lord_Howe", "2026-01-15T08:30:00+11:00"],
    // The clock is put back: the first of the two. The hours around it are what they are.
    ["2026-10-25T02:30", "Europe/Berlin", "2026-10-25T02:30:00+02:00"],
    ["2026-10-25T01:59", "Europe/Berlin", "2026-10-25T01:59:00+02:00"],
    ["2026-10-25T03:00", "Europe/Berlin", "2026-10-25T03:00:00+01:00"],
    // The clock is put forward.
    ["2026-03-29T01:59", "Europe/Berlin", "2026-03-29T01:59:00+01:00"],
    ["2026-03-29T03:00", "Europe/Berlin", "2026-03-29T03:00:00+02:00"],
    ["2026-03-08T03:00", "America/New_York", "2026-03-08T03:00:00-04:00"],
  ])("%s in %s is %s, and reads so again", (wall, zone, moment) => {
    expect(momentOf(wall, zone)).toBe(moment);
    expect(wallOf(moment, zone)).toBe(wall);
  });

  it("of an hour that summer time leaves out is the one after it", () => {
    expect(momentOf("2026-03-29T02:30", "Europe/Berlin")).toBe("2026-03-29T03:30:00+02:00");
    expect(momentOf("2026-03-08T02:30", "America/New_York")).toBe("2026-03-08T03:30:00-04:00");
  });

  it("reads what another clock has written, and is empty where nothing is", () => {
    expect(wallOf("2026-07-01T06:30:00Z", "Europe/Berlin")).toBe("2026-07-01T08:30");
    expect(wallOf("2026-11-24T18:30:00+08:00", "Europe/Berlin")).toBe("2026-11-24T11:30");
    expect([wallOf("", "Asia/Shanghai"), wallOf("soon", "Asia/Shanghai"), momentOf("", "Asia/Shanghai")]).toEqual(["", "", ""]);
  });
});

describe("a telephone number in a list", () => {
  it("masks a number so that two can be told apart and none can be rung", () => {
    expect(masked("+99918178173286")).toBe("+99****3286");
    expect(masked("110")).toBe("***");
    expect(masked("")).toBe("");
  });
});

const paths = (section: string, draft: Record<string, unknown>): string[] => wrongIn(section, draft, 2026).map((one) => `${one.path} ${one.word}`);

describe("what is wrong with a draft", () => {
  const good = { id: "r-1", name: "王瑞兰", phone: "+86 138-0000-1111", birth_year: 1941, address: "五一路\u3000701室", notes: "门锁 1234\n听力不好", location: { lat: 34, lon: 113.8 } };

  it("has nothing against a good one", () => {
    expect(paths("residents", good)).toEqual([]);
    expect(paths("residents", { ...good, phone: "138****0001", contacts: [{ phone: "+99****0004" }] })).toEqual([]);
    expect(paths("residents", { ...good, identity_number: "11010519491231002X" })).toEqual([]);
    expect(paths("residents", { ...good, identity_number: "1****************X" })).toEqual([]);
  });

  it.each([
    ["name markup", { name: "<script>alert(1)</script>" }],
    ["name tooLong", { name: "王".repeat(500) }],
    ["name needed", { name: "   " }],
    ["name noName", { name: "??" }],
    ["name control", { name: "王\u0000" }],
    ["name needed", { name: "" }],
    ["phone phone", { phone: "call me" }],
    ["phone phone", { phone: "12" }],
    ["phone phone", { phone: "1".repeat(40) }],
    ["address markup", { address: "<img src=x onerror=alert(1)>" }],
    ["address tooLong", { address: "长".repeat(501) }],
    ["notes tooLong", { notes: "长".repeat(4001) }],
    ["birth_year between", { birth_year: "十九" }],
    ["birth_year between", { birth_year: 2199 }],
    ["location.lat between", { location: { lat: 91, lon: 1 } }],
    ["location.lon bothDegrees", { location: { lat: 1 } }],
    ["contacts[1].name markup", { contacts: [{ name: "女儿" }, { name: "<b>", phone: "x" }] }],
    ["id id", { id: "王 1" }],
    ["identity_number identity", { identity_number: "110105194912310021" }],
    ["identity_number identity", { identity_number: "11010519490230002X" }],
  ])("%s", (wanted, change) => {
    expect(paths("residents", { ...good, ...change })).toContain(wanted);
  });

  it("takes and refuses names and numbers as a sheet that is loaded does", () => {
    const cases = JSON.parse(readFileSync("../../../tests/dispatcher/written.json", "utf8")) as Record<"names" | "phones", Record<string, boolean>>;
    for (const [name, fine] of Object.entries(cases.names)) expect(paths("residents", { ...good, address: name }), name).toHaveLength(fine ? 0 : 1);
    for (const [phone, fine] of Object.entries(cases.phones)) expect(paths("residents", { ...good, phone }), phone).toHaveLength(fine ? 0 : 1);
  });

  it("counts characters as people do, not as machines", () => {
    expect(paths("residents", { ...good, name: `王${"🙂".repeat(199)}` })).toEqual([]);
  });

  it("looks at hours, on call and closing of a station", () => {
    expect(paths("stations", { id: "st", name: "站", kind: "day_care", hours: { mon: ["08:00-12:00", "nonsense"] }, on_call: { hours: { tue: ["25:00-26:00"] }, phone: "?" }, closed: { reason: "x".repeat(201) } }))
      .toEqual(["hours.mon[1] span", "on_call.hours.tue[0] span", "on_call.phone phone", "closed.reason tooLong"]);
  });

  it("wants an address of a webhook that is one", () => {
    const hook = { id: "wh", events: ["call.*"] };
    expect(paths("webhooks", { ...hook, url: "javascript:alert(1)" })).toEqual(["url url"]);
    expect(paths("webhooks", { ...hook, url: "http://exa mple" })).toEqual(["url url"]);
    expect(paths("webhooks", { ...hook, url: "https://example.com/hook?x=1" })).toEqual([]);
    const signed = (secret: string): string[] => paths("webhooks", { ...hook, url: "https://example.com", secret });
    for (const good of ["", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "whsec_YQ==", "whsec_YQ", "whsec_YWI=", ` whsec_${"YWJj".repeat(170)} `]) expect(signed(good), good).toEqual([]);
    for (const bad of ["geheim", "whsec_", "whsec_YWJjY", "whsec_YW_j", "whsec_YW Jj", "WHSEC_YWJj", `whsec_${"YWJj".repeat(171)}YWI`]) expect(signed(bad), bad).toEqual(["secret secret"]);
  });

  it("needs one thing of a stranger, whatever it is, and looks at the rest", () => {
    const nobody = { name: "", phone: " ", address: "", area: "" };
    expect(strangerFaults(nobody)).toEqual([{ path: "name", word: "some" }]);
    expect(strangerFaults({ ...nobody, area: "411002001" })).toEqual([]);
    expect(strangerFaults({ ...nobody, phone: "<b>" }).map((one) => one.path)).toEqual(["phone"]);
  });
});

describe("what the server found wrong", () => {
  const problem = (more: Partial<Problem>): Problem => ({ fault: "wrong", status: 400, detail: "", ...more });

  it("is told beside each field, in our words", () => {
    const wrong = wrongFrom(problem({ errors: [{ path: "hours.mon[0]", error: "25:00 is no time of day" }, { path: "name", error: "is longer than 200 characters" }, { path: "area", error: "'x' is not in areas" }, { path: "odd", error: "is purple" }] }));
    expect(wrong.map((one) => `${one.path} ${one.word}`)).toEqual(["hours.mon[0] span", "name tooLong", "area unknownRef", "odd other"]);
    expect(wrong[1]!.values).toMatchObject({ n: "200" });
    expect(wrong[3]!.said).toBe("is purple");
  });

  it("is found in a single field too, and nowhere where none is named", () => {
    expect(wrongFrom(problem({ field: "contacts[0].on[1]", detail: "contacts[0].on[1]: 'x' is none of opened" }))).toEqual([{ path: "contacts[0].on[1]", word: "other", said: "'x' is none of opened" }]);
    expect(wrongFrom(problem({ detail: "the desk is away" }))).toEqual([]);
  });

  it("has words for every code, in both languages", () => {
    const words = new Set(Object.keys(zh.wrong));
    for (const said of ["is longer than 5 characters", "must be 1 to 64 of A-Z", "is no language such as", "must be a year between 1 and 2", "x is of another district", "is already there", "must be an identity number of 18 characters", "lies in itself", "is already the device", "is empty", "is earlier than the step before it", "must be more than 0 seconds and at most 10 years", "is no fact such as", "secret must begin with whsec_", "is no device family", "is no date such as", "Expected `int`"]) {
      expect(words).toContain(wrongFrom(problem({ field: "f", detail: said }))[0]!.word);
    }
    expect(Object.keys(en.wrong)).toEqual(Object.keys(zh.wrong));
  });

  it("shows a field its own error, or one of its parts where those have no place", () => {
    const errors = firstOf([{ path: "events[3]", word: "event" }, { path: "events[3]", word: "other" }]);
    expect(errorAt(errors, "events", false)).toBe("");
    expect(errorAt(errors, "events", true)).toBe(zh.wrong.event);
    expect(errorAt(errors, "event", true)).toBe("");
  });
});

describe("opening hours", () => {
  it("reads what input methods and people write", () => {
    expect(spansOf("8:00～12:00、14：00 - 18:00")).toEqual(["08:00-12:00", "14:00-18:00"]);
    expect(spansOf("20:00至08:00")).toEqual(["20:00-08:00"]);
    expect(spansOf("  ")).toEqual([]);
  });

  it("knows a span, over midnight and to its end too", () => {
    expect(["08:00-12:00", "20:00-08:00", "00:00-24:00"].every(isSpan)).toBe(true);
    expect(["24:00-25:00", "8-12", "08:00-08:00", "12:60-13:00", ""].some(isSpan)).toBe(false);
    expect(hoursFaults("always")).toEqual([]);
    expect(hoursFaults({ sun: ["x"] })).toEqual(["sun[0]"]);
  });

  it("puts days that are alike together", () => {
    const work = ["08:00-20:00"];
    expect(weekOf({ mon: work, tue: work, wed: work, thu: work, fri: work, sat: ["09:00-12:00"] })).toEqual([{ from: "mon", to: "fri", spans: work }, { from: "sat", to: "sat", spans: ["09:00-12:00"] }, { from: "sun", to: "sun", spans: [] }]);
  });
});

describe("a draft", () => {
  it("is sent without what is empty, but closed and on call mean something while empty", () => {
    expect(sent({ id: " st ", name: "", capacity: 0, closed: {}, on_call: { hours: "always" }, location: {}, contacts: [{ name: "" }, { name: " 女儿 ", on: [] }], hours: { mon: [] } }))
      .toEqual({ id: "st", capacity: 0, closed: {}, on_call: { hours: "always" }, contacts: [{ name: "女儿" }], hours: { mon: [] } });
  });

  it("is the same as before whatever the order, and another after a change", () => {
    expect(same({ a: 1, b: { c: 2, d: 3 } }, { b: { d: 3, c: 2 }, a: 1, e: "" })).toBe(true);
    expect(same({ a: 1 }, { a: 2 })).toBe(false);
    const item = { list: [1] };
    (draftOf(item)["list"] as number[]).push(2);
    expect(item.list).toEqual([1]);
  });

  it("takes numbers as they are typed, and leaves nonsense to be found", () => {
    expect([numberOf("１９４１"), numberOf(" 5 "), numberOf(""), numberOf("abc"), numberOf("1e400")]).toEqual([1941, 5, "", "abc", "1e400"]);
  });

  it("takes pasted coordinates, also with the longitude first", () => {
    expect(pairOf("34.0208, 113.8328")).toEqual([34.0208, 113.8328]);
    expect(pairOf("113.8328，34.0208")).toEqual([34.0208, 113.8328]);
    expect(pairOf("34.0208")).toBeNull();
  });

  it("proposes an id that the register takes", () => {
    expect(newId("r", 1_795_000_000_000)).toMatch(/^r-[a-z0-9]+$/);
    expect(newId("", 1)).toBe("");
  });
});

describe("holidays", () => {
  it("reads dates as they are written, each once and in order", () => {
    expect(datesOf("2026年10月1日\n2026/1/1, 2026-10-01")).toEqual(["2026-01-01", "2026-10-01"]);
    expect(["2026-02-29", "2026-13-01", "x", "2028-02-29"].map(isDate)).toEqual([false, false, false, true]);
  });
});

describe("a policy in plain words", () => {
  const policy: PolicyItem = { key: "emergency", steps: [{ after: 0, to: "nearest" }, { after: 60, to: "next" }, { after: 180, to: "everyone" }], repeat: 60, en_route_within: 120, repress_within: 60, arrive_goal: 900, arrive_limit: null, close_within: 14_400, silent: "" };
  const say = (span: { n: number; unit: string }): string => `${span.n} ${span.unit}`;

  it("tells each step, the repeats and only the limits there are", () => {
    expect(sentences(policy, say).map((one) => [one.word, one.values["t"] ?? "", one.to ?? ""])).toEqual([
      ["atOnce", "0 s", "nearest"], ["after", "60 s", "next"], ["after", "3 min", "everyone"], ["repeat", "60 s", ""], ["enRoute", "2 min", ""], ["repress", "60 s", ""], ["goal", "15 min", ""], ["close", "4 h", ""],
    ]);
  });

  it("has words for every sentence and every target", () => {
    for (const one of sentences({ ...policy, steps: [{ after: 5, to: "contacts" }], arrive_limit: 1, silent: "21:00-07:00" }, say)) expect(Object.keys(zh.preview)).toContain(one.word);
    expect(Object.keys(zh.asks).sort()).toEqual(["contacts", "district", "everyone", "nearest", "next", "next_tier", "volunteers"]);
  });

  it("finds what would never ask anybody, or ask in the wrong order", () => {
    expect(policyFaults({ ...policy, steps: [] })).toEqual([{ path: "steps", word: "oneStep" }]);
    expect(policyFaults({ ...policy, steps: [{ after: 60, to: "next" }, { after: 5, to: "next" }], repeat: NaN, silent: "at night" }).map((one) => `${one.path} ${one.word}`)).toEqual(["steps[1].after earlier", "repeat seconds", "silent span"]);
    expect(policyFaults(policy)).toEqual([]);
  });

  it("speaks of seconds, minutes and hours as people do", () => {
    expect([90, 600, 5400, 14_400].map((seconds) => say(spanOf(seconds)))).toEqual(["90 s", "10 min", "90 min", "4 h"]);
  });
});
