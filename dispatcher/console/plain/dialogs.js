// What a step needs to be told before it is taken, asked in one small dialog. Gives the body, or null: thought better of.

import { element } from "./card.js";
import { say, sayCode } from "./words.js";

const OUTCOMES = ["helped", "hospital", "false_alarm", "service_done", "no_contact", "duplicate", "test", "other"];
const EVIDENCE = ["spoke_to_resident", "on_site", "relative_confirmed"];

export const ASKED = {
  decline: (_call, _stations) => [text("reason", "ask_reason", false)],
  release: () => [text("reason", "ask_reason", false)],
  note: () => [text("text", "ask_note", true)],
  transfer: (call, stations) => [choice("station", "ask_station", [...stations.values()]
    .filter((one) => one.id !== call.accepted?.station)
    .map((one) => [one.id, one.name || one.id]), true)],
  close: (call) => {
    const emergency = call.key === "emergency" && !call.test;
    const outcome = choice("outcome", "ask_outcome", OUTCOMES.map((code) => [code, sayCode("outcome", code)]), true);
    const evidence = choice("evidence", "ask_evidence", EVIDENCE.map((code) => [code, sayCode("evidence", code)]), emergency);
    const of = line("of", "ask_of");
    const settle = () => {
      const chosen = outcome.querySelector("select").value;
      const duplicate = chosen === "duplicate";
      of.hidden = !duplicate;
      of.querySelector("input").required = duplicate;
      const select = evidence.querySelector("select");
      select.required = emergency || chosen === "no_contact";
      for (const option of select.options) option.disabled = chosen === "no_contact" && option.value !== "on_site" && option.value !== "";
      if (select.selectedOptions[0]?.disabled) select.value = "";
    };
    outcome.addEventListener("change", settle);
    settle();
    return [outcome, evidence, of, text("note", "ask_note", false)];
  },
};

function field(name, word, input) {
  input.id = `ask-${name}`;
  input.name = name;
  return element("div", { class: "field" }, element("label", { for: input.id, text: say(word) }), input);
}

function text(name, word, required) {
  return field(name, word, element("textarea", { rows: "3", maxlength: "4000", required }));
}

function line(name, word) {
  return field(name, word, element("input", { maxlength: "128", autocomplete: "off", spellcheck: "false" }));
}

function choice(name, word, pairs, required) {
  const first = element("option", { value: "", text: required ? say("choose") : say("none") });
  return field(name, word, element("select", { required }, first, ...pairs.map(([value, shown]) => element("option", { value, text: shown }))));
}

export function ask(action, call, stations) {
  const fields = ASKED[action](call, stations);
  const dialog = document.getElementById("dialog");
  const form = element(
    "form",
    { method: "dialog" },
    element("h2", { text: say(`do_${action}`) }),
    ...fields,
    element("div", { class: "steps" },
      element("button", { type: "submit", class: "main", value: "ok", data: { confirm: action }, text: say("ok") }),
      element("button", { type: "submit", value: "", formnovalidate: true, text: say("back") })),
  );
  dialog.setAttribute("aria-label", say(`do_${action}`));
  dialog.replaceChildren(form);
  dialog.returnValue = "";
  dialog.showModal();
  form.querySelector("select, textarea, input").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "ok") { resolve(null); return; }
      const body = {};
      for (const [name, value] of new FormData(form)) if (value.trim()) body[name] = value.trim();
      resolve(body);
    }, { once: true });
  });
}
