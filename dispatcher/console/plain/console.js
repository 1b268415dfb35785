// The small console: every open call, live. One store of calls, one stream that feeds it, cards painted once a frame.

import { actionsOf, card, clock } from "./card.js";
import { ASKED, ask } from "./dialogs.js";
import { follow } from "./stream.js";
import { say, sayCode, setLanguage, startLanguage, switchLanguage } from "./words.js";

const API = "/api/v1";
const KEPT = "yijian.token";
const CLOSED_SHOWN_MS = 8000;
const CLOSED_KEPT = 5000;

const $ = (id) => document.getElementById(id);
const calls = new Map(); // id -> call, open ones and those just closed
const closed = new Map(); // id -> seq of calls that are over for us, so that an older list does not bring them back
const shown = new Map(); // id -> {card, seq, presses}
const seen = new Set(); // `id/presses` reported as seen
const stations = new Map();
let me = null;
let token = "";
let ahead = 0; // how many ms the server's clock is ahead of ours
let running = null;
let frame = 0;

async function api(path, options = {}) {
  const headers = { Authorization: `Bearer ${token}`, ...(options.body ? { "Content-Type": "application/json" } : {}), ...options.headers };
  const response = await fetch(API + path, { cache: "no-store", ...options, headers });
  const body = response.status === 204 ? null : await response.json();
  return { status: response.status, ok: response.ok, body };
}

