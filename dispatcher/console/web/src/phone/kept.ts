/**
 * Steps taken on a phone, kept until the server has them. A step is put down first, then sent; without a network it waits
 * here, over a reload too, and goes out later with the time at which it was really done.
 *
 *     pressed, network there     sent as it is; a refusal ("another was first") is told at once
 *     pressed, no network        kept; sent later with `at`: what no longer fits by then becomes a note
 *     sent, no answer            nobody knows: sent again with `at` and the same key. If the server says that it has
 *                                that key already (422), the first one had arrived: it is asked once more for its outcome
 */

import type { Answer, Problem } from "../api/problem";
import type { Call } from "../api/shapes";
import type { Step, StepBody } from "../api/steps";

export interface KeptStep {
  key: string;
  call: string;
  step: Step;
  body: StepBody;
  /** When it was really done, the server's clock, milliseconds. */
  doneMs: number;
  /** It did not go out when it was done. */
  late: boolean;
}

export interface Fate {
  step: KeptStep;
  /** `sent`; `noted`: it no longer fitted and was kept as a note; `dropped`: the server would not have it. */
  fate: "sent" | "noted" | "dropped";
  answer: Answer<Call>;
}

export type Sender = (step: KeptStep, body: StepBody) => Promise<Answer<Call>>;

/** More than anybody does in one outage; the oldest are then told as given up. */
const KEPT_MAX = 100;
const PLACE = "yijian.kept-steps";

export interface Shelf {
  getItem(name: string): string | null;
  setItem(name: string, value: string): void;
}

export class KeptSteps {
  private steps: KeptStep[];
  private sending: Promise<Fate[]> | null = null;

  constructor(
    private readonly shelf: Shelf,
    private readonly changed: (steps: readonly KeptStep[]) => void,
  ) {
    this.steps = this.read();
    changed(this.steps);
  }

  get all(): readonly KeptStep[] {
    return this.steps;
  }

  /** False: there is no more room, or the phone lets us keep nothing. Then it must be said, not swallowed. */
  add(step: KeptStep): boolean {
    if (this.steps.length >= KEPT_MAX) return false;
    return this.save([...this.steps, step]);
  }

  drop(key: string): void {
    this.save(this.steps.filter((step) => step.key !== key));
  }

  /** Send what is kept, in the order it was done, until one does not go out. One run at a time. */
  flush(send: Sender): Promise<Fate[]> {
    this.sending ??= this.run(send).finally(() => { this.sending = null; });
    return this.sending;
  }

  private async run(send: Sender): Promise<Fate[]> {
    const fates: Fate[] = [];
    for (;;) {
      const next = this.steps[0];
      if (next === undefined) return fates;
      const answer = await this.one(next, send);
      if (!answer.ok && waits(answer.problem)) {
        this.save(this.steps.map((step) => ({ ...step, late: true })));
        return fates;
      }
      this.drop(next.key);
      fates.push({ step: next, fate: !answer.ok ? "dropped" : took(answer.body, next) ? "sent" : "noted", answer });
    }
  }

  private async one(step: KeptStep, send: Sender): Promise<Answer<Call>> {
    if (!step.late) return send(step, step.body);
    const answer = await send(step, { ...step.body, at: new Date(step.doneMs).toISOString() });
    if (!answer.ok && answer.problem.status === 422 && answer.problem.field === "Idempotency-Key") return send(step, step.body);
    return answer;
  }

  /** What is found here after a reload did not go out when it was done. */
  private read(): KeptStep[] {
    try {
      const found: unknown = JSON.parse(this.shelf.getItem(PLACE) ?? "[]");
      return Array.isArray(found) ? (found as KeptStep[]).filter((one) => typeof one.key === "string" && typeof one.call === "string").map((one) => ({ ...one, late: true })) : [];
    } catch {
      return [];
    }
  }

  private save(steps: KeptStep[]): boolean {
    this.steps = steps;
    this.changed(steps);
    try {
      this.shelf.setItem(PLACE, JSON.stringify(steps));
      return true;
    } catch {
      return false;
    }
  }
}

function waits(problem: Problem): boolean {
  return problem.fault === "offline" || problem.fault === "busy" || problem.fault === "unknown" || problem.fault === "broken";
}

/** Whether the call shows the step; if not, it was kept as a note. */
function took(call: Call, step: KeptStep): boolean {
  if (!step.late) return true;
  switch (step.step) {
    case "accept":
      return call.accepted !== null;
    case "en-route":
      return call.en_route !== null;
    case "on-scene":
      return call.on_scene !== null;
    case "close":
      return call.closed !== null;
    default:
      return true;
  }
}

/** The call as it will be once what is kept has gone out: what the next button should be. */
export function withKept(call: Call, steps: readonly KeptStep[], by: { id: string; station: string }): Call {
  let now = call;
  for (const { step, doneMs, body } of steps.filter((one) => one.call === call.id)) {
    const done = { by: by.id, at: new Date(doneMs).toISOString() };
    if (step === "accept") now = { ...now, state: "accepted", accepted: { ...done, station: by.station } };
    else if (step === "en-route" && now.state === "accepted") now = { ...now, state: "en_route", en_route: done };
    else if (step === "on-scene" && now.state !== "closed") now = { ...now, state: "on_scene", on_scene: { ...done, proof: body.proof ?? "manual" } };
    else if (step === "close" && body.outcome !== undefined) now = { ...now, state: "closed", closed: { ...done, outcome: body.outcome, evidence: body.evidence ?? null, note: body.note ?? null, of: body.of ?? null } };
    else if (step === "release") now = { ...now, state: "received", accepted: null, en_route: null, on_scene: null };
  }
  return now;
}
