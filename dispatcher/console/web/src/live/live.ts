/**
 * The calls on this screen, live: `live.start(me)` opens the stream, `live.lanes` is what to show.
 *
 * However many facts come, the screen changes at most ten times a second, in one frame each: what comes is put aside and
 * taken in together. A hidden page has no frames; there what comes is taken in at once, so that sound and title are right.
 */

import { computed, ref, shallowRef } from "vue";

import { CLOCK_OFF_MS, clock } from "../api/clock";
import { readAll } from "../api/http";
import type { Call, Fault, Me, StreamEvent } from "../api/shapes";
import { register } from "./register";
import { type Change, type Kept, Store } from "./store";
import { Stream } from "./stream";
import { type Filter, type Lanes, NO_FILTER, lanesOf } from "./view";

export type Connection = "connecting" | "live" | "lost";
export type Listener = (change: Change, event: StreamEvent) => void;

/** Between two changes of the screen. */
const FRAME_MS = 100;
/** A line that stands only for a moment is not back. */
const SETTLE_MS = 2_000;
const SWEEP_MS = 5_000;
/** Now and then the lists are read again: a scope may have changed, and nothing here is believed for ever. */
const REREAD_MS = 10 * 60_000;
/** So many events are put aside at most; a screen that sleeps that long takes them in at once. */
const PENDING_MAX = 2_000;

const EMPTY: Lanes = { emergency: [], service: [], family: [], test: [] };

class Live {
  readonly store = new Store();
  readonly me = shallowRef<Me | null>(null);
  readonly connection = ref<Connection>("connecting");
  /** Since when it is lost, on our own clock; 0 = it is not. */
  readonly lostSinceMs = ref(0);
  readonly lanes = shallowRef<Lanes>(EMPTY);
  readonly faults = shallowRef<Fault[]>([]);
  readonly filter = shallowRef<Filter>(NO_FILTER);
  readonly selected = ref<string | null>(null);
  /** The lists have been read once: an empty screen means that nothing is open. */
  readonly ready = ref(false);
  readonly aheadMs = ref(0);
  readonly clockOff = computed(() => Math.abs(this.aheadMs.value) > CLOCK_OFF_MS);
  /** Counts up with every change of the calls; what looks into `store` depends on it. */
  readonly version = ref(0);

  private stream: Stream | null = null;
  private pending: StreamEvent[] = [];
  private settling = 0;
  private waiting = false;
  private lastFrameMs = 0;
  private timers: number[] = [];
  private readonly listeners = new Set<Listener>();
  private onUnknown: () => void = () => undefined;

  start(me: Me, onUnknown: () => void): void {
    this.stop();
    this.me.value = me;
    this.onUnknown = onUnknown;
    this.stream = new Stream({
      onOpen: async (anew) => {
        if (anew) await this.reread();
        this.connection.value = "live";
        clearTimeout(this.settling);
        this.settling = window.setTimeout(() => { this.lostSinceMs.value = 0; }, SETTLE_MS);
      },
      onEvent: (event) => { this.put(event); },
      onReset: async () => {
        this.pending = [];
        this.store.reset();
        await this.reread();
      },
      onLost: () => {
        clearTimeout(this.settling);
        if (this.lostSinceMs.value === 0) this.lostSinceMs.value = Date.now();
        this.connection.value = "lost";
      },
      onUnknown: () => { this.onUnknown(); },
    });
    void this.stream.run();
    void register.read(me).then(() => { this.paint(); });
    this.timers = [
      window.setInterval(() => { if (this.store.sweep(clock.now(), this.selected.value)) this.paint(); }, SWEEP_MS),
      window.setInterval(() => { if (this.connection.value === "live") void this.reread().catch(() => undefined); }, REREAD_MS),
    ];
    window.addEventListener("online", this.doubt);
    window.addEventListener("offline", this.gone);
    window.addEventListener("pageshow", this.doubt);
    document.addEventListener("visibilitychange", this.doubt);
  }

  /** Somebody else of the same sight goes on here: what is shown stays, and no fact is missed. */
  become(me: Me): void {
    this.me.value = me;
    this.stream?.renew();
  }

  stop(): void {
    this.stream?.stop();
    this.stream = null;
    clearTimeout(this.settling);
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
    window.removeEventListener("online", this.doubt);
    window.removeEventListener("offline", this.gone);
    window.removeEventListener("pageshow", this.doubt);
    document.removeEventListener("visibilitychange", this.doubt);
    this.store.reset();
    this.pending = [];
    this.me.value = null;
    this.connection.value = "connecting";
    this.lostSinceMs.value = 0;
    this.selected.value = null;
    this.ready.value = false;
    this.paint();
  }

  /** The lists, once more. Throws where they could not be read: then the stream comes again and asks anew. */
  async reread(): Promise<void> {
    this.store.beginReading();
    const [calls, faults] = await Promise.all([readAll<Call>("/calls?state=open"), readAll<Fault>("/faults?state=open")]);
    if (!calls.ok) throw new Error(calls.problem.detail);
    this.store.finishReading(calls.body, clock.now());
    if (faults.ok) this.store.setFaults(faults.body);
    this.ready.value = true;
    this.paint();
  }

  /** A call as an answer told it: shown at once, before the stream says the same. */
  take(call: Call): void {
    this.store.take(call, clock.now());
    this.paint();
  }

  kept(id: string | null): Kept | null {
    void this.version.value;
    return id === null ? null : (this.store.calls.get(id) ?? null);
  }

  setFilter(filter: Filter): void {
    this.filter.value = filter;
    this.paint();
  }

  /** Told of every new fact, once. Gives what ends it. */
  listen(listener: Listener): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private readonly doubt = (): void => {
    if (document.visibilityState === "visible") {
      this.stream?.doubt();
      if (this.pending.length > 0) this.drain();
    }
  };

  private readonly gone = (): void => { this.stream?.lose(); };

  private put(event: StreamEvent): void {
    this.pending.push(event);
    if (document.visibilityState === "hidden" || this.pending.length >= PENDING_MAX) {
      this.drain();
      return;
    }
    if (this.waiting) return;
    this.waiting = true;
    const wait = Math.max(0, this.lastFrameMs + FRAME_MS - performance.now());
    setTimeout(() => requestAnimationFrame(() => { this.drain(); }), wait);
  }

  private drain(): void {
    this.waiting = false;
    const events = this.pending;
    if (events.length === 0) return;
    this.pending = [];
    const nowMs = clock.now();
    const changes: [Change, StreamEvent][] = [];
    for (const event of events) {
      const change = this.store.apply(event, nowMs);
      if (change !== null) changes.push([change, event]);
    }
    this.paint();
    for (const [change, event] of changes) for (const listener of this.listeners) listener(change, event);
  }

  private paint(): void {
    this.lastFrameMs = performance.now();
    this.lanes.value = lanesOf(this.store.calls.values(), this.filter.value, (code, above) => register.within(code, above));
    this.faults.value = [...this.store.faults.values()].sort((a, b) => (a.since < b.since ? -1 : 1));
    this.version.value += 1;
  }
}

export const live = new Live();

clock.onHeard((ahead) => { live.aheadMs.value = ahead; });