async function everything(path) {
  const items = [];
  let cursor = "";
  do {
    const { ok, body } = await api(`${path}${path.includes("?") ? "&" : "?"}limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    if (!ok) throw new Error(body?.detail || "");
    items.push(...body.items);
    cursor = body.next;
  } while (cursor);
  return items;
}

// ── coming in ────────────────────────────────────────────────────────────────────────────────────────────────────────

async function enter(given) {
  token = given;
  const sent = Date.now();
  const answer = await api("/me");
  if (!answer.ok) throw new Error(answer.status === 401 ? say("login_wrong") : answer.body?.detail || "");
  me = answer.body;
  me.ownStation = me.role === "station" ? me.station : "";
  ahead = Date.parse(me.now) - (sent + Date.now()) / 2;
  try { sessionStorage.setItem(KEPT, token); } catch { /* then it is asked for again after a reload */ }
  $("login").hidden = true;
  $("calls").hidden = false;
  $("leave").hidden = false;
  $("where").textContent = [me.district.name || me.district.code, me.station || me.area, me.staff || me.id].filter(Boolean).join(" · ");
  running = new AbortController();
  void follow({
    token,
    stopped: running.signal,
    onOpen: async (anew) => { if (anew) await reload(); link("on"); },
    onReset: reload,
    onEvent: (_name, event) => { if (event.state) take(event.state); },
    onLost: () => link("off"),
    onRefused: () => void again(),
  });
  link("wait");
}

// Nobody knows the token any more. A demo that was started anew has a new one, and hands it out.
async function again() {
  leave(say("login_wrong"));
  const given = await demoToken();
  if (given) await enter(given).catch((error) => leave(error.message));
}

async function demoToken() {
  const answer = await fetch("/demo-login", { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return "";
  const { token: given, messages } = await answer.json();
  if (messages) {
    $("demo-messages").href = messages;
    $("demo-messages").hidden = false;
  }
  return given;
}

function leave(why = "") {
  running?.abort();
  try { sessionStorage.removeItem(KEPT); } catch { /* nothing is kept there */ }
  token = "";
  me = null;
  calls.clear(); closed.clear(); seen.clear(); stations.clear();
  for (const { card: made } of shown.values()) made.remove();
  shown.clear();
  $("login").hidden = false;
  $("calls").hidden = true;
  $("leave").hidden = true;
  $("where").textContent = "";
  $("banner").hidden = true;
  $("link").textContent = "";
  $("login-wrong").textContent = why;
  $("token").value = "";
  $("token").focus();
}

async function reload() {
  if (me.role !== "volunteer") for (const one of await everything("/stations")) stations.set(one.id, one);
  const listed = await everything("/calls?state=open");
  const present = new Set(listed.map((call) => call.id));
  for (const [id, call] of calls) if (!present.has(id) && call.state !== "closed") calls.delete(id);
  for (const call of listed) take(call);
  paintSoon();
}

function link(state) {
  const place = $("link");
  place.dataset.link = state;
  place.textContent = say(`link_${state}`);
  const off = Math.abs(ahead) > 30_000;
  const banner = state === "off" ? say("banner_off") : off ? say("banner_clock", { n: Math.round(Math.abs(ahead) / 1000) }) : "";
  $("banner").textContent = banner;
  $("banner").hidden = !banner;
}

// ── the calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

function take(call) {
  const before = calls.get(call.id);
  if (before && before.seq > call.seq) return;
  if ((closed.get(call.id) ?? -1) > call.seq) return;
  if (call.state === "closed") {
    closed.set(call.id, call.seq);
    if (closed.size > CLOSED_KEPT) closed.delete(closed.keys().next().value);
    if (!before) return;
    setTimeout(() => { if (calls.get(call.id)?.state === "closed") { calls.delete(call.id); paintSoon(); } }, CLOSED_SHOWN_MS);
  }
  calls.set(call.id, call);
  paintSoon();
}

function paintSoon() {
  frame ||= requestAnimationFrame(() => { frame = 0; paint(); });
}

const laneOf = (call) => (call.test ? "test" : call.key);

function paint() {
  const lanes = new Map([...document.querySelectorAll("[data-lane]")].map((lane) => [lane.dataset.lane, []]));
  for (const call of calls.values()) (lanes.get(laneOf(call)) || lanes.get("emergency")).push(call);
  for (const [id, one] of shown) if (!calls.has(id)) { one.card.remove(); shown.delete(id); }
  let waiting = 0;
  for (const lane of document.querySelectorAll("[data-lane]")) {
    const inside = lanes.get(lane.dataset.lane).sort((a, b) => (a.opened_at < b.opened_at ? -1 : a.opened_at > b.opened_at ? 1 : a.id < b.id ? -1 : 1));
    const cards = lane.querySelector(".cards");
    inside.forEach((call, place) => {
      const made = painted(call);
      if (cards.children[place] !== made) cards.insertBefore(made, cards.children[place] || null);
    });
    const open = inside.filter((call) => call.state !== "closed").length;
    if (lane.dataset.lane === "emergency") waiting = inside.filter((call) => call.state === "received").length;
    lane.querySelector(".count").textContent = open ? String(open) : "";
    lane.hidden = !inside.length;
  }
  $("empty").hidden = calls.size > 0;
  document.title = `${waiting ? `(${waiting}) ` : ""}一键 Yijian`;
  tick();
}

function painted(call) {
  const before = shown.get(call.id);
  if (before && before.seq === call.seq) return before.card;
  const focused = before?.card.contains(document.activeElement) ? document.activeElement.dataset.action || "" : null;
  const made = card(call, me, stations, before?.card);
  if (before) {
    made.querySelector(".answer").textContent = before.card.querySelector(".answer").textContent;
    if (call.presses > before.presses) made.dataset.again = say("again");
    watcher.unobserve(before.card);
    before.card.replaceWith(made);
    if (focused !== null) (made.querySelector(`[data-action="${focused}"]`) || made).focus({ preventScroll: true });
  }
  watcher.observe(made);
  shown.set(call.id, { card: made, seq: call.seq, presses: call.presses });
  return made;
}

function tick() {
  const now = Date.now() + ahead;
  for (const place of document.querySelectorAll("time[data-due]")) {
    const left = (Date.parse(place.dataset.due) - now) / 1000;
    place.textContent = left >= 0 ? clock(left) : `${say("overdue")} ${clock(-left)}`;
    place.classList.toggle("late", left < 0);
    place.classList.toggle("soon", left >= 0 && left < 15);
  }
  for (const place of document.querySelectorAll("time[data-since]")) place.textContent = clock((now - Date.parse(place.dataset.since)) / 1000);
}

// ── seen: painted, in view, on a visible page, and ours to answer ────────────────────────────────────────────────────

const inView = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) inView.add(entry.target);
    else inView.delete(entry.target);
  }
  reportSeen();
}, { threshold: 0.4 });

function ours(call) {
  const desk = (id) => stations.get(id)?.kind === "district_desk";
  const is = (id) => Boolean(id) && (me.station ? id === me.station : desk(id));
  return is(call.accepted?.station) || call.dispatches.some((one) => one.state === "offered" && is(one.station));
}

function reportSeen() {
  if (document.visibilityState !== "visible" || !me) return;
  for (const made of inView) {
    if (!made.isConnected) { inView.delete(made); continue; }
    const call = calls.get(made.dataset.call);
    if (!call || call.state === "closed" || !ours(call)) continue;
    const mark = `${call.id}/${call.presses}/${call.accepted?.at || ""}`;
    if (seen.has(mark)) continue;
    if (seen.size > CLOSED_KEPT) seen.clear();
    seen.add(mark);
    void step(call, "seen", {}, null).then((done) => { if (!done) seen.delete(mark); });
  }
}

// ── the steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

const BODIES = {
  "spoke-answered": { path: "spoke", body: { result: "answered" } },
  "spoke-no-answer": { path: "spoke", body: { result: "no_answer" } },
  "on-scene": { path: "on-scene", body: { proof: "manual" } },
};

async function act(call, action) {
  let { path = action, body = {} } = BODIES[action] || {};
  if (ASKED[action]) {
    body = await ask(action, call, stations);
    if (body === null) return;
  }
  const place = () => shown.get(call.id)?.card.querySelector(".answer");
  const tell = (words) => { const at = place(); if (at) at.textContent = words; $("said").textContent = words; };
  if (await step(call, path, body, tell)) tell(say("done", { step: say(`do_${action}`) }));
}

// One step, one key: asked again with the same key until it is decided, so that it is never done twice.
async function step(call, path, body, tell) {
  const key = randomKey();
  for (let attempt = 0; attempt < 6; attempt += 1) {
    let answer;
    try {
      answer = await api(`/calls/${encodeURIComponent(call.id)}/${path}`, { method: "POST", body: JSON.stringify(body), headers: { "Idempotency-Key": key } });
    } catch {
      if (attempt >= 2) { tell?.(say("not_sent")); return false; }
      await pause(700);
      continue;
    }
    if (answer.ok) { take(answer.body); return true; }
    if (answer.status === 503) { tell?.(say("later")); await pause(1000); continue; }
    if (answer.status === 401) { leave(say("login_wrong")); return false; }
    const { state, detail: why } = answer.body;
    tell?.(state ? say("refused_now", { state: sayCode("state", state), why }) : say("refused", { why }));
    return false;
  }
  tell?.(say("not_sent"));
  return false;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// crypto.randomUUID exists on secure origins only; a console on a plain-HTTP intranet is none.
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// ── wiring ───────────────────────────────────────────────────────────────────────────────────────────────────────────

$("calls").addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  const call = button && calls.get(button.closest("[data-call]").dataset.call);
  if (!call || !actionsOf(call, me).includes(button.dataset.action)) return;
  button.disabled = true;
  void act(call, button.dataset.action).finally(() => { button.disabled = false; });
});

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  $("login-wrong").textContent = "";
  enter($("token").value.trim()).catch((error) => { $("login-wrong").textContent = error.message || say("not_sent"); });
});

$("leave").addEventListener("click", () => leave());

$("language").addEventListener("click", () => {
  switchLanguage();
  $("language").textContent = say("language");
  for (const [id, one] of shown) shown.set(id, { ...one, seq: -1 });
  if (me) { link($("link").dataset.link); paint(); }
});

document.addEventListener("visibilitychange", reportSeen);
setInterval(() => { if (me) tick(); }, 1000);

async function start() {
  startLanguage();
  $("language").textContent = say("language");
  let kept = "";
  try { kept = sessionStorage.getItem(KEPT) || ""; } catch { /* storage may be forbidden */ }
  for (const given of [kept, await demoToken()]) {
    try {
      if (given) { await enter(given); return; }
    } catch { /* a token of yesterday: try the next, then ask */ }
  }
  leave();
}

setLanguage("zh");
void start();
