/**
 * The phone page without a network. Pages under /r/ come from the network first and from the last good copy else; the
 * hashed files they need never change and come from the copy first. The API is never kept: what is shown of a call
 * without a network is the page's own memory, and says how old it is.
 */

const worker = self as unknown as ServiceWorkerGlobalScope;

const SHELL = "yijian-shell";
const PAGE = "/r/mine";
const NETWORK_MS = 4_000;

/** The files a page names: they are kept with it, and older ones are let go. */
function named(html: string): string[] {
  return [...html.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((found) => found[1] ?? "").filter((path) => path !== "" && !path.startsWith("/api/"));
}

async function keep(page: Response): Promise<void> {
  const cache = await caches.open(SHELL);
  const html = await page.clone().text();
  const files = named(html);
  await Promise.all(files.map(async (file) => { if ((await cache.match(file)) === undefined) await cache.add(file); }));
  await cache.put(PAGE, page);
  const wanted = new Set([PAGE, ...files]);
  for (const request of await cache.keys()) {
    const path = new URL(request.url).pathname;
    // What a page loads later on is not named in it: only other versions of what is named are let go.
    if (!wanted.has(path) && files.some((file) => sameFile(file, path))) await cache.delete(request);
  }
}

/** `/assets/call-3f2a9c1b.js` and `/assets/call-77d0e2aa.js`. */
function sameFile(a: string, b: string): boolean {
  const bare = (path: string): string => path.replace(/-[\w-]{8}(\.\w+)$/, "$1");
  return a !== b && bare(a) === bare(b);
}

async function pageOf(request: Request): Promise<Response> {
  const cache = await caches.open(SHELL);
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(NETWORK_MS) });
    if (answer.ok) {
      void keep(answer.clone()).catch(() => undefined);
      return answer;
    }
    if (answer.status < 500) return answer;
  } catch {
    // No network, or none to speak of.
  }
  return (await cache.match(PAGE)) ?? Response.error();
}

async function fileOf(request: Request): Promise<Response> {
  const cache = await caches.open(SHELL);
  const kept = await cache.match(request);
  if (kept !== undefined) return kept;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
}

worker.addEventListener("install", (event) => {
  event.waitUntil(
    fetch(PAGE, { cache: "no-store" })
      .then((page) => (page.ok ? keep(page) : undefined))
      .then(() => worker.skipWaiting()),
  );
});

worker.addEventListener("activate", (event) => { event.waitUntil(worker.clients.claim()); });

worker.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== worker.location.origin) return;
  if (event.request.mode === "navigate" && url.pathname.startsWith("/r/")) event.respondWith(pageOf(event.request));
  else if (url.pathname.startsWith("/assets/") || /^\/(icon|manifest)/.test(url.pathname)) event.respondWith(fileOf(event.request));
});
