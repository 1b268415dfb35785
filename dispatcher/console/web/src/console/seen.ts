/** `seen` is real: told once a call of ours was painted, in view, on a page that somebody can see. */

import { watch } from "vue";

import { take } from "../api/steps";
import { live } from "../live/live";
import { register } from "../live/register";
import { isOurs } from "../live/view";

const SHOWN_ENOUGH = 0.5;
const AT_ONCE_MAX = 3;
const MARKS_MAX = 5_000;
const PATIENCE_MS = 6_000;

const inView = new Map<Element, string>();
const waiting = new Map<string, string>();
const told = new Set<string>();
let running = 0;

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      const id = entry.target instanceof HTMLElement ? entry.target.dataset["call"] : undefined;
      if (entry.isIntersecting && id !== undefined) inView.set(entry.target, id);
      else inView.delete(entry.target);
    }
    look();
  },
  { threshold: SHOWN_ENOUGH },
);

/** Look after an element that shows the call of its `data-call`. */
export function watchSeen(element: Element): void {
  watcher.observe(element);
}

export function unwatchSeen(element: Element): void {
  watcher.unobserve(element);
  inView.delete(element);
}

/** After the next painting: what is in view then has been painted. */
function look(): void {
  if (document.visibilityState !== "visible") return;
  requestAnimationFrame(() => requestAnimationFrame(report));
}

function report(): void {
  const me = live.me.value;
  if (me === null || document.visibilityState !== "visible") return;
  for (const id of inView.values()) {
    const kept = live.store.calls.get(id);
    if (kept === undefined || kept.overMs > 0 || !isOurs(kept.call, me, register.stations)) continue;
    // Told again after a further press, and when somebody else took it.
    const mark = `${id}/${kept.call.presses}/${kept.call.accepted?.at ?? ""}`;
    if (told.has(mark)) continue;
    if (told.size > MARKS_MAX) told.clear();
    told.add(mark);
    waiting.set(mark, id);
  }
  send();
}

function send(): void {
  for (const [mark, id] of waiting) {
    if (running >= AT_ONCE_MAX) return;
    waiting.delete(mark);
    running += 1;
    void take(id, "seen", {}, { patienceMs: PATIENCE_MS }).then((answer) => {
      running -= 1;
      // Not told: with the next change it is tried again.
      if (!answer.ok && (answer.problem.fault === "offline" || answer.problem.fault === "busy")) told.delete(mark);
      send();
    });
  }
}

document.addEventListener("visibilitychange", look);
watch([live.version, () => register.stations.size], look);
