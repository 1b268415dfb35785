import { afterEach, describe, expect, it, vi } from "vitest";

import type { StreamEvent } from "../src/api/shapes";
import { Blocks } from "../src/live/sse";
import { Stream } from "../src/live/stream";

describe("server-sent events", () => {
  it("come whole, however the line cuts them", () => {
    const blocks = new Blocks();
    const text = 'retry: 2000\n\n: alive\n\nid: a1\nevent: call.opened\ndata: {"seq":1}\n\nid: a2\n\n';
    const found = [...text].flatMap((character) => blocks.add(character));
    expect(found).toEqual([
      { id: "a1", event: "call.opened", data: '{"seq":1}' },
      { id: "a2", event: "", data: "" },
    ]);
  });

  it("keep half an event until its end comes", () => {
    const blocks = new Blocks();
    expect(blocks.add("id: 7\ndata: {")).toEqual([]);
    expect(blocks.add("}\n\nid: 8")).toEqual([{ id: "7", event: "", data: "{}" }]);
  });
});

/** A server that gives these bodies, one connection after the other, and then none. */
function server(bodies: (string | number)[]): { positions: (string | null)[] } {
  const positions: (string | null)[] = [];
  vi.stubGlobal("fetch", (_url: string, init: RequestInit) => {
    positions.push(new Headers(init.headers).get("Last-Event-ID"));
    const body = bodies.shift();
    if (body === undefined) return new Promise<Response>(() => undefined);
    if (typeof body === "number") return Promise.resolve(new Response("", { status: body }));
    return Promise.resolve(new Response(body, { status: 200 }));
  });
  return { positions };
}

const frame = (id: string, seq: number): string => `id: ${id}\nevent: call.seen\ndata: {"seq":${seq}}\n\n`;

function following(): { heard: number[]; opened: boolean[]; resets: number; lost: number; unknown: number; stream: Stream } {
  const told = { heard: [] as number[], opened: [] as boolean[], resets: 0, lost: 0, unknown: 0, stream: null as unknown as Stream };
  told.stream = new Stream({
    onOpen: (anew) => { told.opened.push(anew); return Promise.resolve(); },
    onEvent: (event: StreamEvent) => { told.heard.push(event.seq); },
    onReset: () => { told.resets += 1; return Promise.resolve(); },
    onLost: () => { told.lost += 1; },
    onUnknown: () => { told.unknown += 1; },
  });
  return told;
}

describe("the stream", () => {
  afterEach(() => { vi.unstubAllGlobals(); });

  it("goes on where it was after a dead server, with nothing missed and nothing twice", async () => {
    const asked = server([frame("p1", 1) + frame("p2", 2) + "id: p3\ndata: {\"se", 503, frame("p3", 3)]);
    const told = following();
    void told.stream.run();
    await vi.waitFor(() => { expect(told.heard).toEqual([1, 2, 3]); }, 9000);
    expect(asked.positions.slice(0, 3)).toEqual([null, "p2", "p2"]);
    expect(told.opened, "only the first time is anew").toEqual([true, false]);
    expect(told.lost).toBeGreaterThanOrEqual(2);
    told.stream.stop();
  }, 12_000);

  it("goes on as somebody else at once, from where it was, and nobody is told that it was lost", async () => {
    const positions: (string | null)[] = [];
    const lines: ReadableStreamDefaultController<Uint8Array>[] = [];
    vi.stubGlobal("fetch", (_url: string, init: RequestInit) => {
      positions.push(new Headers(init.headers).get("Last-Event-ID"));
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          lines.push(controller);
          init.signal?.addEventListener("abort", () => { controller.error(new Error("gone")); });
        },
      });
      return Promise.resolve(new Response(body, { status: 200 }));
    });
    const told = following();
    void told.stream.run();
    await vi.waitFor(() => { expect(lines.length).toBe(1); });
    lines[0]?.enqueue(new TextEncoder().encode(frame("p1", 1)));
    await vi.waitFor(() => { expect(told.heard).toEqual([1]); });
    told.stream.renew();
    await vi.waitFor(() => { expect(positions).toEqual([null, "p1"]); }, 250);
    lines[1]?.enqueue(new TextEncoder().encode(frame("p2", 2)));
    await vi.waitFor(() => { expect(told.heard).toEqual([1, 2]); });
    expect([told.lost, told.opened]).toEqual([0, [true, false]]);
    told.stream.stop();
  });

  it("asks for the lists again on a reset, and forgets the old position", async () => {
    const asked = server([frame("p1", 1), "event: reset\ndata: {}\n\n", ""]);
    const told = following();
    void told.stream.run();
    await vi.waitFor(() => { expect(asked.positions.length).toBeGreaterThanOrEqual(3); }, 9000);
    expect(told.resets).toBe(1);
    expect(asked.positions.slice(0, 3)).toEqual([null, "p1", null]);
    told.stream.stop();
  }, 12_000);

  it("stops and says so where nobody knows us any more", async () => {
    const asked = server([401]);
    const told = following();
    await told.stream.run();
    expect(told.unknown).toBe(1);
    expect(asked.positions).toHaveLength(1);
  });
});
