import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { ASK_MS, growing, type Proof, proof, standsStill, unprovenSeconds, watchProof } from "../src/live/proof";

const proven: Proof = { state: "proven", stage: null, age_seconds: 12, troubles: [] };
const lost: Proof = { ...proven, state: "lost", stage: "broker", age_seconds: 400 };

describe("what the canary says", () => {
  it("is nothing while presses come through, or where it is off", () => {
    expect(unprovenSeconds(null, 0)).toBeNull();
    expect(unprovenSeconds(proven, 60_000)).toBeNull();
    expect(unprovenSeconds({ ...proven, state: "off" }, 0)).toBeNull();
    expect(unprovenSeconds({ ...proven, state: "waiting" }, 0)).toBeNull();
  });

  it("is since when they do not, and goes on counting between two answers", () => {
    expect(unprovenSeconds(lost, 0)).toBe(400);
    expect(unprovenSeconds(lost, 20_000)).toBe(420);
    expect(unprovenSeconds(lost, -5_000)).toBe(400);
  });

  it("tells whoever sits here of what keeps somebody from being asked, and only the keeper of what grows", () => {
    const with_ = (what: Proof["troubles"][number]["what"]): Proof => ({ ...proven, troubles: [{ what, of: "disk", value: 0.83 }] });
    for (const what of ["overdue", "asleep", "part"] as const) expect(standsStill(with_(what))).toBe(true);
    for (const what of ["loop", "growth"] as const) expect(standsStill(with_(what))).toBe(false);
    expect(growing(with_("growth"))).toEqual(["disk 83 %"]);
    expect(growing(with_("overdue"))).toEqual([]);
  });
});

describe("asking", () => {
  beforeEach(() => { vi.useFakeTimers(); });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it("goes on, keeps the last answer when nobody answers, and ends", async () => {
    const answers = [proven, lost, null, proven];
    const asked = vi.fn(() => {
      const body = answers.shift();
      return body ? Promise.resolve(new Response(JSON.stringify(body))) : Promise.reject(new TypeError("offline"));
    });
    vi.stubGlobal("fetch", asked);
    const end = watchProof();
    await vi.advanceTimersByTimeAsync(10);
    expect(proof.value?.state).toBe("proven");
    await vi.advanceTimersByTimeAsync(ASK_MS);
    expect(proof.value?.state).toBe("lost");
    await vi.advanceTimersByTimeAsync(ASK_MS);
    expect(proof.value?.state).toBe("lost");
    await vi.advanceTimersByTimeAsync(ASK_MS);
    expect(proof.value?.state).toBe("proven");
    end();
    await vi.advanceTimersByTimeAsync(5 * ASK_MS);
    expect(asked).toHaveBeenCalledTimes(4);
    expect(proof.value).toBeNull();
  });
});
