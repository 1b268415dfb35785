/**
 * Playing it. One loop at a time, held by the browser's own audio clock: timers of a hidden page are slowed down to one a
 * minute, a loop is not. A browser lets a page sound only after somebody clicked in it; until then `blocked` says so.
 */

import { ref } from "vue";

import { PATTERNS, samplesOf } from "./patterns";
import type { Sound } from "./policy";

const KEPT = "yijian.volume";
export const MUTE_MS = 30_000;
const TRY_MS = 2_500;

class Player {
  /** The browser does not let us sound. */
  readonly blocked = ref(true);
  /** Until when it is muted, on our own clock; 0 = it is not. */
  readonly mutedUntilMs = ref(0);
  readonly volume = ref(kept());
  private context: AudioContext | null = null;
  private gain: GainNode | null = null;
  private loop: AudioBufferSourceNode | null = null;
  private playing: Sound | null = null;
  private wanted: Sound | null = null;
  private timer = 0;
  private readonly buffers = new Map<Sound, AudioBuffer>();

  /** Must be called from a click or a key press. */
  async unlock(): Promise<boolean> {
    try {
      if (this.context === null) {
        this.context = new AudioContext();
        this.gain = this.context.createGain();
        this.gain.connect(this.context.destination);
        this.context.addEventListener("statechange", () => { this.look(); });
      }
      await this.context.resume();
    } catch {
      // No sound card, or forbidden: the banner says so.
    }
    this.look();
    this.setVolume(this.volume.value);
    this.settle();
    return !this.blocked.value;
  }

  /** What should be heard now; null: nothing. */
  want(sound: Sound | null): void {
    this.wanted = sound;
    this.settle();
  }

  mute(): void {
    this.mutedUntilMs.value = Date.now() + MUTE_MS;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => { this.unmute(); }, MUTE_MS);
    this.settle();
  }

  unmute(): void {
    clearTimeout(this.timer);
    this.mutedUntilMs.value = 0;
    this.settle();
  }

  /** 0.2 to 1: never silent. */
  setVolume(volume: number): void {
    this.volume.value = Math.min(1, Math.max(0.2, volume));
    if (this.gain !== null) this.gain.gain.value = this.volume.value;
    try {
      localStorage.setItem(KEPT, String(this.volume.value));
    } catch {
      // Then it is loud again after a reload.
    }
  }

  /** Let one be heard for a moment, unless something real sounds. */
  async try(sound: Sound): Promise<void> {
    if (!(await this.unlock()) || this.playing !== null) return;
    this.play(sound);
    setTimeout(() => { if (this.playing === sound && this.wanted !== sound) this.settle(); }, TRY_MS);
  }

  private look(): void {
    this.blocked.value = this.context?.state !== "running";
  }

  private settle(): void {
    const muted = this.mutedUntilMs.value > Date.now();
    const next = muted || this.blocked.value ? null : this.wanted;
    if (next !== this.playing) this.play(next);
  }

  private play(sound: Sound | null): void {
    this.loop?.stop();
    this.loop?.disconnect();
    this.loop = null;
    this.playing = sound;
    if (sound === null || this.context === null || this.gain === null) return;
    this.loop = this.context.createBufferSource();
    this.loop.buffer = this.bufferOf(sound, this.context);
    this.loop.loop = true;
    this.loop.connect(this.gain);
    this.loop.start();
  }

  private bufferOf(sound: Sound, context: AudioContext): AudioBuffer {
    let buffer = this.buffers.get(sound);
    if (buffer === undefined) {
      const samples = samplesOf(PATTERNS[sound], context.sampleRate);
      buffer = context.createBuffer(1, samples.length, context.sampleRate);
      buffer.copyToChannel(samples, 0);
      this.buffers.set(sound, buffer);
    }
    return buffer;
  }
}

function kept(): number {
  try {
    const volume = Number(localStorage.getItem(KEPT));
    return volume >= 0.2 && volume <= 1 ? volume : 1;
  } catch {
    return 1;
  }
}

export const player = new Player();
