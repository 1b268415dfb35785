/** The contract's rules for closing a call, said beside the field before the server has to. Pure. */

import type { Call, Evidence, Outcome } from "../../api/shapes";

export interface Closing {
  outcome: Outcome | "";
  evidence: Evidence | "";
  note: string;
  of: string;
}

export type Wrong = Partial<Record<"outcome" | "evidence" | "of", string>>;

/** An emergency that is no test needs evidence; so does `no_contact`, and only `on_site` will do for it. */
export function needsEvidence(call: Call, outcome: Outcome | ""): boolean {
  return (call.key === "emergency" && !call.test) || outcome === "no_contact";
}

/** What is wrong, field by field, as words. Empty: it can be sent. */
export function wrongIn(call: Call, form: Closing): Wrong {
  const wrong: Wrong = {};
  if (form.outcome === "") wrong.outcome = "act.outcomePick";
  if (form.outcome === "no_contact" && form.evidence !== "on_site") wrong.evidence = "act.evidenceNoContact";
  else if (needsEvidence(call, form.outcome) && form.evidence === "") wrong.evidence = "act.evidencePick";
  const of = form.of.trim();
  if (form.outcome === "duplicate" && (of === "" || of === call.id)) wrong.of = "act.ofPick";
  return wrong;
}

/** Which outcomes are likely for a call, those first. */
export function outcomesFor(call: Call): Outcome[] {
  if (call.test) return ["test", "other"];
  if (call.key === "emergency") return ["helped", "hospital", "false_alarm", "no_contact", "duplicate", "service_done", "other"];
  return ["service_done", "helped", "false_alarm", "no_contact", "duplicate", "hospital", "other"];
}
