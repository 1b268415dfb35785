// One call as a card. Everything goes in as text, never as HTML: a name may be anything.

import { say, sayCode, sayReason } from "./words.js";

export function element(name, options = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(options)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "data") Object.assign(made.dataset, value);
    else if (key === "text") made.textContent = value;
    else if (key === "class") made.className = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return made;
}

const SIGNS = { received: "◌", accepted: "✓", en_route: "➜", on_scene: "⌂", closed: "■" };

// Which steps can be taken now, the likeliest first. The server has the last word.
export function actionsOf(call, me) {
  const offered = call.dispatches.some((one) => one.station === me.station && one.state === "offered");
  const held = call.accepted;
  const mine = !me.ownStation || (held && held.station === me.ownStation);
  const spoke = ["spoke-answered", "spoke-no-answer"];
  switch (call.state) {
    case "received": return ["accept", ...spoke, ...(me.station && offered ? ["decline"] : []), "transfer", "note"];
    case "accepted": return mine ? ["en-route", "on-scene", ...spoke, "close", "release", "transfer", "note"] : takeOver(offered, spoke);
    case "en_route": return mine ? ["on-scene", ...spoke, "close", "release", "transfer", "note"] : takeOver(offered, spoke);
    case "on_scene": return mine ? ["close", ...spoke, "release", "transfer", "note"] : takeOver(offered, spoke);
    default: return ["note"];
  }
}

function takeOver(offered, spoke) {
  return offered ? ["accept", "decline", ...spoke, "note"] : [...spoke, "note"];
}

export function card(call, me, stations, previous) {
  const name = (id) => stations.get(id)?.name || id;
  const open = previous?.querySelector("details")?.open;
  const made = element(
    "article",
    { class: "card", tabindex: "-1", data: { call: call.id, state: call.state, key: call.key }, "aria-labelledby": `who-${call.id}` },
    element(
      "div",
      { class: "line" },
      element("span", { class: "state" }, element("span", { "aria-hidden": "true", text: `${SIGNS[call.state] || ""} ` }), sayCode("state", call.state)),
      call.kind !== "press" ? element("span", { class: "tag", text: sayCode("kind", call.kind) }) : null,
      call.presses > 1 ? element("span", { class: "tag strong", text: say("presses", { n: call.presses }) }) : null,
      element("span", { class: "age" }, `${say("since")} `, element("time", { datetime: call.opened_at, data: { since: call.opened_at } })),
    ),
    person(call),
    call.cancel_requested ? element("p", { class: "warn" }, "⚠ ", say("cancel")) : null,
    call.deadline
      ? element("p", { class: "due" }, element("span", { text: sayCode("due", call.deadline.kind) }), " ", element("time", { datetime: call.deadline.at, data: { due: call.deadline.at } }))
      : null,
    call.accepted
      ? element("p", { class: "holder" }, `${say("holder")}: `, element("strong", { text: name(call.accepted.station) || say("desk") }), call.accepted.name ? ` · ${call.accepted.name}` : "")
      : null,
    call.spoke ? element("p", { class: "spoke", text: sayCode("spoke", call.spoke.result) }) : null,
    dispatches(call, name),
    passedOver(call, name, open),
    element("div", { class: "steps", role: "group" }, ...actionsOf(call, me).map((action, place) =>
      element("button", { type: "button", class: place === 0 ? "main" : "", data: { action }, text: say(`do_${action}`) }))),
    element("p", { class: "answer", role: "status" }),
  );
  return made;
}

function person(call) {
  const who = call.resident || call.caller;
  const lines = element("div", { class: "who" });
  const name = who?.name || (who?.id ? `${who.id}` : say("unknown_person"));
  lines.append(element("h3", { id: `who-${call.id}`, text: name }));
  if (who?.address) lines.append(element("p", { class: "address", text: who.address }));
  else if (call.area) lines.append(element("p", { class: "address", text: call.area }));
  if (who?.phone) lines.append(element("p", {}, telephone(who.phone)));
  if (who?.notes) lines.append(element("p", { class: "notes", text: who.notes }));
  for (const contact of who?.contacts || []) {
    if (!contact.phone) continue;
    lines.append(element("p", { class: "contact" }, `${contact.name || ""} ${contact.relation ? `(${sayCode("relation", contact.relation)}) ` : ""}`, telephone(contact.phone)));
  }
  return lines;
}

function telephone(number) {
  const plain = String(number).replace(/[^\d+*#]/g, "");
  return element("a", { class: "phone", href: `tel:${plain}` }, element("span", { "aria-hidden": "true", text: "☎ " }), String(number));
}

function minutes(seconds) {
  return seconds === null || seconds === undefined ? "" : say("minutes", { n: Math.max(1, Math.round(seconds / 60)) });
}

function dispatches(call, name) {
  if (!call.dispatches.length) return null;
  return element("ul", { class: "asked", "aria-label": say("asked") }, ...call.dispatches.map((one) => {
    const facts = [minutes(one.travel_seconds), sayReason(one.reason), one.offers > 1 ? say("times", { n: one.offers }) : ""];
    return element(
      "li",
      { data: { offer: one.state } },
      element("strong", { text: one.station ? name(one.station) : one.person }),
      ` ${sayCode("offer", one.state)}`,
      element("span", { class: "facts", text: facts.filter(Boolean).join(" · ") }),
    );
  }));
}

function passedOver(call, name, open) {
  if (!call.passed_over.length) return null;
  return element(
    "details",
    { open },
    element("summary", { text: `${say("passed")} (${call.passed_over.length})` }),
    element("ul", {}, ...call.passed_over.map((one) => element("li", { text: `${name(one.station)}: ${sayReason(one.reason)}` }))),
  );
}

// 75 s -> "1:15"; an hour and more -> "1:02:03".
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const rest = `${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
  return hours ? `${hours}:${rest}` : rest.replace(/^0(\d)/, "$1");
}
