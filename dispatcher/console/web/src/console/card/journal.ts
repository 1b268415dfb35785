/** The facts of the open card's call: read once, then as the stream tells them; read again when one may be missing. */

import { onScopeDispose, shallowRef, watch, type Ref, type ShallowRef } from "vue";

import { readAll } from "../../api/http";
import type { Fact } from "../../api/shapes";
import { live } from "../../live/live";

const FACTS_MAX = 2_000;
const SETTLE_MS = 400;

/** Two lists of facts as one: each once, oldest first. */
export function merged(known: readonly Fact[], more: readonly Fact[]): Fact[] {
  const bySeq = new Map(known.map((fact) => [fact.seq, fact]));
  for (const fact of more) if (!bySeq.has(fact.seq)) bySeq.set(fact.seq, fact);
  return [...bySeq.values()].sort((a, b) => a.seq - b.seq).slice(-FACTS_MAX);
}

export function useJournal(id: Ref<string>): ShallowRef<Fact[]> {
  const facts = shallowRef<Fact[]>([]);
  let timer = 0;

  async function reading(): Promise<void> {
    const wanted = id.value;
    if (wanted === "") return;
    const answer = await readAll<Fact>(`/calls/${encodeURIComponent(wanted)}/journal`);
    if (answer.ok && wanted === id.value) facts.value = merged(answer.body, facts.value);
  }

  const stop = live.listen((_change, event) => {
    if (event.call === id.value) facts.value = merged(facts.value, [event]);
  });
  watch(id, () => {
    facts.value = [];
    void reading();
  }, { immediate: true });
  // What was told by an answer or a list, and not by the stream, is in the journal too.
  watch(() => live.kept(id.value)?.call.seq ?? 0, (seq) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => { if ((facts.value.at(-1)?.seq ?? 0) < seq) void reading(); }, SETTLE_MS);
  });
  watch(live.connection, (state) => { if (state === "live") void reading(); });
  onScopeDispose(() => {
    stop();
    clearTimeout(timer);
  });
  return facts;
}
