/** Somebody else goes on at this computer: calls, sound and stream do not notice. */

import { ref } from "vue";

import { write, writesUnderWay } from "../api/http";
import type { Problem } from "../api/problem";
import { loginByPin, whoAmI } from "../api/session";
import type { Me } from "../api/shapes";
import { onShift, shiftSaid } from "../console/shift";
import { say } from "../words";

/** Whom the other tabs of this browser hear of: they have the same cookie. */
const CHANNEL = "yijian.person";

/** Told once to a person, and spoken: who goes on here. */
export const changeSaid = ref("");

export interface Colleague {
  id: string;
  name: string;
}

/** What a change of person does to this page; the console says it. */
let become: (me: Me) => void = () => undefined;
const channel = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(CHANNEL);

/** `listener` is told who it is from now on, also where another tab changed it. Gives what ends it. */
export function whenChanged(listener: (me: Me) => void): () => void {
  become = listener;
  const heard = (): void => {
    void whoAmI().then((answer) => { if (answer.ok) become(answer.body); });
  };
  channel?.addEventListener("message", heard);
  return () => {
    become = () => undefined;
    channel?.removeEventListener("message", heard);
  };
}

/** Whether everything that this page shows is in the sight of both. */
export function sameSight(one: Me, other: Me): boolean {
  return one.role === other.role && one.station === other.station && one.area === other.area && one.district.code === other.district.code;
}

/** Null: done. Otherwise what is in the way, `waits` where a step of the one before is still on its way. */
export async function change(to: Colleague, pin: string): Promise<Problem | "waits" | null> {
  if (writesUnderWay() > 0) return "waits";
  const answer = await loginByPin({ login: to.id, pin });
  if (!answer.ok) return answer.problem;
  become(answer.body);
  channel?.postMessage("changed");
  const who = answer.body.name === "" ? to.name : answer.body.name;
  if (!onShift.value) {
    changeSaid.value = say("people.change.done", { who });
    return null;
  }
  // The page is on duty, and so is whoever sits before it. Who leaves says so themselves: a station is never without.
  const duty = await write<unknown>(`/staff/${encodeURIComponent(answer.body.staff)}/duty`, { on: true });
  changeSaid.value = say(duty.ok ? "people.change.doneDuty" : "people.change.doneNoDuty", { who });
  shiftSaid.value = changeSaid.value;
  return null;
}
