/** The shift: a click goes on duty and lets this page sound. */

import { ref } from "vue";

import { read, write } from "../api/http";
import type { Page } from "../api/shapes";
import { live } from "../live/live";
import { register } from "../live/register";
import { isOurs, standsFor } from "../live/view";
import { player } from "../sound/player";
import { say } from "../words";
import { whyNot } from "./stepping";

const KEPT = "yijian.shift";

export const onShift = ref(false);
export const shiftSaid = ref("");
/** The register has not said yes yet: until then nobody is asked to come because of us. */
export const dutyAsked = ref(false);
/** Why going on or off duty was not written down; empty: it was. */
export const dutyWrong = ref("");

/** Of this tab: a reload in the middle of a shift goes on with it, but the sound must be unlocked by a click again. */
export function resumeShift(): void {
  try {
    onShift.value = sessionStorage.getItem(KEPT) === (live.me.value?.id ?? "");
  } catch {
    onShift.value = false;
  }
}

/** Whose shift it is, kept in this tab. */
export function keepShift(): void {
  try {
    if (onShift.value) sessionStorage.setItem(KEPT, live.me.value?.id ?? "");
    else sessionStorage.removeItem(KEPT);
  } catch {
    // Then it is asked again after a reload.
  }
}

async function duty(on: boolean, patienceMs?: number): Promise<string> {
  const staff = live.me.value?.staff ?? "";
  if (staff === "") return on ? say("shift.notRecorded") : say("shift.ended");
  dutyAsked.value = true;
  const answer = await write<unknown>(`/staff/${encodeURIComponent(staff)}/duty`, { on }, patienceMs === undefined ? {} : { patienceMs });
  dutyAsked.value = false;
  dutyWrong.value = answer.ok ? "" : say(on ? "shift.failed" : "shift.endFailed", { why: whyNot(answer.problem, "accept") });
  if (answer.ok) return on ? say("shift.started") : say("shift.ended");
  return dutyWrong.value;
}

/** Once more, after it was not written down. */
export async function dutyAgain(): Promise<void> {
  if (!dutyAsked.value) shiftSaid.value = await duty(onShift.value);
}

/** Must be called from a click. */
export async function startShift(): Promise<void> {
  const unlocked = player.unlock();
  onShift.value = true;
  keepShift();
  if ("Notification" in window && isSecureContext && Notification.permission === "default") void Notification.requestPermission();
  await unlocked;
  shiftSaid.value = await duty(true);
}

/** What somebody leaves behind who goes now. */
export interface Leaving {
  /** They sign out, too. */
  out: boolean;
  calls: number;
  faults: number;
  /** They have handed over a moment ago. */
  given: boolean;
}

/** Not null: asked of whoever sits here before they go. */
export const leaving = ref<Leaving | null>(null);

/** A hand-over of theirs that is older was of another shift. */
const GIVEN_MS = 60 * 60_000;

async function justGiven(): Promise<boolean> {
  const answer = await read<Page<{ at: string; given: { by: string }; replaced: boolean }>>("/handovers?limit=5");
  const since = Date.now() + live.aheadMs.value - GIVEN_MS;
  return answer.ok && answer.body.items.some((one) => one.given.by === live.me.value?.staff && !one.replaced && Date.parse(one.at) > since);
}

/** Somebody wants to go: at once where nothing of theirs is open, else they are asked. True: they may sign out now. */
export async function wishToEnd(out: boolean): Promise<boolean> {
  const me = live.me.value;
  if (me === null || (out && !onShift.value)) return true;
  const calls = [...live.store.calls.values()].filter((kept) => kept.overMs === 0 && !kept.call.test && isOurs(kept.call, me, register.stations)).length;
  const faults = live.faults.value.filter((fault) => standsFor(me, register.stations, fault.station)).length;
  const given = calls + faults > 0 && (await justGiven());
  if (out || (calls + faults > 0 && !given)) {
    leaving.value = { out, calls, faults, given };
    return false;
  }
  await endShift();
  return false;
}

export async function endShift(patienceMs?: number): Promise<void> {
  onShift.value = false;
  keepShift();
  shiftSaid.value = await duty(false, patienceMs);
}
