/** Names for ids: stations, areas, staff and policies, read once and again when one is missing. */

import { shallowReactive } from "vue";

import { readAll } from "../api/http";
import type { Area, Me, Policy, Staff, Station } from "../api/shapes";

/** An id that is not there is asked for again at most so often. */
const AGAIN_MS = 60_000;

class Register {
  readonly stations = shallowReactive(new Map<string, Station>());
  readonly areas = shallowReactive(new Map<string, Area>());
  readonly staff = shallowReactive(new Map<string, Staff>());
  readonly policies = shallowReactive(new Map<string, Policy>());
  private staffReadMs = 0;

  /** What the queue needs. A volunteer may read none of it, and needs none. */
  async read(me: Me): Promise<void> {
    if (me.role === "volunteer") return;
    await Promise.all([
      fill<Station>("/stations", this.stations, (one) => one.id),
      fill<Area>("/areas", this.areas, (one) => one.code),
      fill<Policy>("/policies", this.policies, (one) => one.key),
    ]);
  }

  clear(): void {
    for (const map of [this.stations, this.areas, this.staff, this.policies]) map.clear();
    this.staffReadMs = 0;
  }

  stationName(id: string): string {
    return this.stations.get(id)?.name ?? id;
  }

  /** A person's name; their id where the register is not ours to read. */
  staffName(id: string): string {
    const known = this.staff.get(id);
    if (known === undefined && id !== "" && Date.now() - this.staffReadMs > AGAIN_MS) {
      this.staffReadMs = Date.now();
      void fill<Staff>("/staff", this.staff, (one) => one.id);
    }
    return known?.name ?? id;
  }

  areaName(code: string | null): string {
    return code === null ? "" : (this.areas.get(code)?.name ?? code);
  }

  /** Street and community of an area, from the outside in. */
  areaPath(code: string | null): string {
    const names: string[] = [];
    for (let at = code ?? ""; at !== "" && names.length < 4; at = this.areas.get(at)?.parent ?? "") {
      const area = this.areas.get(at);
      if (area === undefined) break;
      names.unshift(area.name);
    }
    return names.join(" ");
  }

  /** Whether an area is another, or below it. */
  within(code: string | null, above: string): boolean {
    let at = code ?? "";
    for (let steps = 0; at !== "" && steps < 8; steps += 1) {
      if (at === above) return true;
      at = this.areas.get(at)?.parent ?? "";
    }
    return false;
  }
}

async function fill<T>(path: string, into: Map<string, T>, id: (one: T) => string): Promise<void> {
  const answer = await readAll<T>(path);
  if (!answer.ok) return;
  for (const one of answer.body) into.set(id(one), one);
}

export const register = new Register();
