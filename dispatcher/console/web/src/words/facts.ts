/** Every fact of a call's journal, in words. */

import type { Call, Fact } from "../api/shapes";
import { say, word } from "./index";
import { nameIn, personName, reasonText, stationName, whoDid } from "./names";
import { timeOf } from "./times";

/** `main`: what a person looks for first; the others are there when the whole ledger is opened. */
export interface FactWords {
  text: string;
  /** What somebody wrote, or why. */
  more: string;
  main: boolean;
}

interface AskedOne {
  to: string;
  reason: string;
  person?: boolean;
}

const text = (fact: Fact, name: string): string => {
  const value = fact[name];
  return typeof value === "string" ? value : "";
};
const count = (fact: Fact, name: string): number => {
  const value = fact[name];
  return typeof value === "number" ? value : 0;
};

export function factWords(fact: Fact, call: Call | null): FactWords {
  const words = said(fact, call);
  const happened = text(fact, "happened_at");
  const notes = [words.more, text(fact, "note"), happened === "" ? "" : say("facts.happened", { t: timeOf(happened) })];
  return { ...words, more: notes.filter((one) => one !== "").join(" · ") };
}

function said(fact: Fact, call: Call | null): FactWords {
  const who = whoDid(text(fact, "by") || fact.cause.by);
  const station = stationName(text(fact, "station"), nameIn(call, text(fact, "station")));
  const main = (words: string, more = ""): FactWords => ({ text: words, more, main: true });
  const aside = (words: string, more = ""): FactWords => ({ text: words, more, main: false });
  switch (fact.fact) {
    case "call.opened":
      return main(text(fact, "kind") === "manual" ? say("facts.openedByHand", { who }) : say("facts.opened", { kind: word("kind", text(fact, "kind")) }));
    case "call.joined":
      return main(say("facts.joined"));
    case "call.cancel_requested":
      return main(say("facts.cancel"));
    case "call.dispatched":
      return dispatched(fact, call);
    case "call.escalated":
      return main(count(fact, "repeat") > 0
        ? say("facts.repeated", { n: count(fact, "repeat") })
        : say(`facts.escalated.${text(fact, "because") || "time"}`, { n: count(fact, "step") + 1 }));
    case "call.skipped":
      return aside(say("facts.skipped", { n: count(fact, "step") + 1 }), reasonText(text(fact, "reason")));
    case "call.accepted":
      return main(say("facts.accepted", { who, station }));
    case "call.declined":
      return main(say("facts.declined", { station }));
    case "call.lapsed":
      return main(say(`facts.lapsed.${text(fact, "because")}`, { station }));
    case "call.spoke":
      return main(say(text(fact, "result") === "answered" ? "facts.spokeAnswered" : "facts.spokeNoAnswer", { who }));
    case "call.en_route":
      return main(say("facts.en_route", { who }));
    case "call.on_scene":
      // Somebody may also tell us that they saw the key pressed; the device itself said so only where a signal did.
      if (text(fact, "proof") === "device" && fact.cause.kind !== "command") return main(say("facts.on_scene_device"));
      return main(say("facts.on_scene", { who }), word("arrival", text(fact, "proof")));
    case "call.overdue":
      return main(say(`facts.overdue.${text(fact, "limit")}`));
    case "call.transferred":
      return main(say("facts.transferred", { who, station }));
    case "call.noted":
      return main(text(fact, "step") === "" ? say("facts.noted", { who }) : say("facts.notedStep", { who, step: word("step", stepName(text(fact, "step"))) }));
    case "call.seen":
      return aside(say("facts.seen", { who }));
    case "call.closed":
      return main(text(fact, "outcome") === "test" ? say("facts.closedTest") : say("facts.closed", { who, outcome: word("outcome", text(fact, "outcome")) }),
        word("evidenceOf", text(fact, "evidence")));
    case "call.reopened":
      return main(say("facts.reopened", { who }));
    case "call.followed_up":
      return main(say("facts.followed_up", { who, n: count(fact, "attempt"), result: word("followUpResult", text(fact, "result")) }));
    case "test.passed":
      return main(say("facts.test"));
    case "alert.sent":
    case "alert.delivered":
    case "alert.failed":
      return alert(fact, call);
    case "device.fault":
      return aside(say("facts.fault", { fault: word("fault", text(fact, "fault")) }));
    case "device.restored":
      return aside(say("facts.restored", { fault: word("fault", text(fact, "fault")) }));
    default:
      return aside(fact.fact);
  }
}

/** Facts name steps as commands (`set_out`), buttons as the API does (`en-route`). */
function stepName(tag: string): string {
  const names: Record<string, string> = { set_out: "en-route", en_route: "en-route", arrive: "on-scene", on_scene: "on-scene", helper_arrived: "on-scene", speak: "spoke-answered", spoke: "spoke-answered", see: "seen" };
  return names[tag] ?? tag;
}

function dispatched(fact: Fact, call: Call | null): FactWords {
  const asked = Array.isArray(fact["asked"]) ? (fact["asked"] as AskedOne[]) : [];
  if (asked.length === 0) return { text: say("facts.dispatchedNone"), more: "", main: false };
  const names = asked.map((one) => (one.person === true ? personName(one.to, call) : stationName(one.to, nameIn(call, one.to))));
  const first = asked[0];
  return { text: say("facts.dispatched", { who: names.join(", ") }), more: first === undefined ? "" : reasonText(first.reason), main: true };
}

function alert(fact: Fact, call: Call | null): FactWords {
  const channel = text(fact, "channel");
  const known = ["sms", "webhook", "voice"].includes(channel) ? channel : "other";
  const kind = fact.fact.slice("alert.".length);
  return {
    text: say(`facts.alert.${kind}`, { channel: say(`facts.channel.${known}`), to: channel === "webhook" ? text(fact, "to") : personName(text(fact, "to"), call) }),
    more: "",
    main: kind === "failed",
  };
}
