/** The script of a call: what to do one after the other, and what to read out to 120. Pure but for the words. */

import type { Call } from "../../api/shapes";
import { say, sayList } from "../../words";
import { addressOf, residentName } from "../../words/names";
import { yearOf } from "../../words/times";

export type ScriptName = "emergency" | "fall" | "inactivity" | "hazard" | "service" | "family" | "manual";

export function scriptOf(call: Call): ScriptName {
  if (call.kind === "fall" || call.kind === "inactivity" || call.kind === "hazard") return call.kind;
  if (call.key === "service" || call.key === "family") return call.key;
  return call.kind === "manual" && call.resident === null ? "manual" : "emergency";
}

export function leadOf(call: Call): string {
  const name = scriptOf(call);
  return say(`script.lead.${name === "emergency" ? "press" : name}`);
}

export function checklistOf(call: Call): string[] {
  return sayList(`script.${scriptOf(call)}`);
}

/** What a person reads out to the ambulance: who, how old, where, what happened, who is coming. */
export function readOutOf(call: Call, district: string, nowMs: number): string {
  const year = call.resident?.birth_year;
  const notes = call.resident?.notes ?? "";
  const unanswered = call.spoke?.result === "no_answer" ? say("script.readNoAnswer") : "";
  return say("script.readText", {
    district,
    address: addressOf(call) || say("script.unknownAddress"),
    name: residentName(call) || say("script.unknownName"),
    age: year === undefined ? "" : say("script.readAge", { n: yearOf(nowMs) - year }),
    what: say(`script.readWhat.${call.kind}`) + unanswered,
    notes: notes === "" ? "" : say("script.readNotes", { notes }),
    phone: call.resident?.phone ?? call.caller?.phone ?? say("script.unknownPhone"),
    coming: say(`script.readComing.${call.state}`),
  });
}
