/** Hand-overs and follow-ups as the API shows them. */

import type { Problem } from "../api/problem";
import type { Moment } from "../api/shapes";
import { say } from "../words";

/** So often a page that is open reads its list again. */
export const AGAIN_MS = 30_000;

export const RESULTS = ["well", "needs_care", "hospital", "moved", "died", "declined", "not_reached"] as const;
export type Result = (typeof RESULTS)[number];

export interface FollowUp {
  id: string;
  call: string;
  area: string | null;
  station: string;
  station_name: string | null;
  resident: { id: string; name?: string; phone?: string; address?: string } | null;
  caller: { name: string; phone: string; address: string } | null;
  kind: string | null;
  outcome: string | null;
  closed: Moment;
  from: Moment;
  due: Moment;
  state: "waiting" | "done" | "withdrawn";
  overdue: boolean;
  result: Result | null;
  done: Moment | null;
  tries: { by: string; name: string | null; at: Moment; result: Result; note: string | null }[];
}

export interface Signed {
  by: string;
  name: string | null;
  at: Moment;
  sound: boolean | null;
}

interface Whose {
  id: string;
  resident: { id: string; name: string; address: string } | null;
}

export interface SheetCall extends Whose {
  key: string;
  kind: string;
  state: string;
  test: boolean;
  at: Moment;
  station: string | null;
  station_name: string | null;
  by: string | null;
  name: string | null;
  next: string | null;
  due: Moment | null;
  notes: { by: string; name: string | null; at: Moment; note: string }[];
}

/** A hand-over, or what would be on one now: then `id` is null. */
export interface Handover {
  id: string | null;
  area: string | null;
  station: string | null;
  station_name: string | null;
  at: Moment;
  since: Moment;
  given: Signed | null;
  taken: Signed | null;
  late: boolean;
  replaced: boolean;
  note: string | null;
  counts: { calls: number; closed: number; faults: number; followups: number };
  calls: SheetCall[];
  closed: (Whose & { kind: string; outcome: string; at: Moment; by: string; name: string | null })[];
  faults: { id: string; fault: string; device: string | null; station: string; station_name: string | null; due: Moment | null; overdue: boolean }[];
  followups: (Whose & { station: string; station_name: string | null; due: Moment })[];
}

/** A line of the history. */
export type HandoverLine = Pick<Handover, "area" | "station" | "station_name" | "at" | "taken" | "late" | "replaced" | "counts"> & { id: string; given: Signed };

/** Why the server said no, in words. */
export function problemWords(problem: Problem): string {
  const known = ["person_needed", "same_person", "taken", "replaced", "no_follow_up"];
  return problem.code !== undefined && known.includes(problem.code) ? say(`handover.why.${problem.code}`) : say(`handover.fault.${problem.fault}`);
}
