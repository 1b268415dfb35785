/** The ticks of the checklists, in this page only. */

import { reactive } from "vue";

const CALLS_MAX = 50;
const kept = new Map<string, Set<number>>();

export function ticks(call: string): Set<number> {
  let set = kept.get(call);
  if (set === undefined) {
    set = reactive(new Set<number>());
    kept.set(call, set);
    const oldest = kept.keys().next();
    if (kept.size > CALLS_MAX && oldest.done === false) kept.delete(oldest.value);
  }
  return set;
}
