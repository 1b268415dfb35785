/** The register's items as the API gives and takes them (the contract, section 7). */

import type { Key, Moment, Role } from "../api/shapes";

export interface Place {
  lat: number;
  lon: number;
  datum?: "wgs84" | "gcj02" | "bd09";
}

export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
export type Day = (typeof DAYS)[number];
export type Spans = Partial<Record<Day, string[]>> & { holidays?: "closed" };
export type Hours = "always" | Spans;

export interface ContactItem {
  name?: string;
  relation?: string;
  phone?: string;
  webhook?: string;
  language?: string;
  on?: string[];
}

export interface ResidentItem {
  id: string;
  name?: string;
  phone?: string;
  address?: string;
  door_code?: string;
  identity_number?: string;
  area?: string;
  location?: Place;
  notes?: string;
  language?: string;
  birth_year?: number;
  contacts?: ContactItem[];
}

export interface StationItem {
  id: string;
  name?: string;
  kind: string;
  area?: string;
  location?: Place;
  travel?: string;
  hours?: Hours;
  on_call?: { hours?: Hours; phone?: string; prepare_seconds?: number };
  capacity?: number;
  phone?: string;
  closed?: { until?: Moment; reason?: string };
}

export interface DeviceItem {
  id: string;
  family?: string;
  address?: string;
  resident?: string;
  heartbeat?: number;
  keys?: Record<string, Key>;
  name?: string;
  /** Told, not written. */
  resident_name?: string;
}

export interface StaffItem {
  id: string;
  name?: string;
  phone?: string;
  role: Role;
  area?: string;
  station?: string;
}

export interface AreaItem {
  code: string;
  name?: string;
  kind: string;
  parent?: string;
}

export interface WebhookItem {
  id: string;
  url: string;
  secret?: string;
  events?: string[];
  area?: string;
}

export interface PolicyItem {
  key: Key;
  steps: { after: number; to: string }[];
  repeat: number;
  en_route_within: number;
  repress_within: number;
  arrive_goal: number | null;
  arrive_limit: number | null;
  close_within: number;
  silent: string;
}

/** An item while somebody works on it: fields may hold what is not (yet) right. */
export type Draft = Record<string, unknown>;
