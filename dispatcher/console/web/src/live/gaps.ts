/** Hand-overs that nobody took, and shifts that ended without one: asked now and then, for whoever looks after several stations. */

import { ref } from "vue";

import { read } from "../api/http";
import type { Moment, Page } from "../api/shapes";

export interface Late {
  id: string;
  area: string | null;
  station: string | null;
  station_name: string | null;
  at: Moment;
}

export interface Gap {
  station: string;
  station_name: string | null;
  calls: number;
}

const ASK_MS = 60_000;
const SHOWN = 5;

export const late = ref<Late[]>([]);
export const missing = ref<Gap[]>([]);

async function ask(): Promise<void> {
  const [waiting, gaps] = await Promise.all([read<Page<Late>>(`/handovers?state=late&limit=${SHOWN}`), read<Page<Gap>>("/handovers/missing")]);
  if (waiting.ok) late.value = waiting.body.items;
  if (gaps.ok) missing.value = gaps.body.items.slice(0, SHOWN);
}

/** Ask from now on. Gives what ends it. */
export function watchGaps(): () => void {
  void ask();
  const timer = window.setInterval(() => void ask(), ASK_MS);
  return () => {
    clearInterval(timer);
    late.value = [];
    missing.value = [];
  };
}
