// Puts what changed into the page, quietly: at most every other second, and not while somebody selects or has a menu open.

const live = document.getElementById("live");
const PAUSE_MS = 2000;
let pending = 0;

async function refresh() {
  pending = 0;
  if (document.hidden || String(getSelection())) return soon();
  const answer = await fetch(location.href, { headers: { "Accept-Language": document.documentElement.lang } }).catch(() => null);
  if (!answer?.ok) return soon();
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
  if (!next || next.innerHTML === live.innerHTML) return;
  const focused = document.activeElement?.closest("#live a")?.getAttribute("href");
  const known = new Set([...live.querySelectorAll("article")].map((one) => one.id));
  for (const one of next.querySelectorAll("article")) if (!known.has(one.id)) one.classList.add("fresh");
  live.replaceChildren(...next.childNodes);
  if (focused) live.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function soon() {
  pending ||= setTimeout(refresh, PAUSE_MS);
}

new EventSource("/events").onmessage = soon;
document.addEventListener("visibilitychange", () => document.hidden || soon());
