/** The shift: a click goes on duty and lets this page sound. */

import { ref } from "vue";

import { write } from "../api/http";
import { live } from "../live/live";
import { player } from "../sound/player";
import { say } from "../words";
import { whyNot } from "./stepping";

const KEPT = "yijian.shift";

export const onShift = ref(false);
export const shiftSaid = ref("");

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

async function duty(on: boolean): Promise<string> {
  const staff = live.me.value?.staff ?? "";
  if (staff === "") return on ? say("shift.notRecorded") : say("shift.ended");
  const answer = await write<unknown>(`/staff/${encodeURIComponent(staff)}/duty`, { on });
  if (answer.ok) return on ? say("shift.started") : say("shift.ended");
  return say("shift.failed", { why: whyNot(answer.problem, "accept") });
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

export async function endShift(): Promise<void> {
  onShift.value = false;
  keepShift();
  shiftSaid.value = await duty(false);
}
