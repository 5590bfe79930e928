import { describe, expect, test } from "bun:test";

import { createErrorPages } from "../../src/filter/error-pages.ts";
import { createRequestEditor } from "../../src/filter/header-edits.ts";
import { compileTemplate, parseTemplate, type TemplatePart } from "../../src/filter/template.ts";
import { refusal } from "../../src/proxy/refusal.ts";
import { filteredRequest } from "../support/filtered-request.ts";

describe("a text with variables", () => {
  test.each<[source: string, parts: readonly TemplatePart[], isUnclosed: boolean]>([
    ["", [], false],
    ["plain", [{ text: "plain" }], false],
    ["${client}", [{ name: "client" }], false],
    ["a${client}b${peer}", [{ text: "a" }, { name: "client" }, { text: "b" }, { name: "peer" }], false],
    ["$$", [{ text: "$" }], false],
    ["$${client}", [{ text: "${client}" }], false],
    ["$$${client}", [{ text: "$" }, { name: "client" }], false],
    ["$5 $", [{ text: "$5 $" }], false],
    ["${}", [{ name: "" }], false],
    ["{client}", [{ text: "{client}" }], false],
    ["${a ${client}", [{ text: "${a " }, { name: "client" }], true],
    ["${client", [{ text: "${client" }], true],
  ])("%p", (source, parts, isUnclosed) =>
    expect(parseTemplate(source)).toEqual({ parts: [...parts], isUnclosed }),
  );

  test.each([
    ["${client} ${peer}", "203.0.113.9 192.0.2.7"],
    ["${method} ${scheme}://${host}${target}", "POST https://shop.test/a%2Fb/?x=%20&y"],
    ["${path}|${query}", "/a%2Fb/|x=%20&y"],
    ["${path.id}/${path.rest}", "7%20/a/b"],
    ["${header.X-Told}|${header.x-TOLD}|${header.missing}", "yes|yes|"],
    ["${cookie.b}|${cookie.missing}|${cookie.c}", "2||x"],
    ["${requestId} ${route} ${pool}", "id-1 routes[0] main"],
    ["[${upstream}${tls.subject}${tls.sni}]", "[]"],
  ])("%p is written from the request", (source, expected) => {
    const request = filteredRequest({
      ...{ method: "POST", target: "/a%2Fb/?x=%20&y", host: "Shop.Test.:8080", scheme: "https" },
      clientAddress: "203.0.113.9",
      headers: { "x-told": "yes", cookie: "a=1; b=2; b=3; c=x" },
      captures: { id: "7%20", rest: "a/b" },
    });
    expect(compileTemplate(source, { pool: "main" }).write(request)).toBe(expected);
  });

  test("names no parameter of the path by the name of a method of objects", () => {
    const request = filteredRequest({ captures: Object.fromEntries([["id", "1"]]) });
    expect(compileTemplate("${path.id}").write(request)).toBe("1");
    expect(() => compileTemplate("${toString}")).toThrow("unknown variable toString");
    expect(() => compileTemplate("${header.}")).toThrow("unknown variable");
    expect(() => compileTemplate("${header.a b}")).toThrow("unknown variable");
  });

  test("takes the path of OPTIONS * for the root", () =>
    expect(compileTemplate("${target} ${path}").write(filteredRequest({ target: "*" }))).toBe("/ /"));
});

test("a default is added where a field to set has no value", () => {
  const settings = { set: { "X-A": "${header.a}" }, default: { "x-a": "none" }, add: { "X-B": "" } };
  const editor = createRequestEditor(settings);
  const edited = (headers: Readonly<Record<string, string>>) => {
    const { defaults, added } = editor.edit(filteredRequest({ headers }));
    return [defaults, added];
  };
  expect(edited({ a: "1" })).toEqual([
    [],
    [
      ["X-A", "1"],
      ["X-B", ""],
    ],
  ]);
  expect(edited({})).toEqual([[["x-a", "none"]], [["X-B", ""]]]);
});

describe("an error page", () => {
  const { pageFor } = createErrorPages({
    "404": "nf",
    "4xx": "four",
    "5xx": "five ${status} ${reason} ${requestId}",
  });
  const page = (status: number, accept: string | undefined, requestId = "id") =>
    pageFor(refusal("no_upstream", status), { accept, requestId });

  test("is that of the status, or of its class", () =>
    expect([404, 400, 503, 200].map((status) => page(status, "text/html"))).toEqual([
      ...["nf", "four", "five 503 no_upstream id", undefined],
    ]));

  test("escapes what the client may have written", () =>
    expect(page(500, "text/html", `<i>"'&`)).toBe("five 500 no_upstream &lt;i&gt;&quot;&#39;&amp;"));

  test.each([
    ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true],
    ["TEXT/HTML; q=0.1", true],
    ["application/json;q=0.5, text/html", true],
    ["application/json, text/html;q=0.9", false],
    ["text/html;q=0", false],
    ["text/html;q=x", false],
    ["*/*", false],
    ["text/htmlx", false],
    [undefined, false],
  ])("%p asks for it: %p", (accept, isShown) => expect(page(500, accept) !== undefined).toBe(isShown));
});
