import { describe, expect, test } from "bun:test";

import { answer } from "../../src/extension/api.ts";
import { Extensions } from "../../src/extension/extensions.ts";
import { extensionFailures } from "../../src/lib/extension-failures.ts";
import { requestOf } from "../filter/filtered-request.ts";

const ok = answer({ status: 200, body: "ok" });

/** What a request gets from a filter that returns this. */
async function verdictOf(name: string, returned: () => unknown) {
  const extensions = new Extensions({ filters: { [name]: () => ({ admit: returned as () => undefined }) } });
  return await extensions.createFilter(name, undefined).admit(requestOf());
}

describe("a filter of an extension", () => {
  test.each([
    ["nothing", () => undefined, undefined],
    ["a promise of nothing", async () => undefined, undefined],
    ["an answer", () => ok, ok],
    ["a promise of an answer", async () => ok, ok],
    // oxlint-disable-next-line unicorn/no-thenable
    [
      "what is no promise and has then",
      () => ({ then: (settle: (value: unknown) => void) => settle(ok) }),
      ok,
    ],
  ])("may return %s", async (_, returned, expected) => {
    expect(await verdictOf("fine", returned)).toEqual(expected);
  });

  // One that forgets to answer must not let a request pass, nor end it half-way.
  test.each([
    ["null", () => null],
    ["false", () => false],
    ["a number", () => 42],
    ["what only looks like an answer", () => ({ status: 403, body: "no" })],
    ["a promise of a text", async () => "denied"],
  ])("fails a request for which it returns %s", async (what, returned) => {
    const name = what.replaceAll(" ", "-");
    const failure = verdictOf(name, returned);
    expect(await failure.catch(({ message }: Error) => message)).toBe(
      `Cannot use what the filter ${name} returned: expected undefined or answer({ … })`,
    );
    expect(extensionFailures.counts[name]).toBe(1);
  });
});

describe("an answer", () => {
  test.each([
    ["a status that ends no request", { status: 101 }, "the status must be a whole number from 200 to 599"],
    ["a map of fields", { headers: { "X-A": "1" } }, "headers must be a list of [name, value]"],
    ["a body that is no text", { body: 5 }, "the body must be a text"],
    ["a body where there is none", { status: 204, body: "x" }, "a response of status 204 has no body"],
    ["a value that begins another field", { headers: [["X-A", "1\r\nX-B: 2"]] }, "its value has characters"],
    ["a length of its own", { headers: [["content-length", "5"]] }, "it is not allowed here"],
  ])("is refused with %s", (_, options, why) => {
    expect(() => answer({ status: 200, ...options } as Parameters<typeof answer>[0])).toThrow(why);
  });
});
