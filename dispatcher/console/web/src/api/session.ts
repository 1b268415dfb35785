/**
 * Who we are to the server: the only file that knows about passwords, cookies and tokens.
 *
 * With a password the server keeps the session and the browser its cookie, which no script can read. An API token (the
 * demo's, or one made with `yijian token create`) is kept in this tab alone. A token never goes into an address.
 */

import { clock } from "./clock";
import { OFFLINE, type Answer, problemOf } from "./problem";
import type { Me, Role } from "./shapes";

const BASE = "/api/v1";
const KEPT = "yijian.token";
const LOGIN_MS = 15_000;

let token = "";

/** Headers of every request. `writes`: no other site can make a browser send this one, so a write is surely ours. */
export function credentials(writes: boolean): Record<string, string> {
  return {
    ...(token === "" ? {} : { Authorization: `Bearer ${token}` }),
    ...(writes ? { "X-Yijian": "console" } : {}),
  };
}

export interface Login {
  login: string;
  password: string;
  totp?: string;
}

interface MeBody {
  id: string;
  name?: string;
  role: Role;
  area: string | null;
  station: string | null;
  staff?: string;
  session?: string;
  start?: boolean;
  district?: Me["district"];
}

/** Whoever the server takes us for now. */
export async function whoAmI(): Promise<Answer<Me>> {
  const answer = await asked<MeBody>("/me", { headers: credentials(false) });
  return answer.ok ? { ...answer, body: known(answer.body) } : answer;
}

function known(body: MeBody): Me {
  return {
    id: body.id,
    name: body.name ?? "",
    role: body.role,
    station: body.station ?? "",
    area: body.area ?? "",
    staff: body.staff ?? "",
    session: body.session ?? "",
    start: body.start === true,
    district: body.district ?? { code: "", name: "", timezone: "Asia/Shanghai" },
  };
}

/** Come in as before: by the cookie, by the token of this tab, or as the demo's visitor. */
export async function resume(): Promise<Answer<Me>> {
  token = kept();
  const answer = await whoAmI();
  if (answer.ok || answer.problem.fault !== "unknown") return answer;
  keep("");
  const given = await demoToken();
  if (given === "") return answer;
  keep(given);
  return whoAmI();
}

/** Come in with a login and a password; with a token instead, where no login is named. */
export async function login(given: Login): Promise<Answer<Me>> {
  if (given.login === "") {
    keep(given.password);
    const answer = await whoAmI();
    if (!answer.ok) keep("");
    return answer;
  }
  keep("");
  const answer = await asked<{ user: MeBody }>("/login", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...credentials(true) },
    body: JSON.stringify(given),
  });
  return answer.ok ? whoAmI() : answer;
}

/** A colleague of the same station takes this PC over. Where no answer came back, whoever the server takes us for now. */
export async function loginByPin(given: { login: string; pin: string }): Promise<Answer<Me>> {
  const answer = await asked<{ user: MeBody }>("/login/pin", {
    method: "POST",
    headers: { "Content-Type": "application/json", ...credentials(true) },
    body: JSON.stringify(given),
  });
  if (answer.ok) return whoAmI();
  if (answer.problem.fault !== "offline") return answer;
  const now = await whoAmI();
  return now.ok && now.body.staff === given.login ? now : answer;
}

/** Go. The server forgets the session; where it cannot be reached, this tab does all the same. */
export async function logout(): Promise<void> {
  const headers = credentials(true);
  keep("");
  try {
    await fetch(`${BASE}/logout`, { method: "POST", headers, cache: "no-store", signal: AbortSignal.timeout(LOGIN_MS) });
  } catch {
    // The session ends by itself.
  }
}

/** Where the demo's text messages can be read; empty outside of a demo. */
export let demoMessages = "";

async function demoToken(): Promise<string> {
  try {
    const response = await fetch("/demo-login", { cache: "no-store", signal: AbortSignal.timeout(LOGIN_MS) });
    if (!response.ok) return "";
    const given = (await response.json()) as { token?: string; messages?: string };
    demoMessages = given.messages ?? "";
    return given.token ?? "";
  } catch {
    return "";
  }
}

async function asked<T>(path: string, init: RequestInit): Promise<Answer<T>> {
  const sent = Date.now();
  try {
    const response = await fetch(BASE + path, { cache: "no-store", ...init, signal: AbortSignal.timeout(LOGIN_MS) });
    clock.heard(response.headers.get("Date"), sent, Date.now());
    if (!response.ok) return { ok: false, problem: await problemOf(response) };
    return { ok: true, status: response.status, body: (await response.json()) as T };
  } catch {
    return { ok: false, problem: OFFLINE };
  }
}

function kept(): string {
  try {
    return sessionStorage.getItem(KEPT) ?? "";
  } catch {
    return "";
  }
}

function keep(given: string): void {
  token = given;
  try {
    if (given === "") sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, given);
  } catch {
    // Storage may be forbidden: then it is asked for again after a reload.
  }
}
