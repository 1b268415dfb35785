/** Taking a step from a button: what is under way, and what came of it, call by call. */

import { reactive } from "vue";

import { type Writing, newKey } from "../api/http";
import type { Answer, Problem } from "../api/problem";
import type { Call } from "../api/shapes";
import { type Step, type StepBody, take } from "../api/steps";
import { clock } from "../api/clock";
import { live } from "../live/live";
import { clockText } from "../live/view";
import { say, word } from "../words";
import { stationName } from "../words/names";
import { shortTimeOf } from "../words/times";

export interface Progress {
  busy: Step | null;
  /** `good` done, `wait` not sure yet, `bad` not done. */
  tone: "good" | "wait" | "bad";
  text: string;
}

/** So many calls are remembered; the oldest is let go. */
const REMEMBERED_MAX = 200;

export const progress = reactive(new Map<string, Progress>());
/** A step that was not confirmed keeps its key: pressed again it is the same one, and is never done twice. */
const unconfirmed = new Map<string, string>();

/** How a step goes out. The phone puts its own in between, which keeps what does not. */
export type Way = (call: string, step: Step, body: StepBody, options: Writing) => Promise<Answer<Call>>;
let way: Way = take;

export function sendThrough(other: Way): void {
  way = other;
}

/** Not sent yet, and kept: it goes out by itself. */
export const KEPT = "kept";

export function tell(call: string, told: Progress): void {
  progress.delete(call);
  progress.set(call, told);
  for (const oldest of progress.keys()) {
    if (progress.size <= REMEMBERED_MAX) break;
    progress.delete(oldest);
  }
}

export async function step(call: Call, name: Step, body: StepBody = {}): Promise<Answer<Call>> {
  const what = word("step", name);
  const mark = JSON.stringify([call.id, name, body]);
  const key = unconfirmed.get(mark) ?? newKey();
  tell(call.id, { busy: name, tone: "wait", text: say("act.busy", { step: what }) });
  const answer = await way(call.id, name, body, {
    key,
    onWaiting: () => { tell(call.id, { busy: name, tone: "wait", text: say("act.waiting") }); },
  });
  if (answer.ok) {
    unconfirmed.delete(mark);
    live.take(answer.body);
    tell(call.id, { busy: null, tone: "good", text: say("act.done", { step: what }) });
    return answer;
  }
  if (answer.problem.code === KEPT) {
    tell(call.id, { busy: null, tone: "wait", text: say("phone.unsentStep", { step: what, at: shortTimeOf(clock.now()) }) });
    return answer;
  }
  const unsure = answer.problem.fault === "offline" || answer.problem.fault === "busy";
  if (unsure) unconfirmed.set(mark, key);
  else unconfirmed.delete(mark);
  tell(call.id, { busy: null, tone: "bad", text: whyNot(answer.problem, name) });
  return answer;
}

/** Why a step was not done, in words that say what to do now. */
export function whyNot(problem: Problem, name: Step): string {
  switch (problem.fault) {
    case "offline":
      return say("act.offline");
    case "busy":
      return say("act.busyServer");
    case "forbidden":
      return say("act.forbidden");
    case "gone":
      return say("act.gone");
    case "unknown":
      return say("login.over");
    case "broken":
      return say("act.broken", { why: problem.detail });
    case "wrong":
      return say("act.wrong", { why: problem.detail });
    case "refused": {
      const holder = problem.accepted ?? null;
      if (name === "accept" && holder !== null) {
        const person = holder.name ?? "";
        const station = stationName(holder.station, holder.station_name);
        const who = person === "" ? station : `${station} · ${person}`;
        return say("act.first", { who, t: clockText((clock.now() - Date.parse(holder.at)) / 1000) });
      }
      return say("act.refused", { state: word("state", problem.state), why: problem.detail });
    }
  }
}
