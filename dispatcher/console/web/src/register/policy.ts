/** A policy in plain sentences. Pure: which sentences, with which numbers; the words are `register.preview`. */

import type { PolicyItem } from "./shapes";

export interface Sentence {
  word: string;
  values: Record<string, unknown>;
  /** Of a step: whom it asks, a code of `register.asks`. */
  to?: string;
}

/** `60` is `{n: 60, unit: "s"}`, `600` is 10 minutes, `5400` is 1.5 hours. */
export function spanOf(seconds: number): { n: number; unit: "s" | "min" | "h" } {
  if (seconds < 120) return { n: seconds, unit: "s" };
  if (seconds < 7200 && seconds !== 3600) return { n: Math.round((seconds / 60) * 10) / 10, unit: "min" };
  return { n: Math.round((seconds / 3600) * 10) / 10, unit: "h" };
}

const LATER_FACTOR = 5;

/** `say` gives the words of a span, such as `60 秒`. */
export function sentences(policy: PolicyItem, say: (span: { n: number; unit: "s" | "min" | "h" }) => string): Sentence[] {
  const span = (seconds: number): string => say(spanOf(seconds));
  const told: Sentence[] = policy.steps.map((step, place) => ({
    word: step.after === 0 ? "atOnce" : place === 0 ? "firstAfter" : "after",
    values: { t: span(step.after) },
    to: step.to,
  }));
  told.push({ word: "repeat", values: { t: span(policy.repeat), later: span(policy.repeat * LATER_FACTOR) } });
  told.push({ word: "enRoute", values: { t: span(policy.en_route_within) } });
  told.push({ word: "repress", values: { t: span(policy.repress_within) } });
  if (policy.arrive_goal !== null) told.push({ word: "goal", values: { t: span(policy.arrive_goal) } });
  if (policy.arrive_limit !== null) told.push({ word: "limit", values: { t: span(policy.arrive_limit) } });
  told.push({ word: "close", values: { t: span(policy.close_within) } });
  if (policy.silent !== "") told.push({ word: "silent", values: { span: policy.silent } });
  return told;
}

export function policyFaults(policy: PolicyItem): { path: string; word: string }[] {
  const wrong: { path: string; word: string }[] = [];
  const positive = (value: number | null, path: string, zero = false): void => {
    if (value === null) return;
    if (!Number.isFinite(value) || value < 0 || (value === 0 && !zero)) wrong.push({ path, word: "seconds" });
  };
  if (policy.steps.length === 0) wrong.push({ path: "steps", word: "oneStep" });
  let before = 0;
  policy.steps.forEach((step, place) => {
    positive(step.after, `steps[${place}].after`, true);
    if (step.after < before) wrong.push({ path: `steps[${place}].after`, word: "earlier" });
    before = Math.max(before, step.after);
  });
  for (const name of ["repeat", "en_route_within", "repress_within", "arrive_goal", "arrive_limit", "close_within"] as const) positive(policy[name], name);
  if (policy.silent !== "" && !/^\d\d:\d\d-\d\d:\d\d$/.test(policy.silent)) wrong.push({ path: "silent", word: "span" });
  return wrong;
}
