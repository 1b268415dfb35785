import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { aheadMs, narrowed } from "../src/api/clock";
import { read, readAll, whenUnknown, write } from "../src/api/http";
import { login, resume } from "../src/api/session";

interface Sent { path: string; method: string; headers: Headers; body: string }

function server(answer: (sent: Sent, turn: number) => Response | Error): Sent[] {
  const sent: Sent[] = [];
  vi.stubGlobal("fetch", (path: string, init: RequestInit = {}) => {
    const one = { path, method: init.method ?? "GET", headers: new Headers(init.headers), body: typeof init.body === "string" ? init.body : "" };
    sent.push(one);
    const made = answer(one, sent.length - 1);
    return made instanceof Error ? Promise.reject(made) : Promise.resolve(made);
  });
  return sent;
}

const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Response => new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json", ...headers } });
const quick = { patienceMs: 10_000 };

beforeEach(() => { vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 200 }); sessionStorage.clear(); });
afterEach(() => { vi.unstubAllGlobals(); vi.useRealTimers(); });

describe("a write", () => {
  it("is asked again with the same key while the desk has not decided", async () => {
    const sent = server((_one, turn) => (turn < 2 ? json({ detail: "later" }, 503, { "Retry-After": "1" }) : json({ id: "c-1" })));
    const waits: number[] = [];
    const answer = await write("/calls/c-1/accept", {}, { ...quick, onWaiting: () => waits.push(1) });
    expect(answer).toMatchObject({ ok: true, body: { id: "c-1" } });
    expect(new Set(sent.map((one) => one.headers.get("Idempotency-Key"))).size).toBe(1);
    expect(sent).toHaveLength(3);
    expect(waits).toHaveLength(2);
    expect(sent[0]?.headers.get("X-Yijian")).toBe("console");
  });

  it("is asked again when nobody answers, and is told as offline in the end", async () => {
    const sent = server(() => new TypeError("network"));
    const answer = await write("/calls/c-1/accept", {}, { patienceMs: 3000, key: "k1" });
    expect(answer).toMatchObject({ ok: false, problem: { fault: "offline" } });
    expect(sent.length).toBeGreaterThan(1);
    expect(sent.every((one) => one.headers.get("Idempotency-Key") === "k1")).toBe(true);
  });

  it("that is refused is not asked again, and says who was first", async () => {
    const sent = server(() => json({ detail: "was first", state: "accepted", accepted: { by: "s-9", station: "st-02", at: "2026-11-24T19:16:20Z" } }, 409));
    const answer = await write("/calls/c-1/accept", {}, quick);
    expect(answer).toMatchObject({ ok: false, problem: { fault: "refused", state: "accepted", accepted: { station: "st-02" } } });
    expect(sent).toHaveLength(1);
  });

  it("tells the field that is wrong", async () => {
    server(() => json({ detail: "an emergency needs evidence", field: "evidence", status: 400 }, 400));
    expect(await write("/calls/c-1/close", {}, quick)).toMatchObject({ problem: { fault: "wrong", field: "evidence" } });
  });
});

describe("a read", () => {
  it("follows the pages of a list", async () => {
    const sent = server((one) => (one.path.includes("cursor=") ? json({ items: [3], next: null }) : json({ items: [1, 2], next: "a/b" })));
    expect(await readAll("/stations")).toMatchObject({ ok: true, body: [1, 2, 3] });
    expect(sent[1]?.path).toBe("/api/v1/stations?limit=500&cursor=a%2Fb");
  });

  it("of a proxy's page is a problem, not an exception", async () => {
    server(() => new Response("<html>Bad gateway</html>", { status: 502 }));
    expect(await read("/me")).toMatchObject({ ok: false, problem: { fault: "broken", status: 502 } });
    server(() => new Response("<html>hotel wifi</html>", { status: 200 }));
    expect(await read("/me")).toMatchObject({ ok: false, problem: { fault: "offline" } });
  });

  it("tells when the server knows us no more", async () => {
    const told = vi.fn();
    whenUnknown(told);
    server(() => json({ detail: "?" }, 401));
    await read("/me");
    expect(told).toHaveBeenCalledOnce();
  });
});

describe("coming in", () => {
  const body = { id: "s-1", name: "任超", role: "station", area: null, station: "st-01", staff: "s-1" };

  it("with a password sends it once, to the login and nowhere else, and keeps no token", async () => {
    const sent = server((one) => (one.path.endsWith("/login") ? json({ user: body }) : json(body)));
    expect(await login({ login: "s-1", password: "secret" })).toMatchObject({ ok: true, body: { station: "st-01", area: "" } });
    expect(sent.filter((one) => `${one.path}${one.body}`.includes("secret"))).toHaveLength(1);
    expect(sent[0]).toMatchObject({ path: "/api/v1/login", method: "POST" });
    expect(sent[1]?.headers.has("Authorization")).toBe(false);
    expect(sessionStorage.length).toBe(0);
  });

  it("with a token puts it into a header, never into an address", async () => {
    const sent = server(() => json(body));
    await login({ login: "", password: "yj_token" });
    expect(sent[0]?.headers.get("Authorization")).toBe("Bearer yj_token");
    expect(sent.some((one) => one.path.includes("yj_token"))).toBe(false);
  });

  it("with a token of yesterday asks for the demo's door, then gives up", async () => {
    const sent = server((one) => json({ detail: "?" }, one.path === "/demo-login" ? 404 : 401));
    expect(await resume()).toMatchObject({ ok: false, problem: { fault: "unknown" } });
    expect(sent.map((one) => one.path)).toEqual(["/api/v1/me", "/demo-login"]);
  });
});

describe("the server's clock", () => {
  it("is narrowed down from whole seconds, answer by answer", () => {
    const truth = 5400;
    let offset = null as ReturnType<typeof narrowed> | null;
    for (let turn = 0; turn < 40; turn += 1) {
      const sent = 1_000_000 + turn * 1370;
      const stamped = Math.floor((sent + 20 + truth) / 1000) * 1000;
      offset = narrowed(offset, stamped, sent, sent + 40);
    }
    expect(Math.abs(aheadMs(offset) - truth)).toBeLessThan(120);
  });

  it("follows when somebody sets a clock", () => {
    const before = narrowed(null, 10_000, 10_000, 10_010);
    const after = narrowed(before, 100_000, 20_000, 20_010);
    expect(aheadMs(after)).toBeGreaterThan(79_000);
  });

  it("is ours where nobody has told otherwise", () => {
    expect(aheadMs(null)).toBe(0);
  });
});
