// The event stream over fetch, because an EventSource cannot carry a token in a header and a token never goes in a URL.
// It comes again by itself, from where it was: nothing missed, nothing twice.

const SILENCE_MS = 40_000; // the server says something every 15 s; twice and a bit without a word: the line is dead
const PAUSE_MS = [500, 1000, 2000, 4000, 8000];

export async function follow({ token, onOpen, onEvent, onReset, onLost, onRefused, stopped }) {
  let last = null;
  let failures = 0;
  while (!stopped.aborted) {
    const abort = new AbortController();
    const stop = () => abort.abort();
    stopped.addEventListener("abort", stop);
    let timer = null;
    const heard = () => { clearTimeout(timer); timer = setTimeout(stop, SILENCE_MS); };
    try {
      heard();
      const headers = { Authorization: `Bearer ${token}` };
      if (last) headers["Last-Event-ID"] = last;
      const response = await fetch("/api/v1/events", { headers, signal: abort.signal, cache: "no-store" });
      if (response.status === 401 || response.status === 403) { onRefused(); return; }
      if (!response.ok) throw new Error(String(response.status));
      failures = 0;
      // Without a position the stream begins now: what happened before is in the lists, so they are read after this.
      await onOpen(last === null);
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        heard();
        text += value;
        let end;
        while ((end = text.indexOf("\n\n")) >= 0) {
          const block = parse(text.slice(0, end));
          text = text.slice(end + 2);
          if (block.event === "reset") { last = null; await onReset(); }
          else if (block.data) onEvent(block.event, JSON.parse(block.data));
          if (block.id && block.event !== "reset") last = block.id;
        }
      }
    } catch (error) {
      if (stopped.aborted) return;
      if (error instanceof SyntaxError) last = null; // half an event is no event: read the lists again
    } finally {
      clearTimeout(timer);
      stopped.removeEventListener("abort", stop);
      abort.abort();
    }
    if (stopped.aborted) return;
    onLost();
    const pause = PAUSE_MS[Math.min(failures++, PAUSE_MS.length - 1)];
    await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
  }
}

export function parse(block) {
  const found = { id: "", event: "", data: "" };
  const data = [];
  for (const line of block.split("\n")) {
    if (!line || line.startsWith(":")) continue;
    const at = line.indexOf(":");
    const name = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (name === "data") data.push(value);
    else if (name in found) found[name] = value;
  }
  found.data = data.join("\n");
  return found;
}
