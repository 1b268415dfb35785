// The built pages as the server sends them, with the same policy, before a running dispatcher. For looking and for tests.
import { createServer, request } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const [port = "8080", server = "http://127.0.0.1:12349", folder = fileURLToPath(new URL("../dist", import.meta.url))] = process.argv.slice(2);
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png", ".webmanifest": "application/manifest+json", ".json": "application/json" };
export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; manifest-src 'self'; worker-src 'self'; media-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

function passOn(req, res) {
  const to = new URL(req.url, server);
  const out = request(to, { method: req.method, headers: { ...req.headers, host: to.host } }, (answer) => {
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
    // A server that dies in the middle of a stream must be seen to be dead.
    answer.on("close", () => res.destroy());
  });
  out.on("error", () => { if (!res.headersSent) res.writeHead(502); res.end(); });
  res.on("close", () => out.destroy());
  req.pipe(out);
}

createServer(async (req, res) => {
  const path = new URL(req.url, "http://x").pathname;
  if (/^\/(api\/|demo-login|healthz|readyz)/.test(path)) { passOn(req, res); return; }
  const name = path === "/" ? "/index.html" : path === "/wall" ? "/wall.html" : path.startsWith("/r/") ? "/call.html" : normalize(path);
  try {
    const body = await readFile(folder + name);
    res.writeHead(200, {
      "Content-Type": `${TYPES[extname(name)] ?? "application/octet-stream"}; charset=utf-8`,
      "Content-Security-Policy": POLICY,
      "Cache-Control": name.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
      "X-Content-Type-Options": "nosniff",
    });
    res.end(body);
  } catch {
    res.writeHead(404).end();
  }
}).listen(Number(port), "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${port}\n`));
