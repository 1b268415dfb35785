/** The phone's state: live where there is a network, from memory where there is none, with what is kept on top. */

import { computed, ref, shallowRef, watch } from "vue";

import { clock } from "../api/clock";
import { newKey, pause } from "../api/http";
import type { Answer } from "../api/problem";
import { OFFLINE } from "../api/problem";
import { resume } from "../api/session";
import type { Call, Me } from "../api/shapes";
import { type Step, type StepBody, take } from "../api/steps";
import { KEPT, progress, sendThrough, tell } from "../console/stepping";
import { live } from "../live/live";
import { register } from "../live/register";
import type { Kept } from "../live/store";
import { isOurs } from "../live/view";
import { say, word } from "../words";
import { setZone } from "../words/times";
import { type Fate, KeptSteps, type KeptStep, withKept } from "./kept";
import { type Memory, forget, recall, remember } from "./memory";

const TRY_MS = 4_000;
const SEND_MS = 6_000;
const AGAIN_MS = 5_000;

export const phase = ref<"starting" | "login" | "in">("starting");
export const why = ref("");
/** Steps that did not go out when they were done; not those that are just being sent. */
export const unsent = shallowRef<readonly KeptStep[]>([]);
/** The last memory, while there is no network; null once live. */
export const memory = shallowRef<Memory | null>(null);
/** What became of steps that were sent later. */
export const told = ref("");

const kept = new KeptSteps(localStorage, (steps) => { unsent.value = steps.filter((step) => step.late); });

export const me = computed<Me | null>(() => live.me.value ?? memory.value?.me ?? null);

function plain(call: Call): Kept {
  return { call, openedMs: Date.parse(call.opened_at), overMs: call.closed === null ? 0 : Date.parse(call.closed.at), lost: false, maskedName: "", pressedMs: Date.parse(call.pressed_at) };
}

function hopeful(one: Kept): Kept {
  const it = me.value;
  if (it === null || unsent.value.length === 0) return one;
  return { ...one, call: withKept(one.call, unsent.value, { id: it.staff || it.id, station: it.station }) };
}

/** A call as this phone knows it. */
export function known(id: string): Kept | null {
  const now = live.kept(id);
  if (now !== null) return hopeful(now);
  const then = memory.value?.calls.find((call) => call.id === id);
  return then === undefined ? null : hopeful(plain(then));
}

/** The calls that are ours: those we hold first, then those we are asked to. */
export const mine = computed<Kept[]>(() => {
  void live.version.value;
  const it = me.value;
  if (it === null) return [];
  if (live.ready.value) {
    return [...live.store.calls.values()].filter((one) => one.overMs === 0 && isOurs(one.call, it, register.stations)).map(hopeful).sort((a, b) => a.openedMs - b.openedMs);
  }
  return (memory.value?.calls ?? []).map(plain).map(hopeful);
});

async function way(call: string, step: Step, body: StepBody): Promise<Answer<Call>> {
  const late = live.connection.value !== "live" || !navigator.onLine;
  const one: KeptStep = { key: newKey(), call, step, body, doneMs: clock.now(), late };
  if (!kept.add(one)) return { ok: false, problem: OFFLINE };
  if (late) {
    void flush();
    return { ok: false, problem: { ...OFFLINE, code: KEPT } };
  }
  const fates = await flush();
  const mineNow = fates.find((fate) => fate.step.key === one.key);
  if (mineNow !== undefined) return mineNow.answer;
  return { ok: false, problem: { ...OFFLINE, code: KEPT } };
}

async function flush(): Promise<Fate[]> {
  const fates = await kept.flush((step, body) => take(step.call, step.step, body, { key: step.key, patienceMs: SEND_MS }));
  for (const { step, fate, answer } of fates) {
    if (answer.ok) live.take(answer.body);
    if (!step.late) continue;
    const what = word("step", step.step);
    if (fate === "sent") told.value = say("phone.sent", { step: what });
    else if (fate === "noted") told.value = say("phone.keptAsNote", { step: what });
    else told.value = say("phone.dropped", { step: what, why: answer.ok ? "" : answer.problem.detail });
    // Below the buttons it must not stand for ever that it was not sent.
    if ((progress.get(step.call)?.busy ?? null) === null) tell(step.call, { busy: null, tone: fate === "sent" ? "good" : fate === "noted" ? "wait" : "bad", text: told.value });
  }
  return fates;
}

export function discard(key: string): void {
  kept.drop(key);
}

function save(): void {
  if (live.me.value === null || !live.ready.value || live.connection.value !== "live") return;
  const calls = mine.value.map((one) => one.call);
  const named = new Set(calls.flatMap((call) => [call.accepted?.station ?? "", ...call.dispatches.map((one) => one.station ?? "")]));
  const stations = [...register.stations.values()].filter((one) => named.has(one.id));
  remember({ me: live.me.value, calls, stations, heardMs: Date.now() });
}

export function enter(given: Me): void {
  setZone(given.district.timezone);
  memory.value = null;
  live.start(given, () => void again());
  phase.value = "in";
  void flush();
}

export function leave(said: string): void {
  live.stop();
  forget();
  memory.value = null;
  why.value = said;
  phase.value = "login";
}

/** The server knows us no more: by the demo's door again, else by the login. */
async function again(): Promise<void> {
  if (phase.value !== "in" || live.me.value === null) return;
  live.stop();
  const answer = await resume();
  if (answer.ok) enter(answer.body);
  else leave(say("login.over"));
}

/** Come in; without a network with what is remembered, and try on. */
export async function start(): Promise<void> {
  sendThrough(way);
  for (;;) {
    const answer = await Promise.race([resume(), pause(TRY_MS).then((): Answer<Me> => ({ ok: false, problem: OFFLINE }))]);
    if (answer.ok) {
      enter(answer.body);
      break;
    }
    if (answer.problem.fault === "unknown") {
      phase.value = "login";
      break;
    }
    memory.value ??= recall(Date.now());
    if (memory.value !== null) {
      setZone(memory.value.me.district.timezone);
      live.me.value = memory.value.me;
      for (const station of memory.value.stations) register.stations.set(station.id, station);
      live.connection.value = "lost";
      phase.value = "in";
    } else why.value = say("login.offline");
    await pause(AGAIN_MS);
  }
  // At once, and not only now and then: the network may be gone a second after the call was opened.
  watch([live.version, live.connection], save, { immediate: true });
  setInterval(() => {
    save(); // what is shown says how old it is
    if (kept.all.length > 0 && live.connection.value === "live") void flush();
  }, AGAIN_MS);
  addEventListener("online", () => void flush());
  addEventListener("pagehide", save);
}

export function startServiceWorker(): void {
  if (!("serviceWorker" in navigator) || !isSecureContext || import.meta.env.DEV) return;
  void navigator.serviceWorker.register("/sw.js", { scope: "/r/" }).catch(() => undefined);
}
