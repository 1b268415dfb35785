/** Everything that calls for attention: sound, title, favicon, desktop notices, the words for a screen reader. */

import { computed, ref, watch } from "vue";

import { live } from "../live/live";
import { nowMs } from "../live/now";
import { register } from "../live/register";
import { CALL_LANES, laneOf } from "../live/store";
import { isAsked } from "../live/view";
import { player } from "../sound/player";
import { type RingScope, type Ringing, ringing, soundOf } from "../sound/policy";
import { say, word } from "../words";
import { addressOf, residentName } from "../words/names";
import { minuteOfDay } from "../words/times";
import { onShift } from "./shift";

const SCOPE_KEPT = "yijian.rings";
const NOTICES_MAX = 20;
const ICON_SIZE = 64;
const QUIET: Ringing = { sound: null, calls: [] };

export const ringScope = ref<RingScope>(keptScope());
/** What a screen reader is told, the newest only. */
export const spoken = ref("");
export const spokenUrgent = ref("");

const tenSeconds = computed(() => Math.floor(nowMs.value / 10_000));

export const ringingNow = computed<Ringing>(() => {
  void live.version.value;
  const me = live.me.value;
  if (me === null) return QUIET;
  const at = tenSeconds.value * 10_000;
  return ringing(live.store.calls.values(), {
    me,
    stations: register.stations,
    policies: register.policies,
    scope: ringScope.value,
    minute: minuteOfDay(at),
    nowMs: at,
  });
});

/** What nobody has taken yet, of what is in sight: emergencies, and all. */
export const waitingCounts = computed(() => {
  void live.version.value;
  let emergencies = 0;
  let all = 0;
  for (const { call, overMs } of live.store.calls.values()) {
    if (overMs > 0 || call.state !== "received" || call.test) continue;
    all += 1;
    if (laneOf(call) === "emergency") emergencies += 1;
  }
  return { emergencies, all };
});

export function setRingScope(scope: RingScope): void {
  ringScope.value = scope;
  try {
    localStorage.setItem(SCOPE_KEPT, scope);
  } catch {
    // Then it is our own again after a reload.
  }
}

function keptScope(): RingScope {
  try {
    return localStorage.getItem(SCOPE_KEPT) === "all" ? "all" : "own";
  } catch {
    return "own";
  }
}

function title(): string {
  const { emergencies, all } = waitingCounts.value;
  const count = emergencies > 0 ? say("live.title", { n: emergencies }) : all > 0 ? say("live.titleOther", { n: all }) : "";
  return [count, `${say("app.name")} ${say("app.console")}`].filter((one) => one !== "").join(" · ");
}

/** The tab's picture: the seal, with the number of those who wait. */
function favicon(): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (link === null) return;
  const { emergencies, all } = waitingCounts.value;
  const count = emergencies > 0 ? emergencies : all;
  if (count === 0) {
    link.href = "/icon.svg";
    return;
  }
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = ICON_SIZE;
  const paint = canvas.getContext("2d");
  if (paint === null) return;
  paint.fillStyle = emergencies > 0 ? "#b0151a" : "#15573f";
  paint.beginPath();
  if (emergencies > 0) paint.roundRect(0, 0, ICON_SIZE, ICON_SIZE, 12);
  else paint.arc(ICON_SIZE / 2, ICON_SIZE / 2, ICON_SIZE / 2, 0, 2 * Math.PI);
  paint.fill();
  paint.fillStyle = "#fff";
  paint.font = `700 ${count > 9 ? 36 : 46}px sans-serif`;
  paint.textAlign = "center";
  paint.textBaseline = "middle";
  paint.fillText(count > 99 ? "99" : String(count), ICON_SIZE / 2, ICON_SIZE / 2 + 3);
  link.href = canvas.toDataURL("image/png");
}

export function noticesState(): "default" | "granted" | "denied" | "none" {
  return "Notification" in window && isSecureContext ? Notification.permission : "none";
}

const notices = new Map<string, Notification>();

/** Says what and where, not who: a locked screen is read by anybody. */
function notice(id: string): void {
  const kept = live.store.calls.get(id);
  if (kept === undefined || document.visibilityState === "visible" || noticesState() !== "granted" || notices.size >= NOTICES_MAX) return;
  try {
    const shown = new Notification(word("lane", laneOf(kept.call)), {
      body: register.areaPath(kept.call.area),
      tag: id,
      icon: "/icon-192.png",
      requireInteraction: soundOf(kept.call) === "emergency",
    });
    shown.addEventListener("click", () => {
      window.focus();
      live.selected.value = id;
      shown.close();
    });
    shown.addEventListener("close", () => notices.delete(id));
    notices.set(id, shown);
  } catch {
    // Some browsers have the name and not the thing.
  }
}

function announce(fact: string, id: string, fresh: boolean): void {
  const kept = live.store.calls.get(id);
  const me = live.me.value;
  if (kept === undefined || me === null || kept.call.test) return;
  const { call } = kept;
  const name = residentName(call) || say("queue.someone");
  if (fact === "call.joined") spokenUrgent.value = say("live.again", { name });
  else if (fact === "call.opened" || (fresh && call.state === "received") || (fact === "call.dispatched" && isAsked(call, me, register.stations))) {
    const lane = laneOf(call);
    if (lane === "emergency") spokenUrgent.value = say("live.newEmergency", { name, address: addressOf(call) });
    else spoken.value = say(lane === "service" ? "live.newService" : "live.newFamily", { name });
  }
}

export function startAttention(): void {
  watch(() => (onShift.value ? ringingNow.value.sound : null), (sound) => { player.want(sound); }, { immediate: true });
  watch(() => ringingNow.value.calls, (calls, before) => {
    const known = new Set(before);
    for (const id of calls) if (!known.has(id)) notice(id);
    const now = new Set(calls);
    for (const [id, shown] of notices) if (!now.has(id)) shown.close();
  });
  watch(waitingCounts, (now, then) => {
    if (now.emergencies !== then.emergencies || now.all !== then.all) favicon();
  });
  watch(() => title(), (text) => { document.title = text; }, { immediate: true });
  live.listen((change) => {
    if (change.call !== null) announce(change.fact, change.call.id, change.fresh);
  });
}

/** All lanes in order, as keys walk through them. */
export function order(): string[] {
  return CALL_LANES.flatMap((lane) => live.lanes.value[lane].map((kept) => kept.call.id));
}
