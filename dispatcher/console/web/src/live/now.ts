/** The time every second, once for all who count. It is the server's: what a countdown shows must not depend on this PC. */

import { ref } from "vue";

import { clock } from "../api/clock";

/** Milliseconds since 1970, the server's clock, new every second. */
export const nowMs = ref(clock.now());

const SECOND_MS = 1000;

function tick(): void {
  nowMs.value = clock.now();
  setTimeout(tick, SECOND_MS - (Date.now() % SECOND_MS) + 5);
}

export function startTicking(): void {
  tick();
  document.addEventListener("visibilitychange", () => { nowMs.value = clock.now(); });
}
