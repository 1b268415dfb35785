/** A list of the register, page by page, as the server gives it: in its order, or what fits the words, the best first. */

import { type Ref, onScopeDispose, ref, shallowRef, watch } from "vue";

import { read } from "../api/http";
import type { Page } from "../api/shapes";

export const ROWS = 50;
/** The server looks for no more than so many of what fits some words. */
const FOUND_MAX = 2_000;
/** Typing goes on for about so long between two letters. */
const PAUSE_MS = 120;

export interface Listing<T> {
  rows: Ref<T[]>;
  page: Ref<number>;
  /** There is a page after this one. */
  more: Ref<boolean>;
  /** How many there are on all pages; of what was looked for, perhaps there are more. */
  total: Ref<number>;
  orMore: Ref<boolean>;
  busy: Ref<boolean>;
  failed: Ref<string>;
  /** Shows another page: the next one, or one that was seen. */
  turnTo: (page: number) => Promise<void>;
}

export function useListing<T>(path: string, query: Ref<string>): Listing<T> {
  const rows = shallowRef<T[]>([]) as Ref<T[]>;
  const page = ref(0);
  const more = ref(false);
  const total = ref(0);
  const orMore = ref(false);
  const busy = ref(true);
  const failed = ref("");
  /** Where each page that was seen begins. */
  let cursors = [""];
  let turn = 0;
  let waiting: ReturnType<typeof setTimeout> | undefined;

  async function turnTo(to: number): Promise<void> {
    clearTimeout(waiting);
    const mine = ++turn;
    const words = query.value.trim();
    const cursor = cursors[to] ?? "";
    busy.value = true;
    const answer = await read<Page<T> & { total?: number }>(`${path}?limit=${ROWS}&total=true${words === "" ? "" : `&search=${encodeURIComponent(words)}`}${cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`}`);
    // Somebody has typed on meanwhile.
    if (mine !== turn) return;
    busy.value = false;
    failed.value = answer.ok ? "" : answer.problem.fault;
    if (!answer.ok) return;
    page.value = to;
    rows.value = answer.body.items;
    more.value = answer.body.next !== null;
    total.value = answer.body.total ?? to * ROWS + rows.value.length;
    orMore.value = words !== "" && total.value >= FOUND_MAX;
    cursors = [...cursors.slice(0, to + 1), ...(answer.body.next === null ? [] : [answer.body.next])];
  }

  watch(query, () => {
    clearTimeout(waiting);
    turn += 1;
    busy.value = true;
    cursors = [""];
    waiting = setTimeout(() => void turnTo(0), PAUSE_MS);
  });
  onScopeDispose(() => { clearTimeout(waiting); turn += 1; });
  void turnTo(0);
  return { rows, page, more, total, orMore, busy, failed, turnTo };
}
