/** Finding a resident while somebody types: the server looks, among all that may be seen, and the best come first. */

import { type Ref, onScopeDispose, ref, shallowRef, watch } from "vue";

import { read } from "../api/http";
import type { Page } from "../api/shapes";

/** Typing goes on for about so long between two letters. */
const PAUSE_MS = 120;

export interface Asking<T> {
  hits: Ref<T[]>;
  busy: Ref<boolean>;
  failed: Ref<string>;
}

export function useAsking<T>(path: string, query: Ref<string>, shown: number): Asking<T> {
  const hits = shallowRef<T[]>([]) as Ref<T[]>;
  const busy = ref(false);
  const failed = ref("");
  let turn = 0;
  let waiting: ReturnType<typeof setTimeout> | undefined;

  async function ask(words: string, mine: number): Promise<void> {
    const answer = await read<Page<T>>(`${path}?search=${encodeURIComponent(words)}&limit=${shown}`);
    if (mine !== turn) return;
    busy.value = false;
    failed.value = answer.ok ? "" : answer.problem.fault;
    hits.value = answer.ok ? answer.body.items : [];
  }

  watch(query, (text) => {
    const words = text.trim();
    const mine = ++turn;
    clearTimeout(waiting);
    failed.value = "";
    if (words === "") {
      busy.value = false;
      hits.value = [];
      return;
    }
    busy.value = true;
    waiting = setTimeout(() => void ask(words, mine), PAUSE_MS);
  });
  onScopeDispose(() => { clearTimeout(waiting); turn += 1; });
  return { hits, busy, failed };
}
