/** Forms that show one's password again: what the server said, beside the field it is about. */

import { type Ref, ref } from "vue";

import { write } from "../api/http";
import type { Problem } from "../api/problem";
import { say } from "../words";

export interface Asking {
  busy: Ref<boolean>;
  /** What was wrong, by the field's name. */
  wrong: Ref<Record<string, string>>;
  said: Ref<string>;
  good: Ref<boolean>;
  /** Sends it; null where it went wrong, and then it is told. */
  send: (path: string, body: unknown, words: (problem: Problem) => string | null) => Promise<{ body: unknown } | null>;
}

/** One form. A wrong password is never sent again by itself: it would count twice. */
export function asking(): Asking {
  const busy = ref(false);
  const wrong = ref<Record<string, string>>({});
  const said = ref("");
  const good = ref(true);
  async function send(path: string, body: unknown, words: (problem: Problem) => string | null): Promise<{ body: unknown } | null> {
    if (busy.value) return null;
    busy.value = true;
    wrong.value = {};
    said.value = "";
    const answer = await write<unknown>(path, body, { patienceMs: 0 });
    busy.value = false;
    good.value = answer.ok;
    if (answer.ok) return { body: answer.body };
    const { problem } = answer;
    const field = problem.field ?? "";
    if (field === "password") wrong.value = { password: say("people.own.passwordWrong") };
    else if (problem.fault === "busy" && problem.status === 429) said.value = say("people.own.slow", { n: Math.ceil(problem.retryAfter ?? 5) });
    else {
      const told = words(problem);
      if (told !== null && field !== "") wrong.value = { [field]: told };
      else said.value = say("people.own.notDone", { why: told ?? say(`register.why.${problem.fault}`) });
    }
    return null;
  }
  return { busy, wrong, said, good, send };
}

/** Why a new password was not taken; null where it was something else. */
export function passwordWords(problem: Problem): string | null {
  if (problem.field !== "new") return null;
  if (problem.detail.includes("old one")) return say("people.own.passwordSame");
  return say(problem.detail.includes("characters") ? "people.own.passwordShort" : "people.own.passwordWeak");
}
