/** The steps of a call's life, as the API takes them. */

import { type Writing, write } from "./http";
import type { Answer } from "./problem";
import type { Call, Evidence, Outcome } from "./shapes";

export const ACTIONS = [
  "accept", "decline", "release", "spoke-answered", "spoke-no-answer", "en-route", "on-scene", "close", "transfer", "note",
] as const;
/** A step button's name (`data-action`). */
export type Action = (typeof ACTIONS)[number];
export type Step = Action | "reopen" | "seen";

export interface StepBody {
  station?: string;
  reason?: string;
  result?: "answered" | "no_answer";
  proof?: string;
  outcome?: Outcome;
  evidence?: Evidence;
  note?: string;
  of?: string;
  text?: string;
  /** When it was really done, for a step taken offline. */
  at?: string;
}

const SPOKE: Partial<Record<Step, "answered" | "no_answer">> = { "spoke-answered": "answered", "spoke-no-answer": "no_answer" };

/** A step's place in the API, and its body with what the button itself says. */
export function requestOf(step: Step, body: StepBody): { path: string; body: StepBody } {
  const result = SPOKE[step];
  if (result !== undefined) return { path: "spoke", body: { ...body, result } };
  if (step === "on-scene") return { path: step, body: { proof: "manual", ...body } };
  return { path: step, body };
}

export function take(call: string, step: Step, body: StepBody = {}, options: Writing = {}): Promise<Answer<Call>> {
  const request = requestOf(step, body);
  return write<Call>(`/calls/${encodeURIComponent(call)}/${request.path}`, request.body, options);
}
