/**
 * What each sound is made of: tones in a loop, as numbers. Made here, so that no file can be missing.
 *
 *     emergency   a two-tone siren, high and rough, hardly a pause      "drop everything"
 *     family      three rising bells, then rest                         "somebody would like to talk"
 *     service     one soft knock, long rest                             "when you can"
 */

import type { Sound } from "./policy";

interface Tone {
  /** Seconds from the start of the loop, and how long. */
  at: number;
  long: number;
  hertz: number;
  /** 0 to 1. */
  loud: number;
  /** Rough tones have overtones and carry through a noisy room and old loudspeakers. */
  rough: boolean;
}

export interface Pattern {
  /** Seconds until it begins anew. */
  every: number;
  tones: Tone[];
}

const siren = (at: number): Tone[] => [
  { at, long: 0.22, hertz: 988, loud: 1, rough: true },
  { at: at + 0.24, long: 0.22, hertz: 740, loud: 1, rough: true },
];

export const PATTERNS: Record<Sound, Pattern> = {
  emergency: { every: 2.2, tones: [...siren(0), ...siren(0.5), ...siren(1)] },
  family: {
    every: 6,
    tones: [523, 659, 784].map((hertz, place) => ({ at: place * 0.32, long: 0.55, hertz, loud: 0.7, rough: false })),
  },
  service: {
    every: 20,
    tones: [392, 392].map((hertz, place) => ({ at: place * 0.4, long: 0.28, hertz, loud: 0.55, rough: false })),
  },
};

const EDGE_SECONDS = 0.012;

/** The samples of one loop, −1 to 1. */
export function samplesOf(pattern: Pattern, rate: number): Float32Array<ArrayBuffer> {
  const samples = new Float32Array(Math.round(pattern.every * rate));
  for (const tone of pattern.tones) {
    const start = Math.round(tone.at * rate);
    const length = Math.round(tone.long * rate);
    for (let place = 0; place < length && start + place < samples.length; place += 1) {
      const second = place / rate;
      const wave = Math.sin(2 * Math.PI * tone.hertz * second);
      const shape = tone.rough ? 0.62 * wave + 0.25 * Math.sin(6 * Math.PI * tone.hertz * second) + 0.13 * Math.sin(10 * Math.PI * tone.hertz * second) : wave;
      // No clicks: it swells and ends softly; what is not rough fades like a bell.
      const edge = Math.min(1, second / EDGE_SECONDS, (tone.long - second) / EDGE_SECONDS);
      const fade = tone.rough ? 1 : Math.exp((-3 * second) / tone.long);
      samples[start + place] = (samples[start + place] ?? 0) + shape * edge * fade * tone.loud;
    }
  }
  return samples;
}
