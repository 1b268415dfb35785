/** The server's clock, seen through the Date headers of its answers. Pure; all values are milliseconds. */

const SECOND_MS = 1000;
/** A Date header may be that much older than the answer it stands on. */
const SLACK_MS = 50;

/**
 * How far the server's clock is ahead of ours: somewhere from `low` to `high`.
 *
 * A Date header has whole seconds, so one answer tells the offset to a second and the way there and back; every further
 * one narrows it. Two that contradict each other mean that a clock was set: then only the newer one counts.
 */
export interface Offset {
  low: number;
  high: number;
}

export function narrowed(known: Offset | null, dateMs: number, sentMs: number, receivedMs: number): Offset {
  const told = { low: dateMs - receivedMs, high: dateMs + SECOND_MS + SLACK_MS - sentMs };
  if (known === null) return told;
  const both = { low: Math.max(known.low, told.low), high: Math.min(known.high, told.high) };
  return both.low <= both.high ? both : told;
}

export function aheadMs(offset: Offset | null): number {
  return offset === null ? 0 : Math.round((offset.low + offset.high) / 2);
}

/** So far off that somebody should set the clock, or the countdowns would be wrong without our help. */
export const CLOCK_OFF_MS = 30_000;

class ServerClock {
  private offset: Offset | null = null;
  private readonly changed = new Set<(ahead: number) => void>();

  /** Our best guess of the server's time. */
  now(): number {
    return Date.now() + aheadMs(this.offset);
  }

  get ahead(): number {
    return aheadMs(this.offset);
  }

  heard(date: string | null, sentMs: number, receivedMs: number): void {
    const dateMs = date === null ? NaN : Date.parse(date);
    if (Number.isNaN(dateMs)) return;
    this.offset = narrowed(this.offset, dateMs, sentMs, receivedMs);
    for (const listener of this.changed) listener(this.ahead);
  }

  /** Told with every answer. */
  onHeard(listener: (ahead: number) => void): void {
    this.changed.add(listener);
  }
}

export const clock = new ServerClock();
