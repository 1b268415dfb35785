/** The sections of the register: what of an item is shown in its list, and the fields of its form. */

import { register } from "../live/register";
import type { IconName } from "../parts/icons";
import { masked } from "../parts/unmask";
import { word } from "../words";
import type { AreaItem, DeviceItem, Draft, ResidentItem, StaffItem, StationItem, WebhookItem } from "./shapes";

export type FieldKind = "text" | "lines" | "phone" | "code" | "identity" | "number" | "choice" | "area" | "station" | "resident" | "place" | "hours" | "onCall" | "closed" | "contacts" | "keys" | "events" | "secret";

export interface Field {
  name: string;
  kind: FieldKind;
  needed?: boolean;
  /** Of a choice: its codes, and the room of the words they have. */
  codes?: readonly string[];
  room?: string;
  /** Below `register.hint`. */
  hint?: string;
  half?: boolean;
}

export interface Row {
  title: string;
  sub: string;
  meta: string;
  icon: IconName;
}

export interface Section<T> {
  id: string;
  idName: "id" | "code";
  prefix: string;
  fields: Field[];
  row: (item: T) => Row;
  blank: () => Draft;
}

export const LANGUAGES = ["zh-CN", "yue", "en", "ug", "bo", "mn"] as const;
export const ROLES = ["admin", "district", "street", "community", "station", "grid", "volunteer"] as const;
export const FAMILIES = ["native", "zigbee2mqtt", "rf433_hub", "rtl_433", "rflink", "yj_line", "sia_dc09", "scaip", "espa444", "chirpstack", "ttn", "gt06", "jt808", "h02", "watch_3g", "onenet", "ctwing", "cti", "shelly", "flic", "http_button"] as const;

const text = (value: string | undefined): string => value ?? "";
const joined = (...parts: (string | undefined)[]): string => parts.filter((one) => one !== undefined && one !== "").join(" · ");

export const residents: Section<ResidentItem> = {
  id: "residents", idName: "id", prefix: "r",
  fields: [
    { name: "id", kind: "text", needed: true, hint: "id", half: true },
    { name: "name", kind: "text", needed: true, half: true },
    { name: "phone", kind: "phone", half: true },
    { name: "birth_year", kind: "number", half: true, hint: "year" },
    { name: "address", kind: "text" },
    { name: "door_code", kind: "code", hint: "doorCode", half: true },
    { name: "identity_number", kind: "identity", hint: "identity", half: true },
    { name: "area", kind: "area", half: true },
    { name: "language", kind: "choice", codes: LANGUAGES, room: "tongue", half: true },
    { name: "location", kind: "place", hint: "place" },
    { name: "notes", kind: "lines", hint: "notes" },
    { name: "contacts", kind: "contacts" },
  ],
  row: (one) => ({ title: text(one.name) || one.id, sub: text(one.address) || register.areaPath(one.area ?? null), meta: masked(text(one.phone)), icon: "person" }),
  blank: () => ({ language: "zh-CN", contacts: [] }),
};

export const stations: Section<StationItem> = {
  id: "stations", idName: "id", prefix: "st",
  fields: [
    { name: "id", kind: "text", needed: true, hint: "id", half: true },
    { name: "name", kind: "text", needed: true, half: true },
    { name: "kind", kind: "choice", needed: true, codes: ["care_station", "day_care", "street_centre", "district_desk"], room: "stationKind", half: true },
    { name: "phone", kind: "phone", half: true },
    { name: "area", kind: "area", half: true },
    { name: "travel", kind: "choice", codes: ["walk", "e_bike", "car"], room: "map.travel", half: true },
    { name: "capacity", kind: "number", half: true, hint: "capacity" },
    { name: "location", kind: "place", hint: "place" },
    { name: "hours", kind: "hours" },
    { name: "on_call", kind: "onCall", hint: "onCall" },
    { name: "closed", kind: "closed", hint: "closed" },
  ],
  row: (one) => ({ title: text(one.name) || one.id, sub: joined(word("stationKind", one.kind), register.areaPath(one.area ?? null)), meta: masked(text(one.phone)), icon: one.closed === undefined ? "house" : "warn" }),
  blank: () => ({ kind: "care_station", travel: "walk", hours: "always" }),
};

export const devices: Section<DeviceItem> = {
  id: "devices", idName: "id", prefix: "btn",
  fields: [
    { name: "id", kind: "text", needed: true, hint: "id", half: true },
    { name: "family", kind: "choice", codes: FAMILIES, room: "", half: true },
    { name: "resident", kind: "resident", hint: "deviceResident" },
    { name: "name", kind: "text", half: true, hint: "deviceName" },
    { name: "address", kind: "text", half: true, hint: "deviceAddress" },
    { name: "heartbeat", kind: "number", half: true, hint: "heartbeat" },
    { name: "keys", kind: "keys", hint: "keys" },
  ],
  row: (one) => ({ title: text(one.name) || one.id, sub: joined(text(one.resident_name) || one.resident, one.family, text(one.name) === "" ? "" : one.id), meta: one.resident === undefined ? word("register", "noResident") : "", icon: "bell" }),
  blank: () => ({ family: "native", heartbeat: 900 }),
};

export const staff: Section<StaffItem> = {
  id: "staff", idName: "id", prefix: "s",
  fields: [
    { name: "id", kind: "text", needed: true, hint: "login", half: true },
    { name: "name", kind: "text", needed: true, half: true },
    { name: "phone", kind: "phone", half: true },
    { name: "role", kind: "choice", needed: true, codes: ROLES, room: "role", half: true },
    { name: "station", kind: "station", half: true },
    { name: "area", kind: "area", half: true },
  ],
  row: (one) => ({ title: text(one.name) || one.id, sub: joined(word("role", one.role), one.station === undefined ? register.areaPath(one.area ?? null) : register.stationName(one.station)), meta: masked(text(one.phone)), icon: "person" }),
  blank: () => ({ role: "station" }),
};

export const areas: Section<AreaItem> = {
  id: "areas", idName: "code", prefix: "",
  fields: [
    { name: "code", kind: "text", needed: true, hint: "code", half: true },
    { name: "name", kind: "text", needed: true, half: true },
    { name: "kind", kind: "choice", needed: true, codes: ["street", "community", "grid"], room: "register.areaKind", half: true },
    { name: "parent", kind: "area", half: true },
  ],
  row: (one) => ({ title: text(one.name) || one.code, sub: joined(word("register.areaKind", one.kind), register.areaPath(one.parent ?? null)), meta: one.code, icon: "map" }),
  blank: () => ({ kind: "community" }),
};

export const webhooks: Section<WebhookItem> = {
  id: "webhooks", idName: "id", prefix: "wh",
  fields: [
    { name: "id", kind: "text", needed: true, hint: "id", half: true },
    { name: "area", kind: "area", half: true },
    { name: "url", kind: "text", needed: true, hint: "url" },
    { name: "secret", kind: "secret", hint: "secret" },
    { name: "events", kind: "events", hint: "events" },
  ],
  row: (one) => ({ title: one.id, sub: one.url, meta: "", icon: "sent" }),
  blank: () => ({ events: ["call.*"] }),
};
