/**
 * Whether presses still come through: the server's own canary and what else is not well there, asked now and then.
 *
 * Asked, not streamed: the stream is a part of what it vouches for. Where nobody answers, the line's own banner says so.
 */

import { ref } from "vue";

import { read } from "../api/http";

export type Stage = "broker" | "receipt" | "desk" | "stream" | "webhook";

export interface Trouble {
  what: "loop" | "part" | "overdue" | "asleep" | "growth";
  of: string;
  value: number;
}

export interface Proof {
  state: "proven" | "waiting" | "lost" | "off";
  stage: Stage | null;
  age_seconds: number;
  troubles: Trouble[];
}

export const ASK_MS = 30_000;

/** The last answer; null = none yet. */
export const proof = ref<Proof | null>(null);
/** When it came, on our own clock. */
export const askedMs = ref(0);

export async function ask(): Promise<void> {
  const answer = await read<Proof>("/canary");
  if (!answer.ok) return;
  proof.value = answer.body;
  askedMs.value = Date.now();
}

/** Ask from now on. Gives what ends it. */
export function watchProof(): () => void {
  void ask();
  const timer = window.setInterval(() => void ask(), ASK_MS);
  return () => {
    clearInterval(timer);
    proof.value = null;
  };
}

/** How long ago a press last came through, in seconds; null = nothing is wrong with it. */
export function unprovenSeconds(found: Proof | null, sinceMs: number): number | null {
  return found?.state === "lost" ? found.age_seconds + Math.max(0, sinceMs) / 1000 : null;
}

/** Somebody may not be asked who should be: whoever sits here has to know. */
export function standsStill(found: Proof | null): boolean {
  return found?.troubles.some((one) => one.what === "overdue" || one.what === "asleep" || one.what === "part") ?? false;
}

/** What is near its bound: for whoever looks after the installation. */
export function growing(found: Proof | null): string[] {
  return found?.troubles.filter((one) => one.what === "growth").map((one) => `${one.of} ${String(Math.round(one.value * 100))} %`) ?? [];
}
