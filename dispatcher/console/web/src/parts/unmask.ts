/** What was asked for is shown for a minute, then masked again. */

import { type Ref, onScopeDispose, shallowRef } from "vue";

import { write } from "../api/http";
import type { Problem } from "../api/problem";
import type { Contact } from "../api/shapes";
import { live } from "../live/live";

export interface Unmasked {
  phone?: string;
  door_code?: string;
  contacts?: Contact[];
  caller?: string;
}

export const SHOWN_MS = 60_000;

export const isMasked = (text: string): boolean => text.includes("****");

/** `+99918178173286` is `+99****3286`: enough to tell two apart, not enough to ring. */
export function masked(phone: string): string {
  const characters = [...phone];
  if (characters.length <= 4) return "*".repeat(characters.length);
  return `${characters.slice(0, characters.length > 9 ? 3 : 0).join("")}****${characters.slice(-4).join("")}`;
}

/** A call of theirs that came whole is in our hands: the reason to see their numbers is that call. */
export function inHand(resident: string): boolean {
  return [...live.store.calls.values()].some(({ call, overMs }) => overMs === 0 && call.resident?.id === resident && call.resident.phone !== undefined && !isMasked(call.resident.phone));
}

export const dial = (phone: string): string => `tel:${phone.replace(/[^\d+*#]/g, "")}`;

export interface Asked {
  shown: Ref<Unmasked | null>;
  /** What went wrong; null: it is shown. */
  ask: (path: string, why: string) => Promise<Problem | null>;
  hide: () => void;
}

export function useUnmasked(): Asked {
  const shown = shallowRef<Unmasked | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let turn = 0;
  function hide(): void {
    clearTimeout(timer);
    turn += 1;
    shown.value = null;
  }
  async function ask(path: string, why: string): Promise<Problem | null> {
    const mine = ++turn;
    const answer = await write<Unmasked>(path, why === "" ? {} : { why });
    if (!answer.ok) return answer.problem;
    // Somebody else's card by now: what was asked for belongs to the one before.
    if (mine !== turn) return null;
    shown.value = answer.body;
    clearTimeout(timer);
    timer = setTimeout(hide, SHOWN_MS);
    return null;
  }
  onScopeDispose(hide);
  return { shown, ask, hide };
}
