// The API's description, drawn from the document the server makes of its own routes.

import { element } from "./card.js";

const document_ = await (await fetch("/api/v1/openapi.json")).json();
const schemas = document_.components.schemas;

// An example of a shape, deep enough to be useful and never endless.
function example(schema, depth = 0) {
  if (!schema) return null;
  if (schema.$ref) return depth > 4 ? "…" : example(schemas[schema.$ref.split("/").pop()], depth + 1);
  if (schema.enum) return schema.enum.join(" | ");
  const some = schema.anyOf || schema.oneOf;
  if (some) return example(some.find((one) => one.type !== "null") || some[0], depth);
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  switch (type) {
    case "object": {
      const made = {};
      for (const [name, inner] of Object.entries(schema.properties || {})) made[name] = example(inner, depth + 1);
      return made;
    }
    case "array": return schema.items && Object.keys(schema.items).length ? [example(schema.items, depth + 1)] : [];
    case "integer": case "number": return schema.default ?? 0;
    case "boolean": return schema.default ?? false;
    default: return schema.format || schema.default || "text";
  }
}

function shape(content) {
  const [type, inner] = Object.entries(content)[0];
  return element("div", {}, element("p", { class: "zh", text: type }), element("pre", { text: JSON.stringify(example(inner.schema), null, 2) }));
}

function rows(pairs) {
  return element("table", {}, element("tbody", {}, ...pairs.map(([head, ...cells]) =>
    element("tr", {}, element("th", { scope: "row" }, element("code", { text: head })), ...cells.map((cell) => element("td", { text: cell }))))));
}

function operation(method, path, one) {
  const body = element("div");
  if (one["x-roles"]) body.append(element("p", { class: "zh", text: `token: ${one["x-roles"].join(", ")}` }));
  if (one.parameters?.length) {
    body.append(element("h4", { text: "Parameters" }), rows(one.parameters.map((p) =>
      [p.name, p.in, p.required ? "required" : "", [p.description, p.schema.enum?.join(" | ")].filter(Boolean).join(": ")])));
  }
  if (one.requestBody) body.append(element("h4", { text: one.requestBody.required ? "Body" : "Body (optional)" }), shape(one.requestBody.content));
  body.append(element("h4", { text: "Answers" }), rows(Object.entries(one.responses).map(([status, answer]) => [status, answer.description])));
  const good = Object.entries(one.responses).find(([status, answer]) => status.startsWith("2") && answer.content);
  if (good) body.append(shape(good[1].content));
  return element(
    "details",
    { class: "operation", id: one.operationId },
    element("summary", {},
      element("span", { class: "method", text: method.toUpperCase() }),
      element("code", { text: document_.servers[0].url + path }),
      element("span", { text: one.summary }),
      element("span", { class: "zh", lang: "zh-CN", text: one["x-summary-zh"] || "" })),
    body,
  );
}

const byTag = new Map(document_.tags.map(({ name }) => [name, []]));
for (const [path, methods] of Object.entries(document_.paths)) {
  for (const [method, one] of Object.entries(methods)) byTag.get(one.tags[0]).push(operation(method, path, one));
}
document.getElementById("version").textContent = `${document_.info.version} · OpenAPI ${document_.openapi}`;
document.getElementById("operations").replaceChildren(
  element("p", {}, element("a", { href: "/api/v1/openapi.json", text: "openapi.json" })),
  ...[...byTag].filter(([, operations]) => operations.length).map(([tag, operations]) =>
    element("section", {}, element("h2", { class: "tag-name", text: tag }), ...operations)),
);
if (location.hash) document.getElementById(location.hash.slice(1))?.setAttribute("open", "");
