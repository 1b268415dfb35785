import { beforeEach, describe, expect, it } from "vitest";

import { register } from "../src/live/register";
import { type HistoryLine, itemOf, pageOf, sentence, whoOf } from "../src/register/history";
import { setTongue } from "../src/words";

const line: HistoryLine = { seq: 1, at: "2026-11-24T14:10:00Z", by: "s-1", by_name: "王芳", section: "residents", id: "r-1", name: "张桂兰", act: "changed", changes: [], erased: false };

describe("a change of the register in plain words", () => {
  beforeEach(() => {
    setTongue("zh-CN");
    register.areas.clear();
    register.areas.set("c1", { code: "c1", name: "碾上社区", kind: "community", parent: "" } as never);
  });

  it.each([
    ["residents", { field: "phone", before: "138****0001", after: "139****0002" }, "把 电话 由“138****0001”改为“139****0002”"],
    ["residents", { field: "phone", before: "138****0001", after: "138****0001" }, "改了 电话（不显示内容）"],
    ["residents", { field: "area", before: "", after: "c1" }, "把 所属区域 由“（未填）”改为“碾上社区”"],
    ["residents", { field: "contacts", before: [], after: [{ name: "女儿", phone: "139****0002" }] }, "把 紧急联系人 由“（未填）”改为“女儿 139****0002”"],
    ["residents", { field: "location", before: null, after: { lat: 34, lon: 113.8 } }, "把 坐标 由“（未填）”改为“34, 113.8”"],
    ["stations", { field: "hours", before: "always", after: { mon: ["08:00-12:00"] } }, "把 开放时间 由“全天开放”改为“周一 08:00-12:00、周二至周日 休息”"],
    ["stations", { field: "kind", before: "care_station", after: "day_care" }, "把 类型 由“社区托老站”改为“社区日间照料中心”"],
    ["policies", { field: "repeat", before: 60, after: 45 }, "把 重复间隔 由“60 秒”改为“45 秒”"],
    ["webhooks", { field: "secret", secret: true }, "改了 签名密钥（不显示内容）"],
  ])("%s %o", (section, change, told) => {
    expect(sentence({ ...line, section }, change)).toBe(told);
  });

  it("says who it was, and where the item is", () => {
    expect(whoOf(line)).toBe("王芳");
    expect(whoOf({ ...line, by: "cli", by_name: null })).toBe("命令行");
    expect(whoOf({ ...line, by: "", by_name: null })).toBe("系统");
    expect(whoOf({ ...line, by: null, by_name: null })).not.toBe("系统");
    expect([itemOf(line), pageOf(line)]).toEqual(["张桂兰（r-1）", "#/residents/r-1"]);
    expect([itemOf({ ...line, section: "policies", id: "service" }), pageOf({ ...line, section: "policies" })]).toEqual(["服务求助", "#/policies"]);
    setTongue("en");
    expect(sentence(line, { field: "phone", before: "1", after: "2" })).toBe("changed Telephone from “1” to “2”");
  });
});
