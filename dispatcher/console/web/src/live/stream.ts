/**
 * The event stream, for ever: it comes again by itself from where it was, nothing missed and nothing twice.
 *
 * Over fetch, not an EventSource: that can carry neither a token nor, after a reload, the position to go on from.
 */

import { clock } from "../api/clock";
import { pause } from "../api/http";
import { credentials } from "../api/session";
import type { StreamEvent } from "../api/shapes";
import { Blocks } from "./sse";

/** The server says something every 15 s: twice and a bit without a word, the line is dead though nobody said so. */
const SILENCE_MS = 40_000;
/** After a sleep, or when the network comes back, a shorter silence is enough to doubt. */
const DOUBT_MS = 18_000;
const PAUSES_MS = [300, 1000, 2000, 4000, 8000];

export interface Following {
  /** It stands. `anew`: without a position, so what happened before must be read from the lists now. */
  onOpen: (anew: boolean) => Promise<void>;
  onEvent: (event: StreamEvent) => void;
  /** The position is unknown there: read the lists again. */
  onReset: () => Promise<void>;
  onLost: () => void;
  onUnknown: () => void;
}

export class Stream {
  private position = "";
  private heardAt = 0;
  private current: AbortController | null = null;
  private stopped = false;
  private renewed = false;
  private woken: (() => void) | null = null;

  constructor(private readonly to: Following) {}

  /** Runs until `stop`. */
  async run(): Promise<void> {
    let failures = 0;
    while (!this.isStopped()) {
      const opened = await this.connection();
      if (this.isStopped()) return;
      failures = opened ? 0 : failures + 1;
      if (this.isRenewed()) continue;
      this.to.onLost();
      const wait = (PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 8000) * (0.5 + Math.random());
      await Promise.race([pause(wait), new Promise<void>((resolve) => (this.woken = resolve))]);
    }
  }

  stop(): void {
    this.stopped = true;
    this.current?.abort();
    this.woken?.();
  }

  /** The machine woke up, or the network is back: do not wait for the silence to end by itself. */
  doubt(): void {
    if (Date.now() - this.heardAt > DOUBT_MS) this.current?.abort();
    this.woken?.();
  }

  /** The machine says that the network is gone: do not wait until the silence tells. */
  lose(): void {
    this.current?.abort();
  }

  /** Somebody else is logged in now: go on as them, from here and at once. Nothing was lost, and nobody is told so. */
  renew(): void {
    this.renewed = this.current !== null;
    this.current?.abort();
    this.woken?.();
  }

  private isRenewed(): boolean {
    const was = this.renewed;
    this.renewed = false;
    return was;
  }

  private isStopped(): boolean {
    return this.stopped;
  }

  /** One connection, until it ends. Whether it stood at all. */
  private async connection(): Promise<boolean> {
    const abort = new AbortController();
    this.current = abort;
    let opened = false;
    let timer = 0;
    const heard = (): void => {
      this.heardAt = Date.now();
      clearTimeout(timer);
      timer = window.setTimeout(() => { abort.abort(); }, SILENCE_MS);
    };
    try {
      heard();
      const sent = Date.now();
      const response = await fetch("/api/v1/events", {
        headers: { ...credentials(false), ...(this.position === "" ? {} : { "Last-Event-ID": this.position }) },
        cache: "no-store",
        signal: abort.signal,
      });
      clock.heard(response.headers.get("Date"), sent, Date.now());
      if (response.status === 401 || response.status === 403) {
        this.stopped = true;
        this.to.onUnknown();
        return false;
      }
      if (!response.ok || response.body === null) return false;
      opened = true;
      await this.to.onOpen(this.position === "");
      await this.reading(response.body, heard);
    } catch (error) {
      // Half an event is no event: the lists tell what it would have told.
      if (error instanceof SyntaxError) this.position = "";
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
    return opened;
  }

  private async reading(body: ReadableStream<Uint8Array>, heard: () => void): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const blocks = new Blocks();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard();
      for (const block of blocks.add(decoder.decode(value, { stream: true }))) {
        if (block.event === "reset") {
          this.position = "";
          await this.to.onReset();
          continue;
        }
        if (block.data !== "") this.to.onEvent(JSON.parse(block.data) as StreamEvent);
        if (block.id !== "") this.position = block.id;
      }
    }
  }
}
