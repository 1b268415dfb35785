/** What the API gives and takes (the contract, sections 4 and 5), as far as the pages use it. Times are RFC 3339 texts. */

export type Moment = string;
export type State = "received" | "accepted" | "en_route" | "on_scene" | "closed";
export type Key = "emergency" | "service" | "family";
export type Kind = "press" | "fall" | "inactivity" | "hazard" | "manual";
export type Role = "admin" | "district" | "street" | "community" | "station" | "grid" | "volunteer";
export type OfferState = "offered" | "accepted" | "declined" | "expired" | "withdrawn";
export type Due = "step" | "en_route_within" | "repress_within" | "arrive_goal" | "arrive_limit" | "close_within";

export const OUTCOMES = ["helped", "hospital", "false_alarm", "service_done", "no_contact", "duplicate", "test", "other"] as const;
export const EVIDENCE = ["spoke_to_resident", "on_site", "relative_confirmed"] as const;
export type Outcome = (typeof OUTCOMES)[number];
export type Evidence = (typeof EVIDENCE)[number];

/** WGS 84, in degrees. */
export interface Location {
  lat: number;
  lon: number;
}

export interface Contact {
  name?: string;
  relation?: string;
  phone?: string;
}

/** The resident as a call shows them. Out of scope or erased: the id alone. */
export interface Resident {
  id: string;
  name?: string;
  phone?: string;
  address?: string;
  door_code?: string;
  area?: string;
  notes?: string;
  language?: string;
  birth_year?: number;
  location?: Location;
  contacts?: Contact[];
}

/** Who telephoned, where the call was opened by hand for somebody who is not in the register. */
export interface Caller {
  name: string;
  phone: string;
  address: string;
}

export interface Dispatch {
  station?: string;
  person?: string;
  at: Moment;
  last_at: Moment;
  offers: number;
  travel_seconds: number | null;
  distance_m: number | null;
  reason: string;
  state: OfferState;
  station_name?: string | null;
}

export interface PassedOver {
  station: string;
  reason: string;
  station_name?: string | null;
}

export interface Done {
  by: string;
  at: Moment;
  proof?: string | null;
}

export interface Closing {
  by: string;
  at: Moment;
  outcome: Outcome;
  evidence: Evidence | null;
  note: string | null;
  of: string | null;
}

export interface Holder {
  by: string;
  station: string;
  at: Moment;
  name?: string | null;
  station_name?: string | null;
}

export interface Call {
  id: string;
  district: string;
  state: State;
  key: Key;
  kind: Kind;
  test: boolean;
  device: string | null;
  source?: string | null;
  resident: Resident | null;
  caller: Caller | null;
  area: string | null;
  location: Location | null;
  pressed_at: Moment;
  opened_at: Moment;
  late_seconds: number;
  presses: number;
  cancel_requested: boolean;
  step: number;
  repeats: number;
  dispatches: Dispatch[];
  passed_over: PassedOver[];
  seen_by: string[];
  spoke: { by: string; at: Moment; result: "answered" | "no_answer" } | null;
  accepted: Holder | null;
  en_route: Done | null;
  on_scene: Done | null;
  closed: Closing | null;
  deadline: { kind: Due; at: Moment } | null;
  deadlines: Partial<Record<Due, Moment>>;
  seq: number;
}

export interface Cause {
  kind: "signal" | "command" | "deadline" | "report";
  device: string | null;
  id: string;
  by: string | null;
}

/** A fact of the journal, with what belongs to its kind. */
export interface Fact {
  seq: number;
  at: Moment;
  fact: string;
  district: string;
  cause: Cause;
  call: string | null;
  device: string | null;
  [more: string]: unknown;
}

/** A fact as the stream tells it: with the call right after it. */
export interface StreamEvent extends Fact {
  state?: Call | null;
}

export interface Station {
  id: string;
  name: string;
  kind: "care_station" | "day_care" | "street_centre" | "district_desk";
  area?: string;
  location?: Location;
  phone?: string;
  capacity?: number;
  /** By its hours, and not closed for a while. */
  open_now?: boolean;
}

export interface Area {
  code: string;
  name: string;
  kind: "street" | "community" | "grid" | "district";
  parent?: string;
}

export interface Staff {
  id: string;
  name: string;
  phone?: string;
  role: Role;
  station?: string;
  area?: string;
  on_duty?: boolean;
  on_duty_since?: Moment | null;
}

export interface Policy {
  key: Key;
  steps: { after: number; to: string }[];
  repeat: number;
  /** "21:00-07:00" in the district's zone: not heard then; empty: always heard. */
  silent?: string;
}

export interface Fault {
  id: string;
  district: string;
  device: string | null;
  resident: string | null;
  area: string | null;
  fault: string;
  detail: string | null;
  station: string;
  since: Moment;
  deadline: Moment | null;
  overdue: boolean;
  ended: Moment | null;
  count: number;
  /** Of a fault that many share, the first of them. */
  devices: readonly string[];
  /** Of an area that is struck, whose devices they are. */
  residents: readonly string[];
}

export interface Route {
  station: string;
  station_name: string | null;
  kind: Station["kind"];
  tier: number;
  travel_seconds: number | null;
  distance_m: number | null;
  able: boolean;
  reason: string;
}

/** Who sits here. `station` and `area` are empty where they have none. */
export interface Me {
  id: string;
  name: string;
  role: Role;
  station: string;
  area: string;
  /** Their id in the register; empty for a token that is nobody's. */
  staff: string;
  /** The session they are logged in by; empty for a token. */
  session: string;
  /** A password of their own is to be set before anything else. */
  start: boolean;
  district: { code: string; name: string; timezone: string };
}

export interface Page<T> {
  items: T[];
  next: string | null;
}
